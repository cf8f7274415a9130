# Version 1: a quota of 20 ms in 100 ms stops what computes, and says how often.
mkdir /sys/fs/cgroup/cpu/slow
cat /sys/fs/cgroup/cpu/slow/cpu.cfs_quota_us /sys/fs/cgroup/cpu/slow/cpu.cfs_period_us /sys/fs/cgroup/cpu/slow/cpu.shares
echo 20000 > /sys/fs/cgroup/cpu/slow/cpu.cfs_quota_us
sh -c 'echo $$ > /sys/fs/cgroup/cpu/slow/cgroup.procs; exec timeout 0.5 sh -c "while :; do :; done"'; echo "status $?"
[ $(awk '/nr_throttled/ { print $2 }' /sys/fs/cgroup/cpu/slow/cpu.stat) -gt 2 ] && echo throttled
echo 2 > /sys/fs/cgroup/cpu/slow/cpu.shares
echo 1 > /sys/fs/cgroup/cpu/slow/cpu.shares
cat /sys/fs/cgroup/cpu/slow/cpu.shares
echo 500 > /sys/fs/cgroup/cpu/slow/cpu.cfs_quota_us; echo "status $?"
echo -1 > /sys/fs/cgroup/cpu/slow/cpu.cfs_quota_us
cat /sys/fs/cgroup/cpu/slow/cpu.cfs_quota_us
rmdir /sys/fs/cgroup/cpu/slow
