# title: What root is without one capability
# concepts: CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_KILL, CAP_SYS_CHROOT, CAP_MKNOD, CAP_SYS_NICE
D=/tmp/work; mkdir $D; echo secret > $D/s; chown student $D/s; chmod 600 $D/s
capsh --drop=cap_dac_override,cap_dac_read_search -- -c "cat $D/s"
capsh --drop=cap_dac_override -- -c "cat $D/s; echo x > $D/s"
capsh --drop=cap_fowner -- -c "chmod 644 $D/s; touch -d @0 $D/s"
capsh --drop=cap_chown -- -c "chown root $D/s; chgrp student $D/s"
capsh --drop=cap_mknod -- -c "mknod $D/n c 1 3; mkfifo $D/p && ls $D"
capsh --drop=cap_sys_chroot -- -c 'chroot / true'
capsh --drop=cap_sys_nice -- -c 'nice -n -5 true; renice -n -5 $$'
su student -c 'sleep 100' &
sleep 0.4
P=$(pgrep -x sleep)
capsh --drop=cap_kill -- -c "kill $P; kill -0 $P"
kill $P
wait
capsh --drop=cap_sys_resource -- -c 'ulimit -n 5000; ulimit -n'
capsh --drop=cap_setgid -- -c 'su student -c id'
capsh --drop=cap_net_raw -- -c 'ping -c 1 -W 1 127.0.0.1 > /dev/null; echo $?'
capsh --drop=cap_net_bind_service -- -c 'true'
capsh --drop=cap_sys_admin -- -c 'hostname x; mount -t tmpfs t /mnt; umount /run; unshare -m true; nsenter -t 1 -u true'
capsh --drop=cap_sys_ptrace -- -c 'readlink /proc/1/ns/uts > /dev/null && echo readable'
capsh --drop=cap_net_admin -- -c 'ip link add v0 type veth; ip addr add 10.0.0.1/8 dev lo; ip route add 10.0.0.0/8 dev lo; ip netns add q'
capsh --drop=cap_ipc_owner -- -c 'ipcs -q | wc -l'
capsh --drop=cap_setpcap -- -c 'capsh --drop=cap_kill -- -c true'
