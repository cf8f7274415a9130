# A new UTS namespace is a copy; another name in it is nobody else's.
unshare --uts hostname
unshare --uts sh -c 'hostname box; hostname; echo crate > /proc/sys/kernel/hostname; hostname'
hostname
