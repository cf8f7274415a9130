# IPC begins empty and counts from 0; two clocks are shifted, the date is not.
ipcmk -Q
unshare --ipc ipcmk -Q
ipcs -q | grep -c 0x
unshare --time --boottime 86400 --fork sh -c 'test $(cut -d. -f1 /proc/uptime) -ge 86400 && echo a day older; true'
ipcrm -q 0
