# Capabilities of files: when they are copied, lost, masked
cp /usr/bin/ping /tmp/p
setcap cap_net_raw+ep /tmp/p && getcap /tmp/p
setpriv --reuid 1000 --regid 1000 --clear-groups /tmp/p -c1 127.0.0.1 | head -2
cp /tmp/p /tmp/q; getcap /tmp/q
cp -a /tmp/p /tmp/q2; getcap /tmp/q2
echo x >> /tmp/p; getcap /tmp/p
setcap cap_kill=i /tmp/q && getcap -v /tmp/q /tmp/p
setcap -r /tmp/q; getcap /tmp/q
setcap -r /tmp/q
setcap cap_nonsense+ep /tmp/q
setcap cap_kill+ep /tmp/none
setcap 'cap_kill,cap_chown=ep cap_setuid+i' /tmp/q; getcap /tmp/q
setcap -v 'cap_kill=ep' /tmp/q
cp /usr/bin/sleep /tmp/sl; setcap cap_kill,cap_net_admin+p /tmp/sl
setpriv --reuid 1000 --regid 1000 --clear-groups /tmp/sl 100 &
sleep 0.2; grep Cap /proc/$!/status
kill $!
cp /usr/bin/grep /tmp/g; setcap cap_dac_read_search+ep /tmp/g
su student -c '/tmp/g -c root /etc/shadow /root/none'
su student -c '/tmp/g Cap /proc/self/status'
setpriv --bounding-set=-dac_read_search --reuid 1000 --regid 1000 --clear-groups /tmp/g Cap /proc/self/status
setpriv --no-new-privs --reuid 1000 --regid 1000 --clear-groups /tmp/g CapEff /proc/self/status
mount -o remount,bind,nosuid /tmp
mount --bind /tmp /mnt; mount -o remount,bind,nosuid /mnt; setpriv --reuid 1000 --regid 1000 --clear-groups /mnt/g CapEff /proc/self/status
umount /mnt
chown student /tmp/g; getcap /tmp/g
cp /usr/bin/id /tmp/id; chmod u+s /tmp/id; su student -c /tmp/id
chown student /tmp/id; ls -l /tmp/id | cut -c1-10
chmod 4755 /tmp/id; /tmp/id
chmod 2755 /tmp/id; chgrp tty /tmp/id; ls -l /tmp/id | cut -c1-10; chmod g+s /tmp/id; su guest -c /tmp/id
getcap -r /tmp
unshare -Ur setcap cap_chown+ep /tmp/id
unshare -U setcap cap_chown+ep /tmp/id
