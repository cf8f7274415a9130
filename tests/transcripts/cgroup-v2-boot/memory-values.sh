# world: v2
cd /sys/fs/cgroup
echo "+memory" > cgroup.subtree_control
mkdir a
echo 1048577 > a/memory.max
cat a/memory.max
echo 1G > a/memory.max
cat a/memory.max
echo 1g > a/memory.high
cat a/memory.high
echo 64K > a/memory.low
cat a/memory.low
echo max > a/memory.max
cat a/memory.max
echo -1 > a/memory.max
echo abc > a/memory.max
echo 10X > a/memory.max
echo "10 20" > a/memory.max
cat a/memory.max
echo 0 > a/memory.max
cat a/memory.max
echo 5 > a/memory.current
cat a/memory.current
cat memory.max
cat memory.current
ls -l a/memory.max a/memory.current a/memory.events | cut -c1-10
