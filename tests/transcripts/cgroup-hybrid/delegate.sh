cd /sys/fs/cgroup/unified
mkdir d; chown student d d/cgroup.procs d/cgroup.threads d/cgroup.subtree_control
AS="setpriv --reuid 1000 --regid 1000 --clear-groups"
$AS mkdir d/x d/y; ls -ld d/x | cut -d' ' -f3,4
$AS sleep 100 & P=$!
$AS sh -c "echo $P > d/x/cgroup.procs"
echo $P > d/x/cgroup.procs
$AS sh -c "echo $P > d/y/cgroup.procs"; cat d/y/cgroup.procs
$AS sh -c "echo 1 > d/y/cgroup.freeze; cat d/y/cgroup.events; echo 0 > d/y/cgroup.freeze"
$AS sh -c "echo 1 > d/cgroup.freeze"
$AS sh -c "echo max > d/cgroup.max.depth"
$AS sh -c "echo 2 > d/y/cgroup.max.depth"; cat d/y/cgroup.max.depth
$AS rmdir d/y; $AS rmdir d/x; $AS rmdir d
sleep 100 & R=$!
$AS sh -c "echo $R > d/y/cgroup.procs"
echo $R > d/cgroup.procs
$AS sh -c "echo $R > d/y/cgroup.procs"; cat d/y/cgroup.procs
$AS sh -c "echo 1 > d/y/cgroup.kill"; wait $P; echo $?
wait $R; echo $?
chmod 0 d/y; $AS ls d/y; $AS chmod 755 d/y; $AS ls d/y/cgroup.procs
chmod 666 d/y/cgroup.procs; stat -c %a d/y/cgroup.procs
chgrp student d/y/cgroup.stat; stat -c '%U %G' d/y/cgroup.stat
$AS chown guest d/y/cgroup.type
exec 3> d/y/cgroup.procs; sleep 100 & Q=$!
echo $Q >&3; cat d/y/cgroup.procs; kill $Q; wait $Q
rmdir d/y; echo 0 >&3; exec 3>&-
exec 3< d/cgroup.events; cat <&3; rmdir d; cat <&3; exec 3<&-
ls -d d
