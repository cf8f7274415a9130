# title: Network sysctls per namespace
# concepts: /proc/sys/net, /proc/net, unix sockets, ports
cat /proc/sys/net/ipv4/ip_forward; unshare -n cat /proc/sys/net/ipv4/ip_forward
unshare -n sh -c 'sysctl -w net.ipv4.ip_forward=1; cat /proc/sys/net/ipv4/conf/all/forwarding; cat /proc/sys/net/ipv4/conf/lo/forwarding; ls /proc/sys/net/ipv4/conf'
unshare -n sh -c 'ip link add d0 type bridge; ls /proc/sys/net/ipv4/conf; ls /sys/class/net'
unshare -n ls /sys/class/net
unshare -n -m sh -c 'mount -t sysfs s /sys; ls /sys/class/net'
unshare -n sh -c 'cat /proc/net/route; cat /proc/net/dev | tail -n +3 | cut -d: -f1'
unshare -n sh -c 'echo 2 > /proc/sys/net/ipv4/ip_forward; cat /proc/sys/net/ipv4/ip_forward; echo x > /proc/sys/net/ipv4/ip_forward'
cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/ipv4/ip_default_ttl
unshare -n sh -c 'echo 64000 > /proc/sys/net/ipv4/ip_default_ttl; sysctl -w net.ipv4.ip_default_ttl=100; ip link set lo up; ping -c 1 127.0.0.1 | grep -o ttl=[0-9]*'
cat /proc/sys/net/ipv4/ping_group_range
su student -c 'ping -c 1 127.0.0.1' | head -2
unshare -n sh -c 'ip link set lo up; echo "0 0" > /proc/sys/net/ipv4/ping_group_range; cat /proc/sys/net/ipv4/ping_group_range'
unshare -n sh -c 'echo 1 > /proc/sys/net/ipv4/icmp_echo_ignore_all; ip link set lo up; ping -c 1 -W 1 127.0.0.1 | tail -2'
unshare -n cat /proc/net/arp
head -1 /proc/net/unix
cat /sys/class/net/lo/{address,mtu,operstate,flags,ifindex,type} 
su student -c 'unshare -U -r -n sysctl -w net.ipv4.ip_forward=1'
su student -c 'sysctl -w net.ipv4.ip_forward=1'
ping -c 1 nosuchhost
ping -c 0 127.0.0.1
ping -c 1 -t 1 127.0.0.1 | head -2
ping -c 1 -s 100 127.0.0.1 | head -2
ping -q -c 2 -i 0.2 127.0.0.1
ping
ping -c 1 localhost | head -2
