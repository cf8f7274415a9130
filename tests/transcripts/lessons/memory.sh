# Version 1: a group with 16 MiB; a buffer of 64 MiB in it is killed, outside of it is not.
mkdir /sys/fs/cgroup/memory/small
cat /sys/fs/cgroup/memory/small/memory.failcnt
echo 16M > /sys/fs/cgroup/memory/small/memory.limit_in_bytes
cat /sys/fs/cgroup/memory/small/memory.limit_in_bytes
sh -c 'echo $$ > /sys/fs/cgroup/memory/small/cgroup.procs; exec dd if=/dev/zero of=/dev/null bs=64M count=1 2>/dev/null'; echo "status $?"
dd if=/dev/zero of=/dev/null bs=64M count=1 2>/dev/null; echo "status $?"
[ $(cat /sys/fs/cgroup/memory/small/memory.failcnt) -gt 0 ] && echo "the limit was met"
grep oom_kill /sys/fs/cgroup/memory/small/memory.oom_control
rmdir /sys/fs/cgroup/memory/small
