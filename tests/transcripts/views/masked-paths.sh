# title: Masked and read-only paths
# concepts: bind mount of /dev/null, read-only tmpfs and remount, locked mounts
cat > /tmp/hide.sh <<'END'
mount --bind /dev/null /proc/keys
cat /proc/keys | wc -c
mount -t tmpfs -o ro tmpfs /proc/acpi
ls /proc/acpi | wc -l
touch /proc/acpi/x
mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
echo 5 > /proc/sys/kernel/domainname
cat /proc/sys/kernel/domainname
grep -E " /proc/(keys|acpi|sys) " /proc/self/mountinfo | cut -d" " -f4-6
umount /proc/keys; echo "umount $?"
END
unshare --mount --pid --fork --mount-proc sh /tmp/hide.sh
# What is outside sees none of it.
grep -cE " /proc/(keys|acpi|sys) " /proc/self/mountinfo
# In a user namespace of his own the user may mount, yet what was hidden before stays hidden.
cat > /tmp/inner.sh <<'END'
umount /srv; echo "umount $?"
mount -o remount,bind,rw /srv; echo "remount $?"
mount --bind / /mnt; echo "bind $?"
mount --rbind / /mnt; echo "rbind $?"
ls /mnt/srv | wc -l
END
mkdir -p /srv/secret
unshare --mount sh -c 'mount -t tmpfs -o ro tmpfs /srv; unshare --user --map-root-user --mount sh /tmp/inner.sh'
ls /srv
