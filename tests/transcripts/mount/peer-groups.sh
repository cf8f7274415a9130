# Peer groups, slaves and what happens to them when mounts are bound, moved and made private
mkdir /tmp/a /tmp/b /tmp/c; mount -t tmpfs a /tmp/a; mount --make-private /tmp/a
mount --bind /tmp/a /tmp/b; mkdir /tmp/a/x; mount -t tmpfs x /tmp/a/x; findmnt -no TARGET /tmp/b/x; umount /tmp/a/x
mount --make-shared /tmp/a; mount --bind /tmp/a /tmp/c; mount -t tmpfs x /tmp/c/x; findmnt -rno TARGET,SOURCE | grep tmp/
findmnt -no PROPAGATION /tmp/a; findmnt -no PROPAGATION /tmp/b; findmnt -no PROPAGATION /tmp/c
mount --make-slave /tmp/c; umount /tmp/a/x; findmnt -rno TARGET | grep tmp/
mount -t tmpfs y /tmp/c/x; findmnt -rno TARGET | grep tmp/; findmnt -no PROPAGATION /tmp/c
mount --make-shared /tmp/c; findmnt -no PROPAGATION /tmp/c; grep /tmp/c /proc/self/mountinfo
mount --make-unbindable /tmp/a; mount --bind /tmp/a /mnt
mount --make-private /tmp/a; grep '/tmp/c ' /proc/self/mountinfo
mount --make-shared /mnt
mount --make-shared /nonexistent
mount --make-shared --make-slave /tmp/a; findmnt -no PROPAGATION /tmp/a
mount --make-rslave --make-rshared /tmp/a; findmnt -no PROPAGATION /tmp/a
umount -R /tmp/c; umount /tmp/b; umount /tmp/a
mount -t tmpfs a /tmp/a --make-shared; findmnt -no PROPAGATION /tmp/a
unshare -m --propagation slave sh -c 'mkdir /tmp/a/in; mount -t tmpfs in /tmp/a/in; findmnt -no TARGET /tmp/a/in; sleep 1.0; findmnt -rno TARGET | grep /tmp/a' &
sleep 0.4; mkdir /tmp/a/out; mount -t tmpfs out /tmp/a/out; findmnt -rno TARGET | grep /tmp/a; wait
unshare -m --propagation shared sh -c 'umount /tmp/a/out'; findmnt -rno TARGET | grep /tmp/a
mount --move /tmp/a /tmp/b
mount --make-private /tmp; mount --make-private /; mount --move /tmp/a /tmp/b; findmnt -rno TARGET | grep /tmp
mount --rbind /dev /tmp/c; findmnt -R -no TARGET,PROPAGATION /tmp/c
mount --make-rprivate /tmp/c; umount -R /tmp/c; ls /tmp/c /dev/shm
mount --rbind /dev /tmp/c; umount -R /tmp/c; findmnt -no TARGET /dev/shm
mount -o bind,private /srv /opt; findmnt -no PROPAGATION /opt; umount /opt
mount --bind --make-private /srv /opt; findmnt -no PROPAGATION /opt; umount /opt
