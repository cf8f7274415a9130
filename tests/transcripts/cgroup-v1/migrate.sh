cd /sys/fs/cgroup/pids
mkdir -p a/b c
sleep 100 & A=$!
sleep 100 & B=$!
for p in $A $B; do echo $p > a/tasks; done
cat a/tasks a/pids.current a/b/pids.current
echo "$A $B" > a/b/tasks
echo $A > a/b/cgroup.procs; cat a/cgroup.procs a/b/cgroup.procs
cat a/pids.current a/b/pids.current a/pids.peak
echo $A > a/b/cgroup.procs && echo again
echo 0 > c/tasks; cat c/pids.current; cat /proc/self/cgroup | grep pids: | cut -d: -f2-
echo $$ > tasks; cat c/pids.current
kill $A; sleep 0.2; cat a/b/pids.current a/b/tasks
rmdir a
rmdir a/b; rmdir a
kill $B; wait
rmdir a
grep -c . a/tasks
mkdir z; sh -c 'echo $$ > z/tasks; (sleep 0.3; echo late) & exec true'; cat z/pids.current; sleep 0.6; cat z/pids.current
rmdir z c
sh -c 'mkdir q; echo $$ > q/tasks; sleep 100 & echo $! > tasks; cat q/pids.current; kill $!'
cat q/pids.current; rmdir q
mkdir w; echo 1 > w/pids.max; (echo 0 > w/tasks; sh -c 'echo no'; echo status $?)
cat w/pids.events w/pids.peak
sh -c 'echo $$ > w/tasks; echo builtin; /bin/true; echo $?'
echo 2 > w/pids.max; sh -c 'echo $$ > w/tasks; /bin/true; echo $?; true | true; echo $?'
cat w/pids.events
rmdir w
