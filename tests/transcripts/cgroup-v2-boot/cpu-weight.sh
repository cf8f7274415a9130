# world: v2
cd /sys/fs/cgroup
echo "+cpu" > cgroup.subtree_control
mkdir a
cat a/cpu.weight a/cpu.weight.nice a/cpu.idle
echo 200 > a/cpu.weight
cat a/cpu.weight a/cpu.weight.nice
echo 0 > a/cpu.weight
echo 10001 > a/cpu.weight
echo 10000 > a/cpu.weight
cat a/cpu.weight a/cpu.weight.nice
echo 1 > a/cpu.weight
cat a/cpu.weight a/cpu.weight.nice
echo 5 > a/cpu.weight.nice
cat a/cpu.weight a/cpu.weight.nice
echo -20 > a/cpu.weight.nice
cat a/cpu.weight
echo 20 > a/cpu.weight.nice
echo -21 > a/cpu.weight.nice
echo 1 > a/cpu.idle
cat a/cpu.weight a/cpu.idle
echo 300 > a/cpu.weight
