# title: Namespace files
# concepts: /proc/PID/ns, bind mounts, unshare with files, persistent namespaces
mkdir /run/ns; cd /run/ns; touch u n i m p c t
unshare --uts=u --ipc=i --net=n hostname inside
findmnt -n -o TARGET,FSTYPE,SOURCE -t nsfs | awk '{ print $1, $2 }'
nsenter --uts=u --net=n --ipc=i sh -c 'hostname; ip -br link; ipcmk -Q > /dev/null'
nsenter --ipc=i ipcs -q | grep -c 0x
nsenter --uts=n true
nsenter --net=u true
unshare --mount=m true
mount --bind /run/ns /run/ns; mount --make-private /run/ns
unshare --mount=m sh -c 'mount -t tmpfs kept /mnt; touch /mnt/f'
nsenter --mount=m ls /mnt
ls /mnt
unshare --pid=p --fork true; nsenter --pid=p true
unshare --cgroup=c grep -c . /proc/self/cgroup
unshare --user=t true; nsenter --user=t id -u
stat -f -c %T u m
umount u; cat u | wc -c
nsenter --uts=u hostname
umount n i m
unshare -u sh -c 'exec 5< /proc/self/ns/uts; hostname kept; exec unshare -u sh -c "hostname other; nsenter --uts=/proc/self/fd/5 hostname; hostname"'
unshare --uts=nowhere/x true
unshare --uts= true
umount -l /run/ns; ls /run/ns
