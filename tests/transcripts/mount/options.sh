# Options of mounts and of the tools that show them
mount -t tmpfs -o size=1m,nr_inodes=10,mode=700,uid=1000 t /mnt; findmnt -no SOURCE,FSTYPE,OPTIONS /mnt; stat -c '%a %U' /mnt
for i in 1 2 3 4 5 6 7 8 9 10; do touch /mnt/$i; done
df -i /mnt | tail -1
mount -o remount,size=2m,ro /mnt; touch /mnt/x; findmnt -no OPTIONS /mnt
mount -o remount,rw /mnt; findmnt -no OPTIONS /mnt
mount -o remount,size=0k /mnt; findmnt -no OPTIONS /mnt
mount -o remount,nosuchopt /mnt
mount -t tmpfs -o bogus t /opt
mount -t nosuchfs t /opt
mount -t tmpfs t /nonexistent
mount -t tmpfs t /etc/passwd
mount --bind /etc/passwd /mnt
mount --bind /etc /mnt/1
mount --bind /etc/hostname /mnt/1; cat /mnt/1; findmnt -no SOURCE,FSROOT,TARGET /mnt/1
umount /mnt
umount -l /mnt; cat /mnt/1
umount /mnt
mount -r -t tmpfs t /mnt; mount -o remount,bind,rw /mnt; touch /mnt/a
mount -o bind,ro /srv /opt; touch /opt/a; touch /srv/a; ls /opt
mount -o remount,bind,noexec /opt; cp /usr/bin/true /srv/t; /opt/t; /srv/t && echo ok
findmnt -no OPTIONS /opt; umount /opt
mount -o noatime,nodev -t tmpfs t /opt; mknod /opt/n c 1 3; echo x > /opt/n
findmnt -no OPTIONS /opt; mount -o remount,bind,strictatime /opt; findmnt -no OPTIONS /opt
mount -o remount,dev /opt; echo x > /opt/n && echo written; findmnt -no OPTIONS /opt
mountpoint /opt; mountpoint /etc; mountpoint -q /opt; echo $?; mountpoint -d /opt | tr 0-9 N; mountpoint /nonexist
umount /opt /opt /srv
umount /nonexistent
umount -R /mnt; findmnt /mnt
mount -a; mount | head -3
mount | wc -l; mount -t tmpfs | awk '{print $3}'
mount -l -t proc
mount -v --bind /tmp /mnt; umount -v /mnt
mount -t proc proc /mnt; ls /mnt/self/status; umount /mnt
mount -t devpts -o newinstance,ptmxmode=0666 d /mnt; ls /mnt; umount /mnt
mount -t mqueue q /mnt; ls /mnt; umount /mnt
mount -t ramfs r /mnt; findmnt -no FSTYPE,OPTIONS /mnt; df /mnt | tail -1; umount /mnt
findmnt --list -o TARGET,FSTYPE | head -5
findmnt -t tmpfs -o TARGET | head; findmnt -S run -no TARGET
findmnt -T /etc/passwd -no TARGET; findmnt /nonexistent; echo $?
findmnt -J /dev/shm
findmnt -P /dev/shm
findmnt -R /dev -o TARGET
