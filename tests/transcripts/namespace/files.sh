# title: Namespaces as files
# concepts: /proc/PID/ns, nsfs, stat, readlink, permissions
ls /proc/self/ns
ls -l /proc/self/ns | awk 'NR > 1 { print $1, $3, $4, $9 }'
stat -L -c '%F %a %h %u' /proc/self/ns/net
stat -f -L -c '%T %t' /proc/self/ns/net
cat /proc/self/ns/net
echo > /proc/self/ns/net
readlink /proc/self/ns/uts | sed 's/[0-9]\{3,\}/N/'
readlink /proc/1/ns/uts | sed 's/[0-9]\{3,\}/N/'
su student -c 'readlink /proc/1/ns/uts'
su student -c 'ls /proc/1/ns'
exec 7< /proc/self/ns/uts
nsenter --uts=/proc/self/fd/7 hostname
readlink /proc/self/fd/7 | cut -c1-4
stat -L -c %i /proc/self/fd/7 | grep -c 402
exec 7<&-
touch /run/n; mount --bind /proc/self/ns/net /run/n
findmnt -n -o FSTYPE,SOURCE /run/n | sed 's/[0-9]\{3,\}/N/'
stat -c %F /run/n
rm /run/n
cat /run/n
mount --bind /run/n /run/n; umount /run/n; umount /run/n; umount /run/n
rm /run/n
mkdir /run/d; mount --bind /proc/self/ns/net /run/d
ln /proc/self/ns/net /run/hard
cp /proc/self/ns/net /run/copy
test /proc/self/ns/net -ef /proc/1/ns/net; echo $?
unshare -n test /proc/self/ns/net -ef /proc/1/ns/net; echo $?
lsns -t net -o TYPE,NPROCS,PID,USER,COMMAND
lsns -p $$ -o TYPE | sort | tail -n 8
unshare -n sleep 3 &
sleep 0.2; lsns -t net -o NPROCS,COMMAND | tail -n +2
lsns -p $! -o TYPE,NPROCS | sort
kill $!; wait
lsns -p 99999
lsns -t nosuch
nsenter -t $$ -a true; echo $?
nsenter -t $$ -U true
nsenter -t 1 -m -p -i -u -n -C true; echo $?
unshare -nmpuiC -f true; echo $?
