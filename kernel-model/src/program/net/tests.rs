//! Sessions with sockets and the packet filter, as on Linux 6.18 with iptables 1.8.9 and nc of OpenBSD.

use crate::testing::run;

/// A host and a peer in a namespace of its own, joined by a veth pair.
const PAIR: &str = "ip netns add peer; ip link add name va type veth peer name vb netns peer; \
                    ip addr add 10.1.0.1/24 dev va; ip link set va up; \
                    ip -n peer addr add 10.1.0.2/24 dev vb; ip -n peer link set vb up; sleep 0.1";

/// Two hosts, `in` and `out`, with this one as router between them; `out` knows no way back.
const ROUTER: &str = "ip netns add in; ip netns add out; sysctl -qw net.ipv4.ip_forward=1; \
                      ip link add name vin type veth peer name eth0 netns in; \
                      ip link add name vout type veth peer name eth0 netns out; \
                      ip addr add 10.0.0.1/24 dev vin; ip addr add 203.0.113.1/24 dev vout; \
                      ip link set vin up; ip link set vout up; \
                      ip -n in addr add 10.0.0.2/24 dev eth0; ip -n in link set eth0 up; \
                      ip -n in route add default via 10.0.0.1; \
                      ip -n out addr add 203.0.113.9/24 dev eth0; ip -n out link set eth0 up; sleep 0.1";

const PING_OUT: &str = "ip netns exec in ping -c 1 -W 1 203.0.113.9 | grep -o '.* received.*loss\\|From.*'";

#[test]
fn tcp_carries_bytes_both_ways() {
    let out = run(&[
        PAIR,
        "echo answer | ip netns exec peer nc -N -l 7 > /tmp/got &",
        "sleep 0.1",
        "echo question | nc -v -N 10.1.0.2 7",
        "cat /tmp/got",
    ]);
    assert_eq!(out, "Connection to 10.1.0.2 7 port [tcp/echo] succeeded!\nanswer\nquestion\n");
}

#[test]
fn a_port_without_listener_refuses() {
    let out = run(&[PAIR, "nc -v -z 10.1.0.2 7", "nc -v -z 127.0.0.1 7"]);
    assert_eq!(
        out,
        "nc: connect to 10.1.0.2 port 7 (tcp) failed: Connection refused\n[exit 1]\n\
         nc: connect to 127.0.0.1 port 7 (tcp) failed: Connection refused\n[exit 1]\n"
    );
}

#[test]
fn udp_carries_datagrams() {
    let out = run(&[
        PAIR,
        "ip netns exec peer nc -u -l 53 > /tmp/got & sleep 0.1",
        "echo one | nc -u -w 1 10.1.0.2 53",
        "cat /tmp/got; kill %%",
    ]);
    assert_eq!(out, "one\n");
}

#[test]
fn drop_is_silent_and_reject_answers() {
    let out = run(&[
        PAIR,
        "ip netns exec peer nc -l 80 > /tmp/got & sleep 0.1",
        "ip netns exec peer iptables -A INPUT -p tcp --dport 80 -j DROP",
        "nc -v -w 1 10.1.0.2 80 < /dev/null",
        "ip netns exec peer iptables -R INPUT 1 -p tcp --dport 80 -j REJECT",
        "nc -v -w 1 10.1.0.2 80 < /dev/null",
        "ip netns exec peer iptables -R INPUT 1 -p tcp --dport 80 -j REJECT --reject-with tcp-reset",
        "nc -v -w 1 10.1.0.2 80 < /dev/null",
        "ip netns exec peer iptables -S INPUT",
        "ip netns exec peer iptables -D INPUT 1",
        "echo through | nc -N 10.1.0.2 80; sleep 0.1; cat /tmp/got",
    ]);
    assert_eq!(
        out,
        "nc: connect to 10.1.0.2 port 80 (tcp) timed out: Operation now in progress\n[exit 1]\n\
         nc: connect to 10.1.0.2 port 80 (tcp) failed: Connection refused\n[exit 1]\n\
         nc: connect to 10.1.0.2 port 80 (tcp) failed: Connection refused\n[exit 1]\n\
         -P INPUT ACCEPT\n-A INPUT -p tcp -m tcp --dport 80 -j REJECT --reject-with tcp-reset\n\
         through\n"
    );
}

#[test]
fn masquerade_lets_answers_come_back() {
    let out = run(&[
        ROUTER,
        PING_OUT,
        "iptables -t nat -A POSTROUTING -s 10.0.0.0/24 -o vout -j MASQUERADE",
        PING_OUT,
        "iptables -A FORWARD -d 203.0.113.9 -j REJECT",
        PING_OUT,
        "iptables -t nat -S",
    ]);
    assert_eq!(
        out,
        "1 packets transmitted, 0 received, 100% packet loss\n\
         1 packets transmitted, 1 received, 0% packet loss\n\
         From 10.0.0.1 icmp_seq=1 Destination Port Unreachable\n\
         1 packets transmitted, 0 received, +1 errors, 100% packet loss\n\
         -P PREROUTING ACCEPT\n-P INPUT ACCEPT\n-P OUTPUT ACCEPT\n-P POSTROUTING ACCEPT\n\
         -A POSTROUTING -s 10.0.0.0/24 -o vout -j MASQUERADE\n"
    );
}

#[test]
fn dnat_hands_a_port_on() {
    let out = run(&[
        ROUTER,
        "iptables -t nat -A PREROUTING -p tcp --dport 8080 -j DNAT --to-destination 10.0.0.2:80",
        "ip netns exec in nc -l 80 > /tmp/got & sleep 0.1",
        "echo dnat | ip netns exec out nc -N -v 203.0.113.1 8080; sleep 0.1; cat /tmp/got",
    ]);
    assert_eq!(out, "Connection to 203.0.113.1 8080 port [tcp/http-alt] succeeded!\ndnat\n");
}

#[test]
fn answers_pass_where_new_connections_do_not() {
    let out = run(&[
        PAIR,
        "iptables -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT; iptables -P INPUT DROP",
        "ping -c 1 -W 1 10.1.0.2 > /dev/null",
        "ip netns exec peer ping -c 1 -W 1 10.1.0.1 > /dev/null",
        "iptables -F OUTPUT; iptables -A OUTPUT -p udp -j DROP; echo a | strace -e trace=write nc -u -w 1 10.1.0.2 53 2>&1 | grep EPERM",
    ]);
    assert_eq!(out, "[exit 1]\nwrite(3, \"a\\n\", 2)                      = -1 EPERM (Operation not permitted)\n");
}

#[test]
fn a_target_is_refused_where_it_means_nothing() {
    let out = run(&[
        "iptables -t nat -A PREROUTING -j MASQUERADE",
        "iptables -t nat -I POSTROUTING -j DNAT --to-destination 10.1.0.2",
        "iptables -t nat -A INPUT -j SNAT --to-source 10.1.0.2",
        "iptables -N web; iptables -A web -j MASQUERADE",
        "iptables -t nat -N web; iptables -t nat -A web -j MASQUERADE; iptables -t nat -A PREROUTING -j web",
        "iptables -A INPUT -j web; iptables -X web",
        "iptables -t nat -A PREROUTING -j DROP",
    ]);
    let failed = |what: &str, chain: &str| {
        format!("iptables v1.8.9 (nf_tables):  {what} failed (Invalid argument): rule in chain {chain}\n[exit 4]\n")
    };
    let rules =
        failed("RULE_APPEND", "PREROUTING") + &failed("RULE_INSERT", "POSTROUTING") + &failed("RULE_APPEND", "web");
    assert_eq!(
        out,
        rules
            + &failed("RULE_APPEND", "PREROUTING")
            + "iptables v1.8.9 (nf_tables):  CHAIN_DEL failed (Device or resource busy): chain web\n[exit 4]\n\
               iptables v1.8.9 (nf_tables): \n\
               The \"nat\" table is not intended for filtering, the use of DROP is therefore inhibited.\n\n\n\
               Try `iptables -h' or 'iptables --help' for more information.\n[exit 2]\n"
    );
}

#[test]
fn ss_shows_the_sockets_of_its_namespace() {
    let out = run(&[
        "nc -l 7000 & nc -lU /tmp/s & sleep 0.1",
        "ss -tln | cat",
        "ss -xl | sed 's/[0-9]\\{4,\\}/<ino>/'",
        "ss -tlpH | sed 's/pid=[0-9]*/pid=N/'",
        "unshare --net ss -tl | cat",
        "(sleep 0.2) | nc 127.0.0.1 7000 & sleep 0.1",
        "ss -tnH state established dport = :7000 | wc -l",
        "ss -s | head -2",
        "grep -c /tmp/s /proc/net/unix; unshare --net grep -c /tmp/s /proc/net/unix",
    ]);
    assert_eq!(
        out,
        "State  Recv-Q Send-Q Local Address:Port Peer Address:PortProcess\n\
         LISTEN 0      1            0.0.0.0:7000      0.0.0.0:*          \n\
         Netid State  Recv-Q Send-Q Local Address:Port Peer Address:PortProcess\n\
         u_str LISTEN 0      5             /tmp/s <ino>            * 0          \n\
         LISTEN 0      1      0.0.0.0:7000 0.0.0.0:* users:((\"nc\",pid=N,fd=3))\n\
         State Recv-Q Send-Q Local Address:Port Peer Address:PortProcess\n\
         1\nTotal: 4\nTCP:   3 (estab 2, closed 0, orphaned 0, timewait 0)\n1\n0\n[exit 1]\n"
    );
}

#[test]
fn the_ping_of_busybox_names_what_it_was_asked_for() {
    assert_eq!(
        run(&["unshare -n busybox ping -c 1 -s 100 localhost"]),
        "PING localhost (127.0.0.1): 100 data bytes\nping: sendto: Network is unreachable\n[exit 1]\n"
    );
}
