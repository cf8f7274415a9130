# title: Less used controllers of version 1
# concepts: blkio.throttle, devices.list, freezer.state, cpuset rules
cd /sys/fs/cgroup/blkio; mkdir a; ls a | sort
cat a/blkio.throttle.read_bps_device a/blkio.throttle.io_serviced
echo "1:3 100" > a/blkio.throttle.read_bps_device
echo "abc" > a/blkio.throttle.read_bps_device
echo "8:0" > a/blkio.throttle.read_bps_device
echo 1 > a/blkio.reset_stats
rmdir a
cd ../devices; mkdir a a/b; cat a/devices.list a/b/devices.list
echo a > a/devices.deny
echo 'c 1:3 rwm' > a/devices.allow
echo 'c 1:5 r' > a/devices.allow
echo 'b *:* m' > a/devices.allow
cat a/devices.list a/b/devices.list
echo 'c 1:5 w' > a/b/devices.allow
echo 'c 1:3 rw' > a/b/devices.deny; cat a/b/devices.list
echo 'x 1:3 r' > a/devices.allow
echo 'c 1:3' > a/devices.allow; cat a/devices.list
echo 'c 1 r' > a/devices.allow
echo 'c 1:3 q' > a/devices.allow
echo 'c 1:3 w' > a/devices.deny; cat a/devices.list a/b/devices.list
sh -c 'echo $$ > a/tasks; head -c 1 /dev/zero | od -An -c; echo > /dev/null; mknod /mnt/n c 1 3'
sh -c 'echo $$ > a/tasks; cat /dev/random | head -c 0'
echo a > a/devices.allow
cd ../freezer; mkdir a a/b; cat a/freezer.state a/freezer.self_freezing a/freezer.parent_freezing
sleep 100 & echo $! > a/b/tasks
echo FROZEN > a/freezer.state; sleep 0.1; cat a/freezer.state a/b/freezer.state a/b/freezer.parent_freezing a/b/freezer.self_freezing
ps -o stat= -p $!
echo THAWED > a/b/freezer.state; cat a/b/freezer.state
echo FROZEN > a/b/freezer.state; echo THAWED > a/freezer.state; cat a/freezer.state a/b/freezer.state
kill $!; sleep 0.1; cat /proc/$!/status | grep State
echo THAWED > a/b/freezer.state; wait $!; echo $?
echo frozen > a/freezer.state
echo FREEZING > a/freezer.state
rmdir a/b a
cd ../cpuset; mkdir a; ls a | sort | head -20
cat a/cpuset.cpus a/cpuset.mems a/cpuset.effective_cpus
sleep 100 & echo $! > a/tasks
echo 0-1 > a/cpuset.cpus; echo 0 > a/cpuset.mems; echo $! > a/tasks; cat a/tasks | wc -l
taskset -p $! | sed 's/pid [0-9]*/pid N/'
echo 1 > a/cpuset.cpus; taskset -pc $! | sed 's/pid [0-9]*/pid N/'
taskset -pc 0 $! | sed 's/pid [0-9]*/pid N/'
echo > a/cpuset.cpus
echo 0-5 > a/cpuset.cpus
echo 7 > a/cpuset.cpus
echo 1 > a/cpuset.cpu_exclusive; cat a/cpuset.cpu_exclusive
mkdir b; echo 1 > b/cpuset.cpus
echo 0 > b/cpuset.cpus; echo 1 > b/cpuset.cpu_exclusive; echo $?
mkdir a/c; echo 0-1 > a/c/cpuset.cpus
cat a/cpuset.sched_load_balance a/cpuset.memory_migrate a/cpuset.sched_relax_domain_level
kill $!; wait; rmdir a/c a b
