# What /proc tells a container of the machine, and how a runtime hides it: a mount over the file, in one mount namespace.
unshare --uts --pid --mount --fork --mount-proc sh -c 'hostname inside; cat /proc/sys/kernel/hostname; head -1 /proc/meminfo | cut -d: -f1'
unshare --mount sh -c 'mount --bind /dev/null /proc/meminfo; wc -c < /proc/meminfo; grep meminfo /proc/self/mountinfo | cut -d" " -f5,6'
head -1 /proc/meminfo | cut -d: -f1
unshare --mount sh -c 'mount --bind /dev/null /proc/meminfo; umount /proc/meminfo; head -1 /proc/meminfo | cut -d: -f1'
unshare --mount sh -c 'mount -t tmpfs -o ro none /proc/sys; ls /proc/sys | wc -l; touch /proc/sys/x; echo "status $?"'
