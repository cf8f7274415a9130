# title: A rootless container
# concepts: user namespace, bind mounts, busybox root, pivot_root, proc
mkdir -p /home/student/root/bin /home/student/root/proc /home/student/root/old /home/student/root/etc
cp /bin/busybox /home/student/root/bin/
chroot /home/student/root /bin/busybox --install -s /bin
echo box > /home/student/root/etc/hostname
chown -R student /home/student/root
cat > /tmp/in <<'END'
cd /home/student/root
mount --bind . .
cd .
cd /home/student/root
mount -t proc proc proc
pivot_root . old
cd /
hash -r
umount -l /old
hostname -F /etc/hostname
hostname
id -u
echo $$
ps -o pid,comm
ls /
ls -ld /bin | cut -c1-20
touch /file; stat -c %u /file
cat /proc/self/uid_map
ping -c 1 -W 1 127.0.0.1 | head -2
ip link set lo up; ping -c 1 127.0.0.1 | grep -c from
mount -t tmpfs t /old && mount | wc -l
chown 5 /file
mknod /null c 1 3
END
su student -c 'unshare -U -r -m -u -i -n -p -f sh /tmp/in'
ls -l /home/student/root/file | cut -c1-24
hostname
