cd /sys/fs/cgroup/unified
mkdir -p p/c1 p/c2
sleep 100 & S=$!
echo $S > p/c1/cgroup.procs
cat p/cgroup.events p/c2/cgroup.events
cat p/cgroup.procs; cat p/c1/cgroup.threads
echo $S > p/c2/cgroup.threads
echo $S > p/c2/cgroup.procs; cat p/c1/cgroup.events p/c2/cgroup.procs
rmdir p/c2
rmdir p/c1; rmdir p
echo threaded > p/cgroup.type
cat p/c2/cgroup.type
mkdir p/c3; echo threaded > p/c3/cgroup.type; cat p/cgroup.type p/c3/cgroup.type p/c2/cgroup.type
echo threaded > p/c2/cgroup.type
kill $S; wait
echo threaded > p/c3/cgroup.type; cat p/cgroup.type p/c3/cgroup.type p/c2/cgroup.type
mkdir p/c3/x; cat p/c3/x/cgroup.type
rmdir p/c3/x p/c3 p/c2; cat p/cgroup.type
echo 1 > p/cgroup.freeze
sleep 100 & S=$!
echo $S > p/cgroup.procs; sleep 0.1; cat p/cgroup.events; ps -o stat= -p $S
mkdir p/n; cat p/n/cgroup.events; cat p/n/cgroup.freeze
kill -KILL $S; wait $S; cat p/cgroup.events
sh -c 'sleep 0.2 & echo $! > p/cgroup.procs; sleep 0.6; ps -o stat= -p $!; echo 0 > p/cgroup.freeze; wait; echo thawed'
echo 1 > p/cgroup.kill; echo $?
echo abc > p/cgroup.kill
echo 1 > p/cgroup.max.descendants; mkdir p/m; echo 0 > p/cgroup.max.descendants; mkdir p/m
cat p/cgroup.max.descendants; echo max > p/cgroup.max.descendants
echo 1 > p/cgroup.controllers
cat p/cgroup.controllers p/cgroup.subtree_control
echo +cpu > cgroup.subtree_control
echo + > p/cgroup.subtree_control
echo '' > p/cgroup.subtree_control; echo $?
echo -nosuch > p/cgroup.subtree_control
echo -hugetlb > p/cgroup.subtree_control; echo $?
echo +perf_event > p/cgroup.subtree_control
stat -c '%a %n' p p/cgroup.kill p/cgroup.procs p/cgroup.stat
rmdir p/n p
stat -f -c %T .
