# The same name means another thing under another root.
mkdir -p /srv/c/bin
cp /bin/busybox /srv/c/bin/
chroot /srv/c /bin/busybox sh -c 'echo hi > /hello; /bin/busybox ls /'
test -e /hello || echo no such file outside
cat /srv/c/hello
mkdir /srv/d; chroot /srv/d /bin/sh
