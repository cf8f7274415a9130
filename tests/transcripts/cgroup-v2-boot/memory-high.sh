# world: v2
cd /sys/fs/cgroup
echo "+memory" > cgroup.subtree_control
mkdir a
echo 8M > a/memory.high
sh -c 'echo $$ > a/cgroup.procs; head -c 9M /dev/zero > /dev/shm/f'
echo $?
awk '$1 == "high" { print ($2 > 0) }' a/memory.events
grep -E '^(max|oom|oom_kill) ' a/memory.events
ls -l /dev/shm/f | awk '{ print $5 }'
cat a/memory.max
