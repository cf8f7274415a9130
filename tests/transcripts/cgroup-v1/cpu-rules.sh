# title: What the files of the cpu controller take
# concepts: cpu.shares, cfs quota, burst, idle
cd /sys/fs/cgroup/cpu
mkdir c
for v in 0 1 2 3 262144 262145 99999999 18446744073709551615; do echo "$v" > c/cpu.shares && cat c/cpu.shares; done
echo 18446744073709551616 > c/cpu.shares
echo -1 > c/cpu.shares
echo 0x10 > c/cpu.shares && cat c/cpu.shares
echo 010 > c/cpu.shares && cat c/cpu.shares
echo '1 2' > c/cpu.shares
echo '' > c/cpu.shares
echo 0 > c/cpu.cfs_quota_us
echo 999 > c/cpu.cfs_quota_us
echo 1000 > c/cpu.cfs_quota_us && cat c/cpu.cfs_quota_us
echo -5 > c/cpu.cfs_quota_us && cat c/cpu.cfs_quota_us
echo 9223372036854775807 > c/cpu.cfs_quota_us
echo 17592186044415 > c/cpu.cfs_quota_us && cat c/cpu.cfs_quota_us
echo 17592186044416 > c/cpu.cfs_quota_us
echo 17592186045 > c/cpu.cfs_quota_us
echo x > c/cpu.cfs_quota_us
echo -1 > c/cpu.cfs_quota_us
echo 1000 > c/cpu.cfs_period_us && cat c/cpu.cfs_period_us
echo 1000000 > c/cpu.cfs_period_us && cat c/cpu.cfs_period_us
echo 1000001 > c/cpu.cfs_period_us
echo 0 > c/cpu.cfs_period_us
echo -1 > c/cpu.cfs_period_us
echo 100000 > c/cpu.cfs_period_us
cat c/cpu.cfs_burst_us
echo 1000 > c/cpu.cfs_burst_us
cat c/cpu.cfs_burst_us
echo 50000 > c/cpu.cfs_quota_us
echo 50001 > c/cpu.cfs_burst_us
echo 50000 > c/cpu.cfs_burst_us && cat c/cpu.cfs_burst_us
echo 40000 > c/cpu.cfs_quota_us
echo -1 > c/cpu.cfs_quota_us && cat c/cpu.cfs_burst_us
echo -1 > c/cpu.cfs_burst_us
cat c/cpu.idle
echo 2 > c/cpu.idle
echo -1 > c/cpu.idle
echo x > c/cpu.idle
echo 1 > c/cpu.idle && cat c/cpu.idle c/cpu.shares
echo 500 > c/cpu.shares
echo 0 > c/cpu.idle && cat c/cpu.idle c/cpu.shares
cat c/cpu.rt_runtime_us c/cpu.rt_period_us
echo 1000 > c/cpu.rt_runtime_us
echo 0 > c/cpu.rt_period_us
echo 500000 > c/cpu.rt_period_us && cat c/cpu.rt_period_us
cat c/cpu.stat.local
echo 1 > c/cpu.stat
mkdir -p c/d/e
echo 33000 > c/d/e/cpu.cfs_quota_us
echo 20000 > c/cpu.cfs_quota_us
echo 33000 > c/cpu.cfs_quota_us
echo 33001 > c/d/cpu.cfs_quota_us
echo 200000 > c/cpu.cfs_period_us
echo 50000 > c/d/e/cpu.cfs_period_us
cat c/d/cpu.cfs_quota_us c/d/e/cpu.cfs_quota_us
rmdir c/d/e c/d c
