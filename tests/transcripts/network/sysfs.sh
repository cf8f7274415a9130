# title: Network devices below /sys
# concepts: /sys/class/net, sysfs belongs to the network namespace in which it was mounted
ls /sys/class/net; readlink /sys/class/net/lo
cat /sys/class/net/lo/operstate /sys/class/net/lo/mtu /sys/class/net/lo/ifindex /sys/class/net/lo/flags /sys/class/net/lo/type
ip link add v0 type veth peer name v1; ip link set v0 address 02:00:00:00:00:05; ls /sys/class/net
cat /sys/class/net/v0/operstate /sys/class/net/v0/address /sys/class/net/v0/flags /sys/class/net/v0/type /sys/class/net/v0/tx_queue_len
cat /sys/class/net/v0/carrier
ip link set v0 up; cat /sys/class/net/v0/operstate /sys/class/net/v0/carrier /sys/class/net/v0/flags
ip link set v1 up; cat /sys/class/net/v0/operstate /sys/class/net/v0/carrier
ip link set v0 mtu 1400 alias here; cat /sys/class/net/v0/mtu /sys/class/net/v0/ifalias
ip link add br0 type bridge; ip link set v0 master br0; ls /sys/class/net/br0/brif; readlink /sys/class/net/v0/master /sys/class/net/br0/brif/v0
cat /sys/class/net/br0/uevent | head -2
ip link set v0 name w0; ls /sys/class/net /sys/class/net/br0/brif
ip link set w0 nomaster; ls /sys/class/net/br0/brif; ls /sys/class/net/w0/master
ip netns add red; ip link set v1 netns red; ls /sys/class/net
unshare -n ls /sys/class/net
ip netns exec red ls /sys/class/net
nsenter --net=/run/netns/red ls /sys/class/net
unshare -nm sh -c 'mount -t sysfs s /sys; ls /sys/class/net; cat /sys/class/net/lo/operstate; cat /sys/class/net/lo/carrier'
cat /sys/class/net/lo/statistics/rx_packets | wc -w; cat /sys/class/net/w0/nosuch; cat /sys/class/net/nosuch/mtu
stat -c '%a %s' /sys/class/net/w0/mtu /sys/class/net/w0/operstate; stat -c %F /sys/class/net/w0
ip link del br0; ip netns del red; sleep 0.5; ls /sys/class/net
