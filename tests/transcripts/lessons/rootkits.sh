# Hidden from ps by a mount, found again by asking the kernel in another way.
cp /bin/sleep /tmp/kworker
/tmp/kworker 5000 &
sleep 0.2
mount -t tmpfs none /proc/$!
ps -e -o comm= | grep -c kworker
kill -0 $! && echo it exists
grep -c " /proc/$! " /proc/self/mountinfo
umount /proc/$!
ps -e -o comm= | grep -c kworker
kill $!
