# Copy up at the first write; a whiteout for a deletion.
mkdir -p /srv/image /srv/layer /srv/work /srv/root
echo base > /srv/image/motd
mount -t overlay box -o lowerdir=/srv/image,upperdir=/srv/layer,workdir=/srv/work /srv/root
echo mine > /srv/root/motd
cat /srv/image/motd /srv/layer/motd
rm /srv/root/motd
stat -c '%F %t,%T' /srv/layer/motd
ls /srv/root
umount /srv/root
