# world: v2
cd /sys/fs/cgroup
echo "+memory +pids +cpu" > cgroup.subtree_control
mkdir -p a/b
sleep 1000 &
echo $! > a/cgroup.procs
cat a/cgroup.procs | wc -l
echo "+memory" > a/cgroup.subtree_control
echo "+pids" > a/cgroup.subtree_control
echo "+cpu" > a/cgroup.subtree_control
cat a/cgroup.subtree_control
echo $! > a/b/cgroup.procs
echo "+memory" > a/cgroup.subtree_control
cat a/cgroup.subtree_control
echo $! > a/cgroup.procs
echo $! > cgroup.procs
cat a/b/cgroup.procs | wc -l
echo $! > a/cgroup.procs
rmdir a/b
echo $! > a/cgroup.procs
echo "-memory" > a/cgroup.subtree_control
echo $! > a/cgroup.procs
wc -l < a/cgroup.procs
mkdir a/late
echo $! > a/late/cgroup.procs
wc -l < a/cgroup.procs
