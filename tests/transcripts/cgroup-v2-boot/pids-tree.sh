# world: v2
cd /sys/fs/cgroup
echo "+pids" > cgroup.subtree_control
mkdir -p p/c
echo "+pids" > p/cgroup.subtree_control
echo 2 > p/pids.max
cat p/c/pids.max
sh -c 'echo $$ > p/c/cgroup.procs; sleep 1000 & exec setsid -f true'
cat p/pids.current p/c/pids.current
cat p/pids.events p/c/pids.events
echo 1 > p/c/pids.max
sh -c 'echo $$ > p/c/cgroup.procs; exec setsid -f true'
cat p/pids.events p/c/pids.events
