# title: A read-only root
# concepts: EROFS, bind remount, tmpfs over parts
unshare -m sh -c 'mount -o remount,bind,ro /; touch /x; mkdir /x; rm /etc/hostname; echo x > /etc/hostname; touch /tmp/y; touch /run/ok && echo run is writable'
unshare -m sh -c 'mount -o remount,bind,ro /; mount -t tmpfs t /tmp; touch /tmp/y && ls /tmp; ln -s a /b; ln /etc/hostname /etc/h2; mv /etc/hosts /etc/h3; chmod 600 /etc/hosts; chown 1 /etc/hosts'
unshare -m sh -c 'mount -o remount,bind,ro /; mknod /n p; mkfifo /f; truncate -s 0 /etc/hosts; dd if=/dev/zero of=/etc/hosts count=1; tee /etc/hosts < /dev/null'
unshare -m sh -c 'mount -o remount,bind,ro /; mount -o remount,bind,rw /; touch /was && rm /was && echo rw again'
unshare -m sh -c 'mount --bind /etc /etc; mount -o remount,bind,ro /etc; touch /etc/x; touch /srv/y; test -w /etc/hostname || echo not writable; rm /srv/y'
unshare -m sh -c 'mount -o remount,ro /proc; echo x > /proc/sys/kernel/hostname'
unshare -m sh -c 'mount --bind /proc/sys /proc/sys; mount -o remount,bind,ro /proc/sys; sysctl -w kernel.hostname=x; cat /proc/sys/kernel/hostname'
unshare -m sh -c 'mount -o remount,bind,ro /sys/fs/cgroup/pids; mkdir /sys/fs/cgroup/pids/x'
unshare -m sh -c 'mount --bind -o ro /etc /mnt; touch /mnt/x; findmnt -n -o VFS-OPTIONS /mnt'
unshare -m sh -c 'mount -t tmpfs -o ro t /mnt; touch /mnt/x; mkdir /mnt/d; ls /mnt'
unshare -m sh -c 'mount --bind /dev/null /etc/hosts; cat /etc/hosts; echo x > /etc/hosts; ls -l /etc/hosts | cut -c1-10'
unshare -m sh -c 'mount -r -t tmpfs t /mnt; mount -w -o remount /mnt; touch /mnt/f; ls /mnt'
cat /etc/hosts
