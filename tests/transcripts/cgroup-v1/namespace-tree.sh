cd /sys/fs/cgroup/pids
mkdir -p a/b/c d
show() { grep -E '^[0-9]*:(pids|):' /proc/$1/cgroup | cut -d: -f2-; }
sh -c 'echo $$ > a/b/tasks; exec unshare -C sleep 100' & Q=$!
sh -c 'echo $$ > a/b/c/tasks; exec sleep 100' & R=$!
sh -c 'echo $$ > d/tasks; exec sleep 100' & S=$!
sleep 0.3
for p in $Q $R $S; do show $p; done
for p in $Q $R $S 1; do nsenter -t $Q -C cat /proc/$p/cgroup | grep pids: | cut -d: -f2-; done
echo $Q > d/tasks
for p in $Q $R $S 1; do nsenter -t $Q -C cat /proc/$p/cgroup | grep pids: | cut -d: -f2-; done
nsenter -t $Q -C sh -c 'grep pids: /proc/self/cgroup | cut -d: -f2-; mkdir /sys/fs/cgroup/pids/a/new; ls -d /sys/fs/cgroup/pids/a/new; rmdir /sys/fs/cgroup/pids/a/new'
nsenter -t $Q -C grep 'cgroup/pids ' /proc/self/mountinfo | cut -d' ' -f4,5
nsenter -t $Q -C unshare -m sh -c 'mount -t cgroup -o pids none /mnt; grep " /mnt " /proc/self/mountinfo | cut -d" " -f4,5; ls -d /mnt/*/; cat /mnt/tasks | wc -l; cd /mnt/..; pwd'
nsenter -t $Q -C unshare -m sh -c 'mount -t cgroup -o none,name=x none /mnt'
nsenter -t $Q -C unshare -m sh -c 'mount -t cgroup2 none /mnt; grep " /mnt " /proc/self/mountinfo | cut -d" " -f4,5; cat /proc/self/cgroup | tail -1'
unshare -C -U -r sh -c 'cat /proc/self/cgroup | grep pids: | cut -d: -f2-; mkdir /sys/fs/cgroup/pids/zz; unshare -m sh -c "mount -t cgroup -o pids none /mnt; echo \$?; ls -d /mnt/a"'
rmdir /sys/fs/cgroup/pids/zz
su student -c 'unshare -U -r -C sh -c "cat /proc/self/cgroup | grep pids: | cut -d: -f2-; mkdir /sys/fs/cgroup/pids/x"'
readlink /proc/self/ns/cgroup | cut -d: -f1
[ $(readlink /proc/$Q/ns/cgroup) = $(readlink /proc/self/ns/cgroup) ] || echo differs
kill $Q $R $S; wait
cat a/b/c/pids.peak a/pids.peak d/pids.peak
rmdir a/b/c a/b a d
mkdir z; sh -c 'echo $$ > z/tasks; exec unshare -C sleep 0.3' & sleep 0.1; cat z/pids.current; wait; rmdir z; echo removed $?
