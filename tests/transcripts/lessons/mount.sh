# A mount in a namespace of one's own, and a bind that is read-only for oneself alone.
unshare --mount sh -c 'mount -t tmpfs mine /mnt; mount --bind /etc /etc; mount -o remount,bind,ro /etc; touch /etc/x; findmnt -n -o SOURCE /mnt'
findmnt -n /mnt || echo not here
touch /etc/x && echo may be written here
rm /etc/x
