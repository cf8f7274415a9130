cd /sys/fs/cgroup/devices
mkdir d d/e
echo 'b 8:* rwm' > d/devices.deny; cat d/devices.list d/e/devices.list
echo 'c 1:3 w' > d/devices.deny
sh -c 'echo $$ > d/tasks; echo x > /dev/null; head -c1 /dev/null; test -w /dev/null; echo $?; test -r /dev/null; echo $?; mknod /tmp/b1 b 8 1; mknod /tmp/c1 c 1 3; ls /tmp/c1'
rm -f /tmp/c1
echo a > d/devices.deny
rmdir d/e; sleep 0.3
echo a > d/devices.deny; cat d/devices.list
echo 'c 1:* r' > d/devices.allow; echo 'c *:3 w' > d/devices.allow; echo 'b 7:0 m' > d/devices.allow; cat d/devices.list
mkdir d/e; cat d/e/devices.list
echo 'c 1:5 r' > d/e/devices.allow; cat d/e/devices.list
echo 'c 1:5 rw' > d/e/devices.allow
echo 'c 5:3 w' > d/e/devices.allow; cat d/e/devices.list
echo 'c 1:5 r' > d/devices.deny; cat d/devices.list d/e/devices.list
echo 'c 1:* r' > d/devices.deny; cat d/devices.list d/e/devices.list
echo a > d/e/devices.allow
rmdir d/e; sleep 0.3
echo 'a *:* rwm' > d/devices.allow; cat d/devices.list
echo 'c 1:3 rwmr' > d/devices.deny; echo $?
echo 'c 1:3 rx' > d/devices.deny
echo 'c 1:3 ' > d/devices.deny; echo $?
echo 'c x:3 r' > d/devices.deny
echo 'c 1 r' > d/devices.deny
echo 'c 99999999999:1 r' > d/devices.deny
echo 'c  1:3 r' > d/devices.deny
echo '' > d/devices.deny
echo 'c 1:9 m' > d/devices.deny
sh -c 'echo $$ > d/tasks; mknod /tmp/u c 1 9; head -c 1 /dev/urandom | wc -c'
su student -c 'cat /sys/fs/cgroup/devices/d/devices.list; echo a > /sys/fs/cgroup/devices/d/devices.deny'
cat d/devices.allow
chown student d/devices.deny; su student -c 'echo "c 1:7 r" > /sys/fs/cgroup/devices/d/devices.deny'
sh -c 'echo $$ > d/tasks; unshare -U -r sh -c "echo c 1:7 r > d/devices.deny"; head -c1 /dev/full | od -An -tx1'
rmdir d
