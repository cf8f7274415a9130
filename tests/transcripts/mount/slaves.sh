# title: Slaves of slaves, shared slaves, unbindable mounts
# concepts: make-slave, make-rshared, make-unbindable, propagation
mkdir -p /mnt/m/x /mnt/s /mnt/ss /mnt/p
mount -t tmpfs t /mnt/m
mkdir /mnt/m/x /mnt/m/y
findmnt -n -o PROPAGATION /mnt/m
mount --bind /mnt/m /mnt/s
mount --make-slave /mnt/s
findmnt -n -o TARGET,PROPAGATION -l | grep /mnt
mount --bind /mnt/s /mnt/ss
findmnt -n -o TARGET,PROPAGATION -l | grep /mnt
mount --make-shared /mnt/s
mount -t tmpfs u /mnt/m/x
ls -d /mnt/*/x; findmnt -n -l -o TARGET | grep -c '/x$'
mount -t tmpfs v /mnt/s/y
findmnt -n -l -o TARGET | grep '/y$'
umount /mnt/m/x
findmnt -n -l -o TARGET | grep -c '/x$'
mount --make-unbindable /mnt/ss
mount --bind /mnt/ss /mnt/p
mount --make-private /mnt/m
findmnt -n -l -o TARGET,PROPAGATION | grep /mnt
mount --rbind /mnt /mnt/p
findmnt -n -l -o TARGET | grep /mnt/p
umount -R /mnt/p
mount --make-rslave /mnt/s
findmnt -n -l -o TARGET,PROPAGATION | grep /mnt
grep ' /mnt' /proc/self/mountinfo | awk '{ print $5, $7, $8, $9 }'
unshare -m --propagation unchanged sh -c 'grep " /mnt" /proc/self/mountinfo | wc -l; findmnt -n -o PROPAGATION /'
unshare -m findmnt -n -o PROPAGATION /
unshare -m --propagation slave findmnt -n -o PROPAGATION /
unshare -m --propagation shared findmnt -n -o PROPAGATION /
mount --make-shared /nosuch
mount --make-private /tmp
mount --move /mnt/s /mnt/p
findmnt -n -l -o TARGET | grep /mnt
umount -R /mnt/m; umount -R /mnt/p; umount -R /mnt/ss
