# A root with nothing in it but busybox: what its shell runs by itself, and how it words what goes wrong
mkdir -p /tmp/r/bin /tmp/r/proc; cp /usr/bin/busybox /tmp/r/bin/; ln -s busybox /tmp/r/bin/sh
chroot /tmp/r /bin/sh -c 'ls /; pwd; id; ps; cat /etc/passwd; mount; echo $PATH; echo $HOME; hostname; uname -n; nosuch'
unshare -pfmu chroot /tmp/r sh -c 'mount -t proc proc /proc; ps; ps -o pid,comm; hostname in; hostname; mount; cat /proc/1/comm; cat /proc/self/status | head -1; umount /proc; ps'
cat > /tmp/r/n.sh <<'X'
#!/bin/sh
echo script as $$
for p in /proc/[0-9]*; do echo ${p#/proc/} $(cat $p/comm); done
X
chmod +x /tmp/r/n.sh; unshare -pfm chroot /tmp/r sh -c 'mount -t proc proc /proc; /n.sh; exec ps'
ln -s busybox /tmp/r/bin/cat; mkdir /tmp/r/etc; echo jail > /tmp/r/etc/hostname; chroot /tmp/r sh -c 'cat /etc/hostname; echo $?'
busybox ps | head -3; busybox ps -o pid,comm,args | head -2; busybox ps -o pid,ppid,user,stat | head -2
busybox id; busybox id -u; busybox id student; su student -c 'busybox id'
busybox sh -c 'nosuch'; echo $?; busybox sh -c '/etc/passwd'; echo $?; busybox sh -c './nope'; busybox sh -c 'cd /nope'; echo $?; busybox sh -c 'echo x > /nope/x'; echo $?; busybox sh -c 'exec nosuch'; echo $?; busybox sh -c 'set -z'; echo $?; busybox sh -c 'kill 99999'; busybox sh -c 'exit 3'; echo $?
busybox sh -c 'echo $((1/0))'; echo $?; busybox sh -c 'echo ${u:?gone}; echo no'; echo $?; busybox sh -c 'set -u; echo $u'; busybox sh -c 'readonly a=1; a=2; echo no'; echo $?; busybox sh /nope; echo $?; busybox sh -c 'cat < /nope'; echo $?
busybox mount -t tmpfs t /nope; echo $?; busybox umount /mnt; busybox umount /nope; busybox mount --bind /nope /mnt; busybox nosuch; echo $?; busybox mountpoint /proc
busybox ping -c1 -W1 10.9.9.9; busybox ping nosuchhost; busybox ping -c 1 127.0.0.1 | head -5
