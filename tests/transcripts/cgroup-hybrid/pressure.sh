# title: Pressure stall information: what a trigger takes
# concepts: PSI, trigger, EINVAL
cd /proc/pressure
ls
grep -c full cpu memory io
echo some 150000 > memory
echo none 150000 1000000 > memory
echo some 150000 10000001 > memory
echo some 0 1000000 > memory
echo some 1000001 1000000 > memory
su student -c 'echo some 150000 1000000 > /proc/pressure/memory'
su student -c 'echo some 150000 2000000 > /proc/pressure/memory'
ls -l | cut -c1-10
mkdir /sys/fs/cgroup/unified/c
cd /sys/fs/cgroup/unified/c
cat cpu.pressure memory.pressure io.pressure
cat cpu.stat cpu.stat.local
echo x > io.pressure
echo 0 > cgroup.pressure; ls | grep pressure; cat cgroup.pressure
echo 2 > cgroup.pressure
echo 1 > cgroup.pressure; ls | grep pressure
cd; rmdir /sys/fs/cgroup/unified/c
