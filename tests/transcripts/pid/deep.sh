# title: Five deep
# concepts: NSpid, NStgid, NSpgid, NSsid, nested PID namespaces
unshare -p -f unshare -p -f unshare -p -f unshare -p -f unshare -p -f sleep 100 &
sleep 0.8
grep -E '^NS(pid|tgid|pgid|sid)' /proc/$(pgrep -x sleep)/status
lsns -t pid -n -o NPROCS,COMMAND
P=$(pgrep -x sleep)
nsenter -t $P -p -- sh -c 'echo $$; true'
nsenter -t $P -p -m sh -c 'ps | wc -l'
nsenter -t $P -p -r true; echo $?
kill $P
sleep 0.3
kill -KILL $P
wait
pgrep -x sleep
unshare -p sh -c 'sleep 1 & sleep 1 & wait; echo done'
unshare -p -f sh -c 'unshare -p true; unshare -p true; echo $?'
unshare -p -f --mount-proc=/mnt sh -c 'true'
mkdir /tmp/pr; unshare -p -f --mount-proc=/tmp/pr sh -c 'ls -d /tmp/pr/[0-9]*; ls -d /proc/[0-9]* | wc -l; true'
unshare -p --mount-proc sh -c 'ps'
