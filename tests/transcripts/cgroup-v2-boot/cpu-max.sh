# world: v2
cd /sys/fs/cgroup
mkdir a
cut -d' ' -f1 a/cpu.stat
echo "+cpu" > cgroup.subtree_control
cut -d' ' -f1 a/cpu.stat
cat a/cpu.max
echo "10000 100000" > a/cpu.max
cat a/cpu.max
echo 20000 > a/cpu.max
cat a/cpu.max
echo "max 50000" > a/cpu.max
cat a/cpu.max
echo max > a/cpu.max
cat a/cpu.max
echo "500 100000" > a/cpu.max
echo "10000 500" > a/cpu.max
echo "10000 2000000" > a/cpu.max
echo abc > a/cpu.max
echo "10000 100000" > a/cpu.max
grep -E 'nr_throttled|throttled_usec|nr_bursts' a/cpu.stat
sh -c 'echo $$ > a/cgroup.procs; exec timeout 2 sh -c "while :; do :; done"'
echo $?
awk '$1 == "nr_periods" { print ($2 >= 10) } $1 == "nr_throttled" { print ($2 >= 10) } $1 == "throttled_usec" { print ($2 > 1000000) }' a/cpu.stat
awk '$1 == "usage_usec" { print ($2 > 100000 && $2 < 500000) }' a/cpu.stat
cat cpu.max
