# world: v2
cd /sys/fs/cgroup
echo "+memory" > cgroup.subtree_control
mkdir -p p/c1 p/c2
echo "+memory" > p/cgroup.subtree_control
echo 24M > p/memory.max
cat p/c1/memory.max
echo 1G > p/c1/memory.max
cat p/c1/memory.max
sh -c 'echo $$ > p/c1/cgroup.procs; exec tail /dev/zero'
echo $?
grep 'oom_kill ' p/memory.events p/c1/memory.events p/c2/memory.events
grep 'oom_kill ' p/memory.events.local p/c1/memory.events.local
awk '$1 == "oom" { print ($2 > 0) }' p/memory.events p/c1/memory.events
awk '$1 == "oom" { print ($2 > 0) }' p/memory.events.local p/c1/memory.events.local
