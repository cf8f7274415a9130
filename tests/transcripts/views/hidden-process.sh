# title: A process that hides
# concepts: PID namespace, names of kernel threads, deleted executables, tmpfs over /proc/PID
cp /bin/sleep /tmp/kworker
unshare --pid --fork --mount --uts sh -c 'hostname hidden; exec /tmp/kworker 100' 2>/dev/null &
sleep 0.3
# From a sibling namespace: nobody of that name.
unshare --pid --fork --mount-proc sh -c 'ps -e -o comm= | grep -c kworker; true'
# From the outside: its name, its file, its parent and its two numbers.
pid=$(pgrep -x kworker)
cat /proc/$pid/comm
readlink /proc/$pid/exe
grep NSpid /proc/$pid/status | wc -w
test "$(readlink /proc/$pid/ns/pid)" = "$(readlink /proc/self/ns/pid)"; echo "same pid namespace: $?"
nsenter -t $pid --uts hostname
# The file is deleted, the process still shows it.
rm /tmp/kworker
readlink /proc/$pid/exe
# A tmpfs over its directory in /proc hides it from ps, but not from the numbers in use.
mount -t tmpfs none /proc/$pid
ps -e -o comm= | grep -c kworker
kill -0 $pid; echo "exists: $?"
grep -c " /proc/$pid " /proc/self/mountinfo
umount /proc/$pid
ps -e -o comm= | grep -c kworker
kill -9 $pid
wait
