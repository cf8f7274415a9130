# world: v2
cd /sys/fs/cgroup
mkdir -p a/b/c
sleep 1000 &
echo $! > a/cgroup.procs
sh -c 'trap "" TERM; echo $$ > a/b/c/cgroup.procs; while :; do sleep 1000; done' &
sleep 0.5
wc -l < a/b/c/cgroup.procs
cat a/cgroup.events
ls -l a/cgroup.kill | cut -c1-10
cat a/cgroup.kill
echo 0 > a/cgroup.kill
echo 2 > a/cgroup.kill
echo 1 > a/b/cgroup.kill
sleep 0.5
cat a/b/cgroup.events a/cgroup.events
echo 1 > a/cgroup.kill
wait
cat a/cgroup.events
ls cgroup.kill
