cd /sys/fs/cgroup/unified
mkdir p
sleep 100 & A=$!
sleep 100 & B=$!
sleep 100 & C=$!
echo $A > p/cgroup.procs; echo $B > p/cgroup.procs
sleep 0.2
echo 1 > p/cgroup.freeze; sleep 0.2
kill $A; sleep 0.3; wc -l < p/cgroup.procs
kill -HUP $B; sleep 0.3; wc -l < p/cgroup.procs
echo $C > p/cgroup.procs; sleep 0.3
kill -HUP $C; sleep 0.3; wc -l < p/cgroup.procs
kill $C; sleep 0.3; wc -l < p/cgroup.procs
echo 0 > p/cgroup.freeze; sleep 0.3; wc -l < p/cgroup.procs
sleep 100 & D=$!
echo $D > p/cgroup.procs; echo 1 > p/cgroup.freeze; sleep 0.2; echo 0 > p/cgroup.freeze; sleep 0.2; echo 1 > p/cgroup.freeze; sleep 0.2
kill $D; sleep 0.3; wc -l < p/cgroup.procs
echo 0 > p/cgroup.freeze; sleep 0.3; wc -l < p/cgroup.procs
rmdir p
