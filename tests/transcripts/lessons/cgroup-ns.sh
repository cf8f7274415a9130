# A cgroup namespace changes how paths are told, and limits nothing.
mkdir /sys/fs/cgroup/pids/jail
sh -c 'echo $$ > /sys/fs/cgroup/pids/jail/cgroup.procs; exec unshare --cgroup sh -c "grep pids: /proc/self/cgroup | cut -d: -f2-; grep pids: /proc/1/cgroup | cut -d: -f2-; echo 5 > /sys/fs/cgroup/pids/jail/pids.max; true"'
cat /sys/fs/cgroup/pids/jail/pids.max
rmdir /sys/fs/cgroup/pids/jail
