# /proc shows the PID namespace of whoever mounted it.
unshare --pid --fork sh -c 'echo $$; cat /proc/1/comm; true'
unshare --pid --fork --mount sh -c 'mount -t proc proc /proc; cat /proc/1/comm; ls -d /proc/[0-9]* | wc -l; true'
cat /proc/1/comm
