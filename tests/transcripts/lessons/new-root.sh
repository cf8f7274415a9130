# pivot_root in a mount namespace; afterwards nothing of the old tree has a name.
mkdir -p /srv/new
unshare --mount sh -c 'cd /srv/new; mkdir old; pivot_root . old'
cat > /tmp/pivot <<'END'
mount -t tmpfs new /srv/new
mkdir -p /srv/new/bin /srv/new/old /srv/new/proc
cp /bin/busybox /srv/new/bin/
cd /srv/new
pivot_root . old
cd /
/bin/busybox mount -t proc proc /proc
/bin/busybox ls /old | /bin/busybox wc -l | /bin/busybox sed 's/[1-9][0-9]*/many/'
/bin/busybox umount -l /old
/bin/busybox ls /old
/bin/busybox cut -d' ' -f1,2 /proc/mounts
END
unshare --mount sh /tmp/pivot
