# title: Am I in a container?
# concepts: PID 1, NSpid, uid_map, namespace links, what leaks
cat > /tmp/look.sh <<'END'
echo "I am $$, init is $(cat /proc/1/comm)"
grep NSpid /proc/self/status | wc -w
hostname
readlink /proc/self/ns/pid | sed 's/[0-9][0-9]*/N/'
cat /proc/self/uid_map
awk '$5 == "/proc" { n++ } END { print n " mounts on /proc" }' /proc/self/mountinfo
ls /proc | grep -c '^[0-9]'
END
sh /tmp/look.sh | tail -n +2
hostname > /tmp/name
readlink /proc/self/ns/pid > /tmp/pid; readlink /proc/self/ns/uts > /tmp/uts
cat > /tmp/inside.sh <<'END'
hostname box
sh /tmp/look.sh
test "$(readlink /proc/self/ns/pid)" = "$(cat /tmp/pid)"; echo "same pid namespace: $?"
test "$(readlink /proc/self/ns/uts)" = "$(cat /tmp/uts)"; echo "same uts namespace: $?"
head -1 /proc/meminfo | cut -d: -f1
grep -c ^processor /proc/cpuinfo
cat /proc/sys/kernel/hostname
true
END
unshare --pid --fork --mount-proc --uts --user --map-root-user sh /tmp/inside.sh
# The machine's own things are the same on both sides: they leak.
cp /proc/version /tmp/v; unshare --pid --fork --mount-proc --uts cmp /proc/version /tmp/v && echo the same kernel
cp /proc/cmdline /tmp/c; unshare --pid --fork --mount-proc cmp /proc/cmdline /tmp/c && echo the same command line
