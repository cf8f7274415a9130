# title: What an overlay says of itself
# concepts: uuid, redirect_dir, userxattr, volatile, a single layer
mkdir -p /srv/l /srv/k /srv/u /srv/w /srv/v /srv/x /srv/m; chmod 777 /srv/*
O=lowerdir=/srv/l,upperdir=/srv/u,workdir=/srv/w
mount -t overlay o -o lowerdir=/srv/l /srv/m
mount -t overlay o -o lowerdir=/srv/l:/srv/k /srv/m && findmnt -n -o OPTIONS /srv/m; umount /srv/m
mount -t overlay o -o $O /srv/m && findmnt -n -o OPTIONS /srv/m; umount /srv/m
mount -t overlay o -o $O /srv/m && findmnt -n -o OPTIONS /srv/m; umount /srv/m
mount -t overlay o -o $O,redirect_dir=on,index=on,uuid=null /srv/m && findmnt -n -o OPTIONS /srv/m; umount /srv/m
mount -t overlay o -o $O,uuid=off,userxattr /srv/m && findmnt -n -o OPTIONS /srv/m; umount /srv/m
mount -t overlay o -o lowerdir=/srv/l,upperdir=/srv/l,workdir=/srv/w /srv/m
su student -c 'mkdir /tmp/x; cd /tmp/x; mkdir l u w m; unshare -U -r -m sh -c "mount -t overlay o -o lowerdir=l,upperdir=u,workdir=w m; findmnt -n -o OPTIONS m"'
su student -c 'cd /tmp/x; unshare -U -r -m sh -c "mount -t overlay o -o lowerdir=l,upperdir=u,workdir=w,userxattr m; findmnt -n -o OPTIONS m"'
mount -t overlay o -o lowerdir=/srv/l,upperdir=/srv/v,workdir=/srv/x,volatile /srv/m && findmnt -n -o OPTIONS /srv/m; umount /srv/m
mount -t ramfs -o mode=711,size=3 r /mnt && grep ' /mnt ' /proc/mounts; stat -c %a /mnt; umount /mnt
mount -t ramfs -o mode=9 r /mnt
