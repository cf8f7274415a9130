cd /sys/fs/cgroup/pids
mkdir g
stat -c '%A %U %G %s %n' g g/tasks g/pids.current g/cgroup.procs
echo 1 > g/pids.current
cat g/cgroup.clone_children g/notify_on_release
echo 1 > g/notify_on_release; cat g/notify_on_release
echo 5 > g/notify_on_release; cat g/notify_on_release
echo x > g/notify_on_release
mkdir g/child; cat g/child/notify_on_release g/child/cgroup.clone_children
rmdir g/child
ls g/release_agent g/cgroup.sane_behavior
ln -s x g/link
mknod g/fifo p
mkdir g/a/b
mv g/tasks g/other
mv g/tasks ../x
cp /etc/hostname g/new
echo hi > g/new
chmod 600 g/tasks; stat -c '%a' g/tasks
chown student:student g; stat -c '%U %G %n' g g/tasks
mkdir g/sub; stat -c '%U %G' g/sub
rmdir g/sub
su student -c 'cd /sys/fs/cgroup/pids; mkdir g/own; stat -c "%U %G %n" g/own g/own/tasks; rmdir g/own; cat g/tasks'
printf '5' > g/pids.max; cat g/pids.max
printf '7\n\n' > g/pids.max; cat g/pids.max
printf '' > g/pids.max; cat g/pids.max
echo ' 9 ' > g/pids.max; cat g/pids.max
echo '0x10' > g/pids.max; cat g/pids.max
echo '010' > g/pids.max; cat g/pids.max
echo '+3' > g/pids.max; cat g/pids.max
echo '3 4' > g/pids.max
echo 4194304 > g/pids.max
echo 4194303 > g/pids.max; cat g/pids.max
echo 99999999999999999999 > g/pids.max
cat g
rmdir g/tasks
rm -r g
find g
rm -rf g; ls -d g
rmdir g; ls -d g
