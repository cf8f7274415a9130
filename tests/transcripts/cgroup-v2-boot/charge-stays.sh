# world: v2
cd /sys/fs/cgroup
echo "+memory" > cgroup.subtree_control
mkdir a b
sh -c 'echo $$ > a/cgroup.procs; head -c 8M /dev/zero > /dev/shm/file'
awk '{ print ($1 >= 8388608) }' a/memory.current
grep '^shmem ' a/memory.stat
sh -c 'echo $$ > b/cgroup.procs; cat /dev/shm/file > /dev/null'
grep '^shmem ' b/memory.stat
cat a/cgroup.procs
rmdir a
cat cgroup.stat
rm /dev/shm/file
