# A name that was left inside: /proc/1/root.
mkdir -p /srv/jail/bin /srv/jail/proc
cp /bin/busybox /srv/jail/bin/
mount -t proc proc /srv/jail/proc
chroot /srv/jail /bin/busybox ls /
chroot /srv/jail /bin/busybox chroot /proc/1/root /bin/hostname
umount /srv/jail/proc
