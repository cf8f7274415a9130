# title: Attributes of a pair of devices
# concepts: veth, mtu, address, alias, txqueuelen, name, netns, bridge port
ip link add d0 type veth peer name d9
ip link show d0
ip link set d0 mtu 1400
ip link set d0 address 02:00:00:00:00:01
ip link set d0 alias "uplink of lab"
ip link show d0
ip link set d0 mtu 10
ip link set d0 mtu 99999999
ip link set d0 up
ip link show d0
ip link set d0 name d1
ip link set d9 up
ip link show d9
ip link set d0 name d1
ip link set d0 down
ip link set d1 down
ip link set d1 name d2
ip -br link
ip link set d2 arp off
ip link set d2 multicast off
ip link set d2 promisc on
ip link show d2
ip link set d2 txqueuelen 50
ip link show d2 | grep -o 'qlen.*'
ip link add br0 type bridge
ip link set d2 master br0
ip link show master br0 | cut -c1-60
bridge link | sed 's/^[0-9]*//'
ip -d link show br0 | grep -o 'bridge forward_delay [0-9]*'
ip link set d2 nomaster
ip link set br0 up
ip -br link show br0
ip link set d2 master br0
ip -br link show br0
ip link set d2 up
ip -br link show br0
ip link set lo master br0
ip link set br0 master br0
ip addr add 10.3.0.1/24 dev br0
ip route
ip link set br0 down
ip route
ip link del br0
ip -br link
ip link set d9 netns 1
ip link set dev d2 address zz
ip link set dev d2 address ff:ff:ff:ff:ff:ff
ip link set dev d2 address 00:00:00:00:00:00
ip link set d2 mtu abc
ip link set d2 name "a/b"
ip link set d2 name lo
ip addr add 10.0.0.1 dev d2
ip addr add 10.0.0.2/24 dev d2 label d2:1
ip addr add 10.0.0.3/24 dev d2 scope host
ip addr add 10.0.1.1 peer 10.0.1.2 dev d2
ip -4 -o addr show d2
ip addr del 10.0.0.2/24 dev d2
ip -4 -br addr show d2
ip addr del 10.0.0.1/32 dev d2
ip addr change 10.0.1.1 peer 10.0.1.2 dev d2
ip addr add 10.0.2.1/33 dev d2
ip addr add 127.0.0.5/8 dev lo
ip addr add 224.0.0.1/24 dev d2
ip -4 -br addr
ip link del d2
ip link del d9
ip link del lo
ip link
