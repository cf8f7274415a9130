# A switch of the network namespace, and a read-only bind over all of them.
unshare --net sh -c 'sysctl -w net.ipv4.ip_forward=1; cat /proc/sys/net/ipv4/ip_forward'
cat /proc/sys/net/ipv4/ip_forward
unshare --mount sh -c 'mount --bind /proc/sys /proc/sys; mount -o remount,bind,ro /proc/sys; echo x > /proc/sys/kernel/domainname'
