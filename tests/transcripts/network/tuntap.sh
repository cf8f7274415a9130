# title: TAP devices that stay without a program
# concepts: tap, ip tuntap, /dev/net/tun, carrier, persistent, owner
mkdir -p /dev/net; mknod /dev/net/tun c 10 200
ip tuntap add dev tap0 mode tap
ip tuntap show
ip link show tap0 | head -n 1
ip link set tap0 up
ip link show tap0 | head -n 1
ip tuntap add dev tap0 mode tap; echo $?
ip tuntap add tap1 mode tap user 1000 group 1000
ip tuntap add tap2 mode tap pi
ip tuntap add tap3 mode tap vnet_hdr user nobody
ip tuntap list
cat /sys/class/net/tap1/tun_flags /sys/class/net/tap1/owner /sys/class/net/tap0/group
ip tuntap del dev tap9 mode tap; echo $?
ip tuntap del dev tap0; echo $?
ip tuntap del dev tap0 mode tap; echo $?
ip link del tap1; echo $?
ip tuntap
ip tuntap add; echo $?
ip tuntap add mode foo; echo $?
ip tuntap add dev tap4 mode; echo $?
ip tuntap add dev tap4 mode tap user nobodyx; echo $?
ip tuntap frob; echo $?
ip tuntap add dev a_name_that_is_too_long mode tap; echo $?
ip tuntap add dev tap5 name tap6 mode tap; echo $?
ip link add tap7 type tun; echo $?
ip link add br0 type bridge
ip link set tap2 master br0
ip -br link | cut -c1-24
setpriv --reuid 1000 --regid 1000 --clear-groups ip tuntap add dev tap8 mode tap; echo $?
cat /dev/net/tun; echo $?
echo hello > /dev/net/tun; echo $?
