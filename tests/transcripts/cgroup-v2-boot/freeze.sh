# world: v2
cd /sys/fs/cgroup
mkdir -p a/b
sleep 1000 &
echo $! > a/b/cgroup.procs
cat a/cgroup.freeze a/cgroup.events
echo 1 > a/cgroup.freeze
sleep 0.3
cat a/cgroup.events a/b/cgroup.events
cat a/b/cgroup.freeze
grep State /proc/$!/status
echo 0 > a/b/cgroup.freeze
sleep 0.3
grep frozen a/b/cgroup.events
echo 1 > a/b/cgroup.freeze
echo 0 > a/cgroup.freeze
sleep 0.3
grep frozen a/cgroup.events a/b/cgroup.events
kill -TERM %1
sleep 0.3
cat a/b/cgroup.procs
grep populated a/b/cgroup.events
echo 2 > a/cgroup.freeze
echo abc > a/cgroup.freeze
ls cgroup.freeze
