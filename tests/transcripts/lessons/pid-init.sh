# Process 1 survives its own SIGKILL, inherits orphans, and takes the namespace along.
unshare --pid --fork --mount-proc sh -c 'kill -9 1; echo alive $$; sh -c "sleep 700 & true"; sleep 0.2; ps -o ppid=,comm= -C sleep; true'
pgrep -x sleep | wc -l
