# A cable, then a switch.
ip netns add red
ip netns add blue
ip link add v0 type veth peer name eth0 netns red
ip -n red addr add 10.1.1.2/24 dev eth0
ip link add br0 type bridge
ip link set br0 up
ip link set v0 master br0 up
ip link add v1 type veth peer name eth0 netns blue
ip -n blue addr add 10.1.1.3/24 dev eth0
ip link set v1 master br0 up
ip -n red link set eth0 up
ip -n blue link set eth0 up
sleep 0.3
ip netns exec red ping -c 1 10.1.1.3 | grep -c ttl=64
ip netns del red
sleep 0.5
ip -br link | cut -d' ' -f1 | sort
