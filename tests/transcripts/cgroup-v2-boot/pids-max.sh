# world: v2
cd /sys/fs/cgroup
echo "+pids" > cgroup.subtree_control
mkdir a
cat a/pids.max a/pids.current a/pids.events
echo 2 > a/pids.max
sh -c 'echo $$ > a/cgroup.procs; sleep 1000 & exec setsid -f true'
cat a/pids.current
cat a/pids.events
cat a/pids.peak
sleep 1000 &
echo $! > a/cgroup.procs
sleep 1000 &
echo $! > a/cgroup.procs
cat a/pids.current
echo 1 > a/pids.max
cat a/pids.current a/pids.max
sh -c 'echo $$ > a/cgroup.procs; exec setsid -f true'
cat a/pids.events
echo 0 > a/pids.max
cat a/pids.max
echo -1 > a/pids.max
echo abc > a/pids.max
echo max > a/pids.max
cat a/pids.max
cat pids.max
