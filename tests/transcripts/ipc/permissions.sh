# title: Who may do what with IPC objects
# concepts: ipc_perm, CAP_IPC_OWNER, ipcrm
Q=$(ipcmk -Q -p 0600 | grep -o '[0-9]*$')
M=$(ipcmk -M 5000 -p 0640 | grep -o '[0-9]*$')
S=$(ipcmk -S 3 -p 0666 | grep -o '[0-9]*$')
echo "$Q $M $S"
ipcs -q | awk 'NR > 2 { print $2, $3, $4, $5, $6 }'
ipcs -m | awk 'NR > 2 { print $2, $3, $4, $5, $6, $7 }'
ipcs -s | awk 'NR > 2 { print $2, $3, $4, $5 }'
su student -c "ipcrm -q $Q"
su student -c "ipcrm -m $M"
su student -c "ipcrm -s $S"
su student -c "ipcs -m -i $M" | head -3
ipcs -s -i $S | head -4
su student -c 'ipcmk -Q' | sed 's/[0-9]*$/N/'
ipcs -q | awk 'NR > 3 { print $3, $4 }'
ipcs -q -c | awk 'NR > 3 { print $2, $3, $4, $5, $6 }'
cat /proc/sysvipc/msg | awk '{ print $3, $4, $5, $8, $9, $10, $11 }'
cat /proc/sysvipc/shm | awk '{ print $3, $4, $7, $8, $9, $10, $11, $15, $16 }'
cat /proc/sysvipc/sem | awk '{ print $3, $4, $5, $6, $7, $8 }'
ipcrm -a
ipcs -u
ipcrm -q 12345
ipcrm -m 12345
ipcrm -s 12345
ipcrm -Q 0x12345
ipcrm
ipcs -l | sed -n '2,20p'
unshare -i ipcs -l | sed -n '2,20p'
unshare -i sh -c 'ipcmk -M 4096 > /dev/null; ipcs -m | tail -n +4 | wc -l; cat /proc/sysvipc/shm | wc -l'
ipcs -m | tail -n +4 | wc -l
