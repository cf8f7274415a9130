//! Guests with network cards on a bridge of their host, and what a transfer costs by either kind of card.

use super::Session;

/// A host with a bridge, and guests in the background whose consoles are fifos: what is typed to guest N goes into `/tmp/inN`.
struct Lab {
    host: Session,
}

impl Lab {
    /// The bridge is 10.0.0.1; guest N gets tapN.
    fn new(guests: u32) -> Lab {
        let mut host = Session::new();
        host.line("ip link add br0 type bridge; ip addr add 10.0.0.1/24 dev br0; ip link set br0 up");
        for n in 1..=guests {
            host.line(&format!(
                "ip tuntap add dev tap{n} mode tap; ip link set tap{n} master br0; ip link set tap{n} up; mkfifo /tmp/in{n}"
            ));
        }
        Lab { host }
    }

    fn start(&mut self, n: u32, model: &str) {
        let card = format!("-nic tap,ifname=tap{n},script=no,downscript=no,model={model}");
        let mac = format!("mac=52:54:00:00:00:0{n}");
        let q = "qemu-system-x86_64 -enable-kvm -m 64 -nographic";
        self.host
            .line(&format!("{q} {card},{mac} < /tmp/in{n} > /tmp/out{n} & exec {n_plus}> /tmp/in{n}", n_plus = n + 5));
        self.host.line("sleep 1");
        self.typed(n, &format!("ip addr add 10.0.0.1{n}/24 dev eth0; ip link set eth0 up"));
    }

    /// Types a line to a guest and gives it time.
    fn typed(&mut self, n: u32, line: &str) {
        self.host.line(&format!("echo '{line}' >&{}; sleep 3", n + 5));
    }

    /// What a guest has printed since its prompt came for the last line but one.
    fn output(&mut self, n: u32) -> String {
        self.host.line(&format!("cat /tmp/out{n}; > /tmp/out{n}"))
    }
}

#[test]
fn two_guests_and_their_host_reach_each_other_over_a_bridge() {
    for model in ["virtio-net-pci", "e1000"] {
        let mut lab = Lab::new(2);
        lab.start(1, model);
        lab.start(2, model);
        assert!(lab.host.line("ping -c 1 10.0.0.11").contains("1 received"), "{model}");
        // A packet that is longer than a buffer of the card.
        assert!(lab.host.line("ping -c 1 -s 20000 10.0.0.11").contains("1 received"), "{model}");
        assert!(lab.host.line("ip link show tap1 | head -n 1").contains("LOWER_UP"), "{model}");
        lab.output(1);
        lab.typed(1, "ping -c 2 10.0.0.12; ip neigh");
        let shown = lab.output(1);
        assert!(shown.contains("2 packets transmitted, 2 received, 0% packet loss"), "{model}: {shown}");
        assert!(shown.contains("10.0.0.12 dev eth0 lladdr 52:54:00:00:00:02 REACHABLE"), "{model}: {shown}");
        // A stream from guest to guest.
        lab.output(2);
        lab.typed(2, "nc -l -p 99 > /tmp/got & ");
        lab.typed(1, "seq 1 300 | nc -q 1 10.0.0.12 99");
        lab.typed(2, "wc /tmp/got");
        let shown = lab.output(2);
        assert!(shown.contains("300"), "{model}: {shown}");
        assert!(shown.contains("1092 /tmp/got"), "{model}: {shown}");
    }
}

/// Exits of one transfer of a guest to its host: all of them, and those that went on to user space.
fn exits_of_a_transfer(model: &str) -> (u64, u64) {
    let mut lab = Lab::new(1);
    lab.start(1, model);
    lab.host.line("nc -l -p 99 > /tmp/got & sleep 1");
    let before = lab.exits();
    lab.typed(1, "seq 1 2000 | nc -q 1 10.0.0.1 99");
    let after = lab.exits();
    assert_eq!(lab.host.line("wc -c < /tmp/got"), "8893\n", "{model}");
    (after.0 - before.0, after.1 - before.1)
}

impl Lab {
    /// Exits of the guest so far: all, and those that went on to user space.
    fn exits(&self) -> (u64, u64) {
        let vms = self.host.running.machine.kvm.vms();
        let all = vms.flat_map(|(_, vm)| vm.exits.values());
        all.fold((0, 0), |(sum, user), (n, of_them)| (sum + n, user + of_them))
    }
}

#[test]
fn a_doorbell_costs_fewer_exits_than_registers_do() {
    let (virtio, virtio_user) = exits_of_a_transfer("virtio-net-pci");
    let (e1000, e1000_user) = exits_of_a_transfer("e1000");
    // The typing itself goes through the registers of the serial port, with both cards alike.
    assert!(virtio < e1000, "{virtio} {e1000}");
    assert!(virtio_user + 20 < e1000_user, "{virtio_user} {e1000_user}");
    println!("the same transfer: virtio-net {virtio} exits, {virtio_user} to QEMU; e1000 {e1000}, {e1000_user}");
}
