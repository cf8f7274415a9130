# Version 1: limits of processors and of devices on one process in several trees.
for tree in cpuset devices; do mkdir /sys/fs/cgroup/$tree/lab; done
echo 0 > /sys/fs/cgroup/cpuset/lab/cpuset.cpus
echo 0 > /sys/fs/cgroup/cpuset/lab/cpuset.mems
echo 'c 1:3 rwm' > /sys/fs/cgroup/devices/lab/devices.deny
cat > /tmp/in <<'S'
for tree in cpuset devices; do echo $$ > /sys/fs/cgroup/$tree/lab/cgroup.procs; done
grep Cpus_allowed_list /proc/self/status | cut -f2
echo x > /dev/null; echo "status $?"
echo x > /dev/full 2>&1; echo "status $?"
S
sh /tmp/in 2>&1 | sed 's/line [0-9]*: //'
sleep 0.2
for tree in cpuset devices; do rmdir /sys/fs/cgroup/$tree/lab; done
