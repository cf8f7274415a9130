# title: Limits of an IPC namespace
# concepts: kernel.sem, msgmax, shmmax, per namespace sysctl
sysctl kernel.msgmax kernel.msgmnb kernel.msgmni kernel.sem kernel.shmmni kernel.shm_rmid_forced
unshare -i sh -c 'sysctl -w kernel.msgmax=100; sysctl kernel.msgmax; sysctl -w kernel.shmmni=2; ipcmk -M 1; ipcmk -M 1; ipcmk -M 1' | sed 's/[0-9]*$//'
sysctl kernel.msgmax kernel.shmmni
unshare -i sh -c 'echo "5 10 2 1" > /proc/sys/kernel/sem; cat /proc/sys/kernel/sem; ipcmk -S 5 | sed "s/[0-9]*$//"; ipcmk -S 5'
unshare -i sh -c 'echo 1 > /proc/sys/kernel/msgmni; ipcmk -Q > /dev/null; ipcmk -Q'
unshare -i sh -c 'echo -1 > /proc/sys/kernel/shmmni; cat /proc/sys/kernel/shmmni'
unshare -i sh -c 'echo abc > /proc/sys/kernel/msgmax'
unshare -i sh -c 'echo 1 > /proc/sys/kernel/shm_rmid_forced; cat /proc/sys/kernel/shm_rmid_forced; ipcmk -M 100 > /dev/null; ipcs -m | tail -n +4 | wc -l'
unshare -i sh -c 'echo 2 > /proc/sys/kernel/shm_rmid_forced'
unshare -i sh -c 'echo 8192 > /proc/sys/kernel/shmmax; ipcmk -M 8193; ipcmk -M 8192 > /dev/null; ipcs -m | tail -n +4 | wc -l'
unshare -i sh -c 'echo 1 > /proc/sys/kernel/shmall; ipcmk -M 4097; ipcmk -M 4096 > /dev/null; ipcmk -M 1'
ls /proc/sys/fs/mqueue
cat /proc/sys/fs/mqueue/queues_max /proc/sys/fs/mqueue/msg_max /proc/sys/fs/mqueue/msgsize_max /proc/sys/fs/mqueue/msg_default /proc/sys/fs/mqueue/msgsize_default
unshare -i sh -c 'echo 3 > /proc/sys/fs/mqueue/queues_max; cat /proc/sys/fs/mqueue/queues_max'
cat /proc/sys/fs/mqueue/queues_max
su student -c 'unshare -U -r -i sh -c "echo 7 > /proc/sys/kernel/msgmni; cat /proc/sys/kernel/msgmni"'
su student -c 'echo 7 > /proc/sys/kernel/msgmni'
ls -l /proc/sys/kernel/msgmni | cut -c1-10
ipcmk -M 0
ipcmk -S 0
ipcmk -S 40000
ipcmk -M abc
ipcmk
