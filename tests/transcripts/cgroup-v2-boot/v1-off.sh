# world: v2
mkdir /mnt/v1 /mnt/v2
mount -t cgroup -o memory none /mnt/v1
mount -t cgroup -o none,name=mine none /mnt/v1
cat /proc/self/cgroup
mkdir /mnt/v1/x
ls /mnt/v1/x | sort
umount /mnt/v1
mount -t cgroup2 none /mnt/v2
mkdir /sys/fs/cgroup/seen
ls -d /mnt/v2/seen
mount -t cgroup2 -o memory none /mnt/v1
cut -f1,4 /proc/cgroups
findmnt -n -o FSTYPE,TARGET -t cgroup2
