# title: Flags of mounts and of file systems
# concepts: ro, nosuid, nodev, noexec, remount, bind
mkdir /mnt/a /mnt/b
mount -t tmpfs -o size=1m,mode=700,nr_inodes=10 t /mnt/a
findmnt -n -o TARGET,SOURCE,FSTYPE,OPTIONS /mnt/a
cp /bin/true /mnt/a/true
mount -o remount,noexec /mnt/a
/mnt/a/true
mount -o remount,exec,nosuid,nodev /mnt/a
findmnt -n -o OPTIONS /mnt/a
/mnt/a/true; echo $?
mknod /mnt/a/null c 1 3
cat /mnt/a/null
mount -o remount,dev /mnt/a
cat /mnt/a/null; echo $?
mount --bind /mnt/a /mnt/b
mount -o remount,bind,ro /mnt/b
touch /mnt/b/x
touch /mnt/a/x
findmnt -n -o OPTIONS,VFS-OPTIONS,FS-OPTIONS /mnt/b
mount -o remount,ro /mnt/a
touch /mnt/a/y
findmnt -n -o OPTIONS,VFS-OPTIONS,FS-OPTIONS /mnt/b
mount -o remount,rw /mnt/a
exec 5> /mnt/a/open
mount -o remount,ro /mnt/a
mount -o remount,bind,ro /mnt/a
echo x >&5
exec 5>&-
mount -o remount,ro /mnt/a
mount -o remount,bind,rw,noatime /mnt/a
findmnt -n -o OPTIONS /mnt/a
mount -o remount,size=2m /mnt/a
df -h /mnt/a | tail -1 | awk '{ print $2 }'
mount -o remount,nosuchoption /mnt/a
mount -o remount,size=abc /mnt/a
mount -o bind,ro /mnt/a /mnt/b
grep -c /mnt/b /proc/self/mountinfo
umount /mnt/b /mnt/b
umount /mnt/b
umount -l /mnt/a
