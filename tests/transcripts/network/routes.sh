# title: Addresses, routes and neighbours of two machines
# concepts: ip route get, ip neigh, metric, scope, onlink
ip netns add a
ip netns add b
ip -n a link add e0 type veth peer name e1 netns b
ip -n a -br link
ip -n a addr add 10.1.0.1/24 dev e0
ip -n b addr add 10.1.0.2/24 brd + dev e1
ip -n a link set e0 up
ip -n b link set e1 up
ip -n b -4 addr show e1 | sed 's/if[0-9]*/ifN/'
ip -n a route
ip -n a route get 10.1.0.2
ip -n a route get 10.2.0.2
ip netns exec a ping -c 1 -W 1 10.1.0.2 | tail -3 | head -2
ip -n a neigh | sed 's/lladdr [^ ]*/lladdr X/; s/REACHABLE\|STALE\|DELAY/OK/'
ip -n a neigh add 10.1.0.77 lladdr 02:00:00:00:00:77 dev e0 nud permanent
ip -n a neigh show 10.1.0.77
ip -n a neigh add 10.1.0.77 lladdr 02:00:00:00:00:78 dev e0
ip -n a neigh del 10.1.0.77 dev e0
ip -n a neigh del 10.1.0.77 dev e0
ip -n a route add 10.9.0.0/16 via 10.1.0.2 metric 50
ip -n a route add 10.9.0.0/16 via 10.1.0.2 metric 60
ip -n a route add 10.9.1.0/24 dev e0 scope link
ip -n a route
ip -n a route get 10.9.1.5
ip -n a route get 10.9.2.5
ip -n a route del 10.9.0.0/16
ip -n a route show 10.9.0.0/16
ip -n a route add blackhole 10.66.0.0/16
ip -n a route add unreachable 10.67.0.0/16
ip -n a route add prohibit 10.68.0.0/16
ip netns exec a ping -c 1 -W 1 10.66.0.1
ip netns exec a ping -c 1 -W 1 10.67.0.1
ip netns exec a ping -c 1 -W 1 10.68.0.1
ip -n a route replace default via 10.1.0.2
ip -n a route change default via 10.1.0.3
ip -n a route show default
ip -n a route append default via 10.1.0.2
ip -n a route show table local
ip -n a link set e0 down
ip -n a route
ip -n a addr flush dev e0
ip -n a addr show e0 | sed 's/if[0-9]*/ifN/'
ip netns del a
