# world: v2
cd /sys/fs/cgroup
mkdir a b
cat /proc/self/cgroup
sh -c 'echo 0 > a/cgroup.procs; cat /proc/self/cgroup'
sh -c 'echo $$ > a/cgroup.procs; grep -c . a/cgroup.procs; cat /proc/$$/cgroup'
cat /proc/self/cgroup
echo 999999 > a/cgroup.procs
echo -5 > a/cgroup.procs
echo abc > a/cgroup.procs
echo "" > a/cgroup.procs
sleep 1000 &
echo $! > a/cgroup.procs
cat /proc/$!/cgroup
echo $! > b/cgroup.procs
cat a/cgroup.procs
cat /proc/$!/cgroup
cat b/cgroup.procs | wc -l
sh -c 'echo $$ > a/cgroup.procs; sleep 1000 & cat /proc/$!/cgroup'
wc -l < a/cgroup.procs
echo 1 > a/cgroup.procs
cat /proc/1/cgroup
echo 1 > cgroup.procs
cat /proc/2/cgroup
echo 2 > a/cgroup.procs
