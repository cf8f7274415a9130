# A namespace without a process, held by a descriptor, joined by that.
unshare --uts --ipc sh -c 'hostname guest; exec sleep 5000' &
sleep 0.4
exec 5< /proc/$(pgrep -x sleep)/ns/uts
kill $(pgrep -x sleep)
sleep 0.2
nsenter --uts=/proc/self/fd/5 hostname
exec 5<&-
