# world: v2
cd /sys/fs/cgroup
mkdir -p a/b
sh -c 'echo $$ > a/cgroup.procs; exec unshare -C sh -c "cat /proc/self/cgroup; cat /proc/1/cgroup"'
sh -c 'echo $$ > a/b/cgroup.procs; exec unshare -C sh -c "cat /proc/self/cgroup /proc/1/cgroup; echo \$\$ > /sys/fs/cgroup/a/cgroup.procs; cat /proc/self/cgroup"'
sh -c 'echo $$ > a/cgroup.procs; exec unshare -C -m sh -c "cd /; umount /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup; cat /proc/self/cgroup; ls -d /sys/fs/cgroup/*/; ls /sys/fs/cgroup/cgroup.type; grep cgroup2 /proc/self/mountinfo | cut -d\" \" -f4,5"'
sh -c 'echo $$ > a/cgroup.procs; exec unshare -C -m sh -c "grep cgroup2 /proc/self/mountinfo | cut -d\" \" -f4,5"'
readlink /proc/self/ns/cgroup
unshare -C readlink /proc/self/ns/cgroup
