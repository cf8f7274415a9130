# The lab of worlds: a UTS and PID namespace with a name of its own, seen from outside; it ends with its first process.
unshare --uts --pid --fork --mount-proc sh -c 'hostname inner; sleep 1000 & echo $! > /tmp/inner; wait' &
sleep 0.5
cat /tmp/inner
nsenter --uts --target $(pgrep -o -f 'sleep 1000') hostname
hostname
grep NSpid /proc/$(pgrep -o -f 'sleep 1000')/status | wc -w
kill -9 $(cut -d' ' -f1 /proc/$!/task/$!/children); wait $!; echo "status $?"
pgrep -f 'sleep 1000' | wc -l
