# title: Signals across a PID namespace
# concepts: init ignores unhandled signals, SIGKILL from outside, SIGTERM handler
unshare -p -f --mount-proc sh -c 'kill -KILL $$; kill -TERM $$; kill -STOP $$; echo alive; true'
unshare -p -f --mount-proc sh -c 'trap "echo caught" TERM; kill -TERM $$; true'
unshare -p -f --kill-child sh -c 'sleep 100; true' &
sleep 0.5
U=$!
C=$(cat /proc/$U/task/$U/children)
grep NSpid /proc/$(echo $C)/status
kill -TERM $C
sleep 0.2
kill -0 $C && echo still there
kill -STOP $C
sleep 0.2
ps -o stat= -p $C
kill -CONT $C
kill -KILL $C
wait $U
unshare -p -f --mount-proc sh -c 'sleep 100 & kill -0 $!; kill $!; wait $!; echo $?; kill -0 1; kill 99; true'
unshare -p -f --mount-proc sh -c 'sleep 5 & sleep 5 & ps -o pid,ppid,comm; kill -TERM -1; wait; ps -o pid,comm; true'
unshare -p -f sh -c 'kill -0 9999; echo $PPID; true'
unshare -p -f --mount-proc sh -c 'sh -c "echo \$PPID; true"; echo $PPID; true'
unshare -p -f --mount-proc sh -c 'setsid sh -c "ps -o pid,ppid,pgid,sid,comm; true"; true'
