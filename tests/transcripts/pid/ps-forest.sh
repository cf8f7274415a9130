unshare --pid --fork --mount-proc sh -c 'sleep 5 & (sleep 6 & sleep 7; true) & sleep 0.3; ps axf -o pid,ppid,args; ps -eH -o pid,comm; ps -e --forest -o pid,cmd'
unshare --pid --fork --mount-proc sh -c '(sleep 6 & (sleep 7; true) & sleep 8; true) & sleep 0.3; ps -eo pid,args --forest; ps -eo pid,comm --sort=-pid; ps -eo comm,pid --sort=comm,-pid; ps axk -pid o pid,comm'
unshare --pid --fork --mount-proc sh -c 'ps -eL; ps -eT; ps -eLf | head -1; ps -eo pid,tid,nlwp,comm; ps axjf | head -1; ps aux | head -1 | tr -s " "'
ps --sort=nothing 2>&1 | head -1
ps -e --sort 2>&1 | head -1
