# title: Prisons made of paths
# concepts: chroot, bind mounts, escaping with a file descriptor, /proc/PID/root
mkdir -p /srv/j/bin /srv/j/proc /srv/j/dev /srv/j/tmp
cp /bin/busybox /srv/j/bin/
chroot /srv/j /bin/busybox echo hello
chroot /srv/j busybox echo found in PATH
chroot /srv/j
chroot /srv/j /bin/nothing
chroot /srv/j /bin
chroot /etc/hostname /bin/busybox true
chroot --userspec=1000:1000 /srv/j /bin/busybox id
chroot --userspec=student /srv/j /bin/busybox id -u
chroot --userspec=student:guest /srv/j /bin/busybox id
chroot --userspec=1000 --groups=5,6 /srv/j /bin/busybox id
mount -t proc proc /srv/j/proc
chroot /srv/j /bin/busybox readlink /proc/1/root
chroot /srv/j /bin/busybox ls /proc/1/root/etc/hostname
chroot /srv/j /bin/busybox chroot /proc/1/root /bin/sh -c 'cat /etc/hostname; ls -d /srv/j'
chroot /srv/j /bin/busybox mount
chroot /srv/j /bin/busybox cat /proc/self/mountinfo | wc -l
chroot /srv/j /bin/busybox grep -c /proc /proc/self/mounts
cd /srv/j; chroot . /bin/busybox pwd; cd /
chroot --skip-chdir /srv/j /bin/busybox pwd
chroot /srv/j /bin/busybox umount /proc && ls /srv/j/proc
