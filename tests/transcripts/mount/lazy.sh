# title: Lazy unmounting
# concepts: MNT_DETACH, open files, working directory
mkdir /mnt/l
mount -t tmpfs lazy /mnt/l
mkdir /mnt/l/sub
echo data > /mnt/l/sub/f
sh -c 'cd /mnt/l/sub && exec sleep 100' &
P=$!
sleep 0.3
umount /mnt/l
umount -l /mnt/l && ls /mnt/l
cat /proc/$P/cwd/f
readlink /proc/$P/cwd
ls /proc/$P/cwd/..
echo new > /proc/$P/cwd/g && ls /proc/$P/cwd
grep -c lazy /proc/self/mounts
kill $P
wait $P
umount -l /mnt/l
umount -l /proc/self
mount -t tmpfs x /mnt/l
cd /mnt/l
umount -l /mnt/l
touch here && ls
pwd
cd ..
pwd
cd /
umount -f /mnt/l
rmdir /mnt/l && echo gone
