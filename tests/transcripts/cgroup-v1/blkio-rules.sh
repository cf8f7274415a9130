# title: What the files of the blkio controller take
# concepts: blkio, throttle, weight, ENODEV
cd /sys/fs/cgroup/blkio
mkdir c
echo 500 > c/blkio.bfq.weight && cat c/blkio.bfq.weight c/blkio.bfq.weight_device
echo 0 > c/blkio.bfq.weight
echo 1001 > c/blkio.bfq.weight
echo 1000 > c/blkio.bfq.weight && cat c/blkio.bfq.weight
echo x > c/blkio.bfq.weight
echo '250:9 200' > c/blkio.bfq.weight_device
echo 300 > c/blkio.bfq.weight_device
echo 'default 300' > c/blkio.bfq.weight_device && cat c/blkio.bfq.weight_device
echo '250:9 1000' > c/blkio.throttle.read_bps_device
echo '250 1000' > c/blkio.throttle.read_bps_device
echo '250:9' > c/blkio.throttle.read_bps_device
echo x > c/blkio.throttle.write_iops_device
echo '1:3 1000' > c/blkio.throttle.read_bps_device
cat c/blkio.throttle.read_bps_device c/blkio.throttle.io_serviced
echo 1 > c/blkio.throttle.io_serviced
echo 1 > c/blkio.reset_stats
cat c/blkio.reset_stats
rmdir c
