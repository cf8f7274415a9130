# Shared mounts go both ways, slaves only receive.
unshare --mount --propagation unchanged mount -t tmpfs out /mnt
findmnt -n -o SOURCE /mnt
umount /mnt
unshare --mount --propagation slave sh -c 'mount -t tmpfs in /srv; findmnt -n -o SOURCE /srv'
findmnt -n /srv || echo not outside
