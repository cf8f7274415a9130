cd /sys/fs/cgroup/unified
mkdir -p k/a/b
sh -c 'trap "" TERM INT HUP; echo 0 > k/a/b/cgroup.procs; sleep 100; echo survived' & A=$!
sh -c 'echo 0 > k/cgroup.procs; unshare -p -f sleep 100' & B=$!
sleep 0.3; cat k/cgroup.stat | head -1; wc -l < k/cgroup.procs; wc -l < k/a/b/cgroup.threads
echo 1 > k/a/cgroup.kill; wait $A; echo $?
cat k/a/cgroup.events; cat k/cgroup.events
echo 1 > k/cgroup.freeze; echo 1 > k/cgroup.kill; wait $B; echo $?
sleep 0.2; cat k/cgroup.events; cat k/cgroup.procs
echo 0 > k/cgroup.freeze
(echo 0 > k/cgroup.procs; echo 1 > k/cgroup.kill; echo still here); echo $?
sh -c 'echo $$ > k/a/cgroup.procs; exec sleep 100' & C=$!
sleep 0.1; rmdir k/a/b k/a; kill -STOP $C; sleep 0.1; ps -o stat= -p $C; echo 1 > k/a/cgroup.freeze; sleep 0.1; cat k/a/cgroup.events; ps -o stat= -p $C
kill -CONT $C; sleep 0.1; ps -o stat= -p $C; echo 0 > k/a/cgroup.freeze; sleep 0.1; ps -o stat= -p $C
echo 1 > k/a/cgroup.freeze; kill -HUP $C; sleep 0.1; ps -o stat= -p $C; kill -STOP $C; sleep 0.1;  ps -o stat= -p $C; echo 0 > k/a/cgroup.freeze; sleep 0.1; kill -CONT $C; wait $C; echo $?
rmdir k/a k
