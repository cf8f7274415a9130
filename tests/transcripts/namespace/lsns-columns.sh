# title: Who is in which namespace
# concepts: lsns columns, filters, owner, hierarchy
unshare -u sleep 100 & P=$!
unshare -U -r -n sleep 100 & Q=$!
sleep 0.5
lsns -n -o TYPE,NPROCS,COMMAND -p $P | sort
lsns -n -t net -o TYPE,NPROCS,USER,COMMAND | sort
lsns -n -t user -o NPROCS,COMMAND | sort
lsns -t uts -o NPROCS,PID | wc -l
lsns -p 99999
lsns -t nosuch
lsns -o NOSUCH
lsns -n -t uts -o PATH -p $P | sed "s/$P/P/"
lsns -n -r -t uts -o TYPE,NPROCS -p $P
lsns -J -t uts -p $P -o TYPE,NPROCS
lsns -n -t net -p $Q -o NETNSID,NSFS
N=$(lsns -n -t uts -p $P -o NS | tr -d ' '); test "uts:[$N]" = "$(readlink /proc/$P/ns/uts)" && echo same number
lsns -n $N -o PID,COMMAND | sed "s/$P/P/"
lsns 1
nsenter -t $Q -U --preserve-credentials lsns -n -t user -o NPROCS,USER,COMMAND
su student -c 'lsns -n -t uts -o NPROCS,USER,COMMAND'
unshare -p -f --mount-proc sh -c 'sleep 100 & lsns -n -t pid -o NPROCS,PID,COMMAND; lsns -n -t uts -o NPROCS,PID; kill $!; true'
unshare -p -f --mount-proc sh -c 'unshare -u sleep 100 & sleep 0.3; lsns -n -t uts -o NPROCS,PID,PPID,COMMAND; kill $!; true'
kill $P $Q; wait
