# title: A fifth of a processor
# concepts: cfs quota, throttling, cpuacct
mkdir /sys/fs/cgroup/cpu/c /sys/fs/cgroup/cpuacct/c
cd /sys/fs/cgroup/cpu/c
echo 20000 > cpu.cfs_quota_us
sh -c 'echo $$ > cgroup.procs; echo $$ > /sys/fs/cgroup/cpuacct/c/tasks; exec timeout 1 sh -c "while :; do :; done"'
awk '$1 == "nr_periods" { print ($2 >= 9 && $2 <= 13) } $1 == "nr_throttled" { print ($2 >= 8 && $2 <= 12) } /burst/' cpu.stat
awk '{ print ($1 > 150000000 && $1 < 320000000) }' ../../cpuacct/c/cpuacct.usage
awk '/^user/ { print ($2 >= 10 && $2 <= 35) } /^system/ { print ($2 < 20) }' ../../cpuacct/c/cpuacct.stat
cat ../../cpuacct/c/cpuacct.usage_all | head -1
echo 0 > ../../cpuacct/c/cpuacct.usage; cat ../../cpuacct/c/cpuacct.usage ../../cpuacct/c/cpuacct.usage_sys
echo 1 > ../../cpuacct/c/cpuacct.usage
echo x > ../../cpuacct/c/cpuacct.usage
echo 0 > ../../cpuacct/c/cpuacct.stat
cd; rmdir /sys/fs/cgroup/cpu/c /sys/fs/cgroup/cpuacct/c
