# A container by hand: the group, then the namespaces, then the root; what is seen inside and outside.
mkdir /sys/fs/cgroup/pids/hand
echo 20 > /sys/fs/cgroup/pids/hand/pids.max
cat > /tmp/inside <<'S'
hostname hand
mount -t tmpfs root /srv
mkdir -p /srv/bin /srv/proc /srv/old
cp /bin/busybox /srv/bin/
cd /srv
pivot_root . old
cd /
/bin/busybox mount -t proc proc /proc
/bin/busybox umount -l /old
/bin/busybox hostname
/bin/busybox ls /
/bin/busybox ps | /bin/busybox wc -l
/bin/busybox cat /proc/self/cgroup | /bin/busybox grep pids
/bin/busybox awk '{ print $5 }' /proc/self/mountinfo
S
sh -c 'echo $$ > /sys/fs/cgroup/pids/hand/cgroup.procs; exec unshare --mount --uts --ipc --net --pid --fork --cgroup --mount-proc sh /tmp/inside'
hostname
cat /sys/fs/cgroup/pids/hand/pids.current /sys/fs/cgroup/pids/hand/pids.max
rmdir /sys/fs/cgroup/pids/hand
ls /srv | wc -l
