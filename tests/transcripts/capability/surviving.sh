# title: Capabilities that survive exec and setuid
# concepts: ambient set, keepcaps, securebits, set-user-ID and capabilities
S="setpriv --reuid 1000 --regid 1000 --clear-groups"
$S --inh-caps=+sys_chroot --ambient-caps=+sys_chroot chroot / id -u
$S --inh-caps=+net_bind_service,+sys_admin --ambient-caps=+sys_admin unshare -u hostname ok && echo ok
$S --inh-caps=+sys_admin --ambient-caps=+sys_admin mount -t tmpfs t /mnt
findmnt -n -o SOURCE /mnt
$S --inh-caps=+dac_override --ambient-caps=+dac_override touch /etc/x && stat -c %u /etc/x
$S --inh-caps=+dac_read_search --ambient-caps=+dac_read_search ls -d /root/.
$S --inh-caps=+setuid --ambient-caps=+setuid setpriv --reuid 0 id -u
$S --inh-caps=+setuid --ambient-caps=+setuid setpriv --reuid 0 grep -E 'Cap(Eff|Amb)' /proc/self/status
cp /usr/bin/id /tmp/sid; chmod 4755 /tmp/sid
cp /usr/bin/grep /tmp/sg; chmod 4755 /tmp/sg
$S --inh-caps=+kill --ambient-caps=+kill /tmp/sg 'Cap\(Amb\|Eff\)' /proc/self/status
$S /tmp/sid
$S --no-new-privs /tmp/sid
chmod 2755 /tmp/sid; $S /tmp/sid
chown student:student /tmp/sid; chmod 6755 /tmp/sid; /tmp/sid; su guest -c /tmp/sid
setpriv --securebits=+no_setuid_fixup --reuid 1000 grep CapEff /proc/self/status
setpriv --securebits=+keep_caps --reuid 1000 grep CapPrm /proc/self/status
setpriv --securebits=+noroot,+noroot_locked sh -c 'id -u; grep CapEff /proc/self/status'
setpriv --securebits=+nosuch true
su student -c 'setpriv --securebits=+noroot true'
umount /mnt
ls -l /tmp/sid | cut -c1-10
su student -c 'cp /tmp/sid /home/student/c; stat -c %a /home/student/c'
