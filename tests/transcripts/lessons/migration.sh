# A process that gets the number it must have.
unshare --pid --fork --mount-proc sh -c 'echo 499 > /proc/sys/kernel/ns_last_pid; sleep 5000 & echo $!'
