# title: Ids seen from outside and inside
# concepts: overflow uid, uid_map, stat, chown EINVAL
echo x > /tmp/rootfile; touch /tmp/stud; chown student:student /tmp/stud
su student -c 'unshare -U sh -c "id; stat -c %u:%g /tmp/rootfile /tmp/stud; cat /proc/self/uid_map"'
su student -c 'unshare -U -r sh -c "id; stat -c %u:%g /tmp/rootfile /tmp/stud; chown 5 /tmp/stud; chown 0 /tmp/stud; chown 1:1 /tmp/rootfile"'
su student -c 'unshare -U -c id'
su student -c 'unshare -U --map-user=42 --map-group=43 id'
unshare -U --map-users=0,1000,10 --map-groups=0,1000,10 id
unshare -U --map-users 0,100000,65536 --map-groups 0,100000,65536 sh -c 'id; cat /proc/self/uid_map; touch /tmp/y; ls -ln /tmp/stud | cut -d" " -f3,4'
su student -c 'unshare -U --map-auto --map-root-user cat /proc/self/uid_map /proc/self/gid_map'
su student -c 'unshare -U -r unshare -U -r cat /proc/self/uid_map'
su student -c 'unshare -U -r unshare -U --map-user=7 sh -c "id -u; cat /proc/self/uid_map"'
unshare -U -r sh -c 'cat /proc/self/setgroups; setpriv --clear-groups id'
unshare -U --setgroups allow -r id
su student -c 'unshare -U --setgroups allow -r id'
su student -c 'unshare -U -r setpriv --reuid 1 id'
su student -c 'unshare -U -r sh -c "su guest -c id"'
cat /proc/sys/kernel/overflowuid /proc/sys/kernel/overflowgid
cat /proc/sys/user/max_user_namespaces | wc -w
unshare -U -r sh -c 'echo 0 > /proc/sys/user/max_user_namespaces; unshare -U true'
unshare -U -r sh -c 'echo 0 > /proc/sys/user/max_uts_namespaces; unshare -u true; echo 1 > /proc/sys/user/max_uts_namespaces; unshare -u true && echo one; unshare -u unshare -u true'
