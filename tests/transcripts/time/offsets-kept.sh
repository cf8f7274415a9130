# Offsets: inherited, wrong, kept by a file
unshare -T true; unshare -T sh -c 'cat /proc/self/timens_offsets; readlink /proc/self/ns/time /proc/self/ns/time_for_children | uniq | wc -l'
unshare -T --boottime 86400 sh -c 'cut -d. -f1 /proc/uptime > /tmp/u1'; cut -d. -f1 /proc/uptime > /tmp/u2; echo $(( ($(cat /tmp/u1) - $(cat /tmp/u2) + 100) / 86400 ))
unshare -T --boottime 100 unshare -T --boottime 50 cat /proc/self/timens_offsets
unshare -T --monotonic 5 sh -c 'echo "monotonic 1 0" > /proc/self/timens_offsets; unshare -T sh -c "cat /proc/self/timens_offsets"'
unshare -T --monotonic x true; unshare -T --monotonic -5 grep mono /proc/self/timens_offsets; su student -c 'unshare -T true; unshare -Ur -T --boottime 3 grep boot /proc/self/timens_offsets'
unshare -T --boottime -999999999 true
sh -c 'echo "boottime 7 0" > /proc/$$/timens_offsets; cat /proc/$$/timens_offsets'; cat /proc/self/timens_offsets
unshare --time=/tmp/none true; touch /tmp/t; unshare --time=/tmp/t --boottime 10 true; nsenter --time=/tmp/t grep boot /proc/self/timens_offsets; umount /tmp/t
