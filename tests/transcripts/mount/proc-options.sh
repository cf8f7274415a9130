# title: Options of proc
# concepts: hidepid, subset=pid, gid
mkdir /mnt/p
mount -t proc -o hidepid=2 proc /mnt/p; grep ' /mnt/p ' /proc/self/mounts
ls -d /mnt/p/1; su student -c 'ls -d /mnt/p/1; ls -d /mnt/p/self; ls -d /mnt/p/[0-9]* | wc -l; cat /mnt/p/1/comm'
umount /mnt/p
mount -t proc -o hidepid=1 proc /mnt/p; su student -c 'ls -d /mnt/p/1; ls /mnt/p/1; cat /mnt/p/1/cmdline'; umount /mnt/p
mount -t proc -o subset=pid proc /mnt/p; ls /mnt/p | grep -v '^[0-9]'; cat /mnt/p/meminfo; cat /mnt/p/sys/kernel/hostname; ls /mnt/p/self/ns | head -2; umount /mnt/p
mount -t proc -o hidepid=invisible,gid=1001 proc /mnt/p; grep -o 'hidepid.*' /proc/self/mounts; su guest -c 'ls -d /mnt/p/1'; su student -c 'ls -d /mnt/p/1'; umount /mnt/p
mount -t proc -o hidepid=7 proc /mnt/p
mount -t proc -o hidepid=ptraceable proc /mnt/p; grep ' /mnt/p ' /proc/self/mounts; ls -d /mnt/p/1; umount /mnt/p
mount -t proc -o hidepid=noaccess,subset=pid proc /mnt/p; grep ' /mnt/p ' /proc/self/mounts; umount /mnt/p
mount -t proc -o subset=all proc /mnt/p
mount -t proc -o bogus proc /mnt/p
mount -t proc proc /mnt/p; mount -o remount,hidepid=2 /mnt/p; grep ' /mnt/p ' /proc/self/mounts; grep ' /proc ' /proc/self/mounts; umount /mnt/p
