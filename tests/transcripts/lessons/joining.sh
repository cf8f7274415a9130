# Joining some namespaces of a process, then all; the parent is 0 inside.
unshare --uts --pid --fork --mount-proc sh -c 'hostname box; exec sleep 5000' &
sleep 0.4
P=$(pgrep -x sleep)
nsenter --target $P --uts hostname
nsenter --target $P --all sh -c 'hostname; ps -o ppid=,comm= -p $$; true'
kill -9 $P
