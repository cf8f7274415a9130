# A new network namespace has a loopback device that is down; a name is a mount.
unshare --net ping -c 1 127.0.0.1
ip netns add red
ip -n red link set lo up
ip netns exec red sleep 500 &
sleep 0.4
ip netns del red
nsenter --target $! --net ip -br link | cut -c1-24
kill $!
