# Version 1: what is frozen cannot be killed before it thaws.
mkdir /sys/fs/cgroup/freezer/ice
sleep 5000 &
echo $! > /sys/fs/cgroup/freezer/ice/cgroup.procs
echo FROZEN > /sys/fs/cgroup/freezer/ice/freezer.state
sleep 0.3
kill -9 $!
ps -o stat= -p $! | cut -c1
echo THAWED > /sys/fs/cgroup/freezer/ice/freezer.state
wait $!; echo "status $?"
rmdir /sys/fs/cgroup/freezer/ice
