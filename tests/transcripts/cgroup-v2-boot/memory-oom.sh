# world: v2
cd /sys/fs/cgroup
echo "+memory" > cgroup.subtree_control
mkdir a
cat a/memory.max a/memory.high a/memory.low a/memory.min
cat a/memory.events
echo 16M > a/memory.max
cat a/memory.max
sh -c 'echo $$ > a/cgroup.procs; exec tail /dev/zero'
echo $?
grep oom_kill a/memory.events
awk '$1 == "max" { print ($2 > 0) }' a/memory.events
awk '$1 == "oom" { print ($2 > 0) }' a/memory.events
cat a/cgroup.events
sh -c 'echo $$ > a/cgroup.procs; head -c 4M /dev/zero | tail -c 1 | od -An -tx1'
grep oom_kill a/memory.events
