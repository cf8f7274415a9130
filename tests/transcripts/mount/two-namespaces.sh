# title: Two mount namespaces
# concepts: propagation between namespaces, /proc/PID/mountinfo, peers and slaves
mkdir /mnt/s /mnt/p
mount -t tmpfs s /mnt/s
unshare -m --propagation unchanged sleep 100 & A=$!
unshare -m --propagation slave sleep 100 & B=$!
unshare -m sleep 100 & C=$!
sleep 0.5
mkdir /mnt/s/x
mount -t tmpfs new /mnt/s/x
for p in $A $B $C; do grep -c ' /mnt/s/x ' /proc/$p/mountinfo; done
for p in $A $B $C; do nsenter -t $p -m findmnt -n -o PROPAGATION /mnt/s; done
nsenter -t $A -m mount -t tmpfs froma /mnt/p; mountpoint /mnt/p; grep -c froma /proc/$B/mounts
nsenter -t $B -m mount -t tmpfs fromb /mnt/s; findmnt -n -o SOURCE /mnt/s; nsenter -t $B -m ls /mnt/s
nsenter -t $A -m umount /mnt/s/x; mountpoint /mnt/s/x
for p in $A $B $C; do grep -c ' /mnt/s/x ' /proc/$p/mountinfo; done
nsenter -t $C -m umount /mnt/s; nsenter -t $C -m sh -c 'ls /mnt/s; grep -c /mnt/s /proc/self/mounts'
umount /mnt/p; nsenter -t $A -m mountpoint /mnt/p
nsenter -t $B -m grep ' /mnt' /proc/self/mountinfo
mount --make-private /mnt/s; mount -t tmpfs last /mnt/s; for p in $A $B; do grep -c last /proc/$p/mountinfo; done
nsenter --mount=/proc/$A/ns/mnt pwd; cd /mnt/s; nsenter -t $A -m pwd; nsenter -t $A -m -w pwd; nsenter -t $A -m --wd=/srv pwd
nsenter -t $A -m -r ls -d /mnt
unshare -m nsenter -t $A -m findmnt -n -o SOURCE /mnt/s
cd /; kill $A $B $C; wait
umount /mnt/s /mnt/s; ls /mnt/s
