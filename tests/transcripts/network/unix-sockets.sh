# A socket with a name in the file system is found from any network namespace, an abstract one only in its own.
cd /tmp
nc -v -lU s > got & sleep 0.3
ls -l s | cut -c1-10
ss -xlH | tr -s ' ' | sed 's/[0-9]\{4,\}/N/'
unshare --net ss -xl
grep -c ' s$' /proc/net/unix
echo hello | unshare --net timeout 2 nc -N -U s; echo "$?"
wait; cat got
nc -U s
unshare --mount sh -c 'mount -t tmpfs none /tmp; nc -U /tmp/s'
unshare --user --map-root-user nc -U s
chmod 600 s; setpriv --reuid 1000 --clear-groups nc -U s
stat -c '%F %a %s' s
cat s
cat < s
rm s; nc -U s
nc -l 7000 & sleep 0.3
ss -tln
ss -tlnH
unshare --net ss -tln
kill %%; wait
