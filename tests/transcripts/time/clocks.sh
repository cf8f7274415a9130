# title: Clocks of a time namespace
# concepts: unshare -T, --boottime, timens_offsets, uptime
cat /proc/self/timens_offsets
unshare -T cat /proc/self/timens_offsets
unshare -T --boottime 100000 cat /proc/self/timens_offsets
unshare -T --boottime 100000 --monotonic 500 cat /proc/self/timens_offsets
unshare -T --boottime 100000000 sh -c 'test $(cut -d. -f1 /proc/uptime) -gt 100000000; echo $?'
unshare -T --boottime -1000000000 cat /proc/uptime
unshare -T sh -c 'readlink /proc/self/ns/time /proc/self/ns/time_for_children | sort -u | wc -l'
unshare -T sh -c 'readlink /proc/$$/ns/time_for_children > /dev/null; echo "boottime 5 0" > /proc/$$/timens_offsets; echo $?'
unshare -T -f sh -c 'echo "monotonic 5 0" > /proc/self/timens_offsets'
unshare -T -f cat /proc/self/timens_offsets
unshare -T --monotonic abc true
su student -c 'unshare -T true'
su student -c 'unshare -UrT --boottime 50 cat /proc/self/timens_offsets'
unshare --boottime 5 true
sleep 100 & P=$!
unshare -T --boottime 77 -f sleep 100 & Q=$!
sleep 0.3; nsenter -t $(pgrep -P $Q) -T cat /proc/self/timens_offsets
nsenter -t $P -T true; echo $?
lsns -t time -o NPROCS,COMMAND | tail -n +2 | wc -l
kill $P $(pgrep -P $Q); wait
echo "monotonic 0 0" > /proc/self/timens_offsets
echo "boottime 3 0" > /proc/$$/timens_offsets
