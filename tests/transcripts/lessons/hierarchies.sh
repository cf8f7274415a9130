# One process in two trees; a group with a member cannot be removed.
mkdir /sys/fs/cgroup/pids/a /sys/fs/cgroup/memory/b
sleep 5000 &
echo $! > /sys/fs/cgroup/pids/a/cgroup.procs
echo $! > /sys/fs/cgroup/memory/b/cgroup.procs
grep -E 'pids:|memory:' /proc/$!/cgroup | cut -d: -f2- | sort
rmdir /sys/fs/cgroup/pids/a
kill $!; wait
rmdir /sys/fs/cgroup/pids/a /sys/fs/cgroup/memory/b
