# title: Message queues are files
# concepts: mqueue fs, permissions, QSIZE, limits
ls -ld /dev/mqueue | cut -c1-10
touch /dev/mqueue/a /dev/mqueue/b
stat -c '%n %s %a %F' /dev/mqueue/a
cat /dev/mqueue/a
echo hello > /dev/mqueue/a
cat /dev/mqueue/a
mv /dev/mqueue/a /dev/mqueue/c
ln /dev/mqueue/b /dev/mqueue/d
ln -s b /dev/mqueue/l
mknod /dev/mqueue/p p
chmod 600 /dev/mqueue/b; stat -c %a /dev/mqueue/b
su student -c 'rm /dev/mqueue/b'
su student -c 'touch /dev/mqueue/s' && stat -c %u /dev/mqueue/s
su guest -c 'rm /dev/mqueue/s'
unshare -i -m sh -c 'mount -t mqueue m /mnt; ls /mnt; touch /mnt/x; ls /mnt /dev/mqueue'
mount -t mqueue m /mnt && ls /mnt && touch /mnt/both && ls /dev/mqueue; umount /mnt
unshare -U -r -i -m sh -c 'mount -t mqueue m /mnt; echo 1 > /proc/sys/fs/mqueue/queues_max; touch /mnt/1; touch /mnt/2'
unshare -i sh -c 'echo 0 > /proc/sys/fs/mqueue/msg_max; cat /proc/sys/fs/mqueue/msg_max; echo 20 > /proc/sys/fs/mqueue/msg_max; cat /proc/sys/fs/mqueue/msg_max'
cat /proc/sys/fs/mqueue/msg_max /proc/sys/fs/mqueue/msgsize_max /proc/sys/fs/mqueue/msg_default
ls /proc/sys/fs/mqueue
rm /dev/mqueue/*
ls /dev/mqueue
