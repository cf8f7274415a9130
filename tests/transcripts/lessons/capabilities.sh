# Three operations, one capability.
capsh --drop=cap_sys_admin -- -c 'id -u; hostname x; mount -t tmpfs t /mnt; unshare --uts true'
hostname
