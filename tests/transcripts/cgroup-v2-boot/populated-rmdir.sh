# world: v2
cd /sys/fs/cgroup
mkdir -p a/b
cat a/cgroup.events
sleep 1000 &
echo $! > a/b/cgroup.procs
cat a/cgroup.events a/b/cgroup.events
rmdir a/b
rmdir a
kill %1
wait
cat a/cgroup.events a/b/cgroup.events
rmdir a
rmdir a/b
rmdir a
ls -d a
rm -r nosuch
mkdir a/x/y
mkdir -p a/x/y
rm -rf a 2> /dev/null
ls -d a/x/y
find a -depth -type d -exec rmdir {} \;
ls -d a
