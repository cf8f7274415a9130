# world: v2
cd /sys/fs/cgroup
echo "+memory" > cgroup.subtree_control
mkdir a b
echo 16M > a/memory.max
echo 16M > b/memory.max
cat a/memory.oom.group
echo 1 > b/memory.oom.group
sh -c 'echo $$ > a/cgroup.procs; sleep 1000 & tail /dev/zero; echo tail exit $?'
sleep 0.5
wc -l < a/cgroup.procs
sh -c 'echo $$ > b/cgroup.procs; sleep 1000 & tail /dev/zero; echo tail exit $?'
sleep 0.5
wc -l < b/cgroup.procs
grep oom a/memory.events
grep oom_group b/memory.events
awk '$1 == "oom_kill" { print ($2 >= 3) }' b/memory.events
echo 2 > b/memory.oom.group
