//! `/proc/PID/net`: devices, neighbours, routes and sockets of the network namespace of a process, as in proc(5).

use std::net::Ipv4Addr;

use super::node::NetFile;
use crate::namespace::net::NetNsId;
use crate::net::address::mask_of;
use crate::net::fib::{RT_TABLE_MAIN, rtn};
use crate::net::neighbour::NudState;
use crate::net::socket::{Protocol, Socket};
use crate::net::tcp::TcpState;
use crate::net::unix::UnixState;
use crate::task::TaskId;
use crate::world::World;

impl World {
    /// What a file in `/proc/PID/net` says.
    pub(super) fn net_file_text(&self, task: TaskId, file: NetFile) -> String {
        let Some(net) = self.tasks.get(task).map(|t| t.nsproxy.net) else { return String::new() };
        match file {
            NetFile::Arp => self.net_arp_text(net),
            NetFile::Dev => self.net_dev_text(net),
            NetFile::Raw | NetFile::Udp => self.net_datagram_text(net, file == NetFile::Raw),
            NetFile::Route => self.net_route_text(net),
            NetFile::Sockstat => self.net_sockstat_text(net),
            NetFile::Tcp => self.net_tcp_text(net),
            NetFile::Unix => self.net_unix_text(net),
        }
    }

    /// `arp_seq_show`.
    fn net_arp_text(&self, net: NetNsId) -> String {
        let mut text = "IP address       HW type     Flags       HW address            Mask     Device\n".to_owned();
        for (_, device) in self.devices_of(net) {
            for (address, n) in &device.neighbours {
                let flags = match n.state {
                    NudState::Permanent => 0x6,
                    state if state.is_valid() => 0x2,
                    _ => 0,
                };
                let mac = n.mac.filter(|_| n.state.is_valid()).unwrap_or_default();
                text.push_str(&format!(
                    "{:<16} {:<11} {:<11} {mac}     *        {}\n",
                    address.to_string(),
                    "0x1",
                    format!("0x{flags:x}"),
                    device.name
                ));
            }
        }
        text
    }

    /// `dev_seq_show`: a heading of two lines, then a line for each device.
    fn net_dev_text(&self, net: NetNsId) -> String {
        let mut text = "Inter-|   Receive                                                |  Transmit\n \
             face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n"
            .to_owned();
        for (_, device) in self.devices_of(net) {
            let (r, t) = (device.received, device.sent);
            text.push_str(&format!(
                "{:>6}: {:>7} {:>7} {:>4} {:>4} {:>4} {:>5} {:>10} {:>9} {:>8} {:>7} {:>4} {:>4} {:>4} {:>5} {:>7} {:>10}\n",
                device.name, r.bytes, r.packets, 0, r.dropped, 0, 0, 0, r.multicast, t.bytes, t.packets, 0, t.dropped, 0, 0, 0, 0,
            ));
        }
        text
    }

    /// `fib_route_seq_show`: the table `main`, numbers as the processor keeps them; lines are filled up to 127.
    fn net_route_text(&self, net: NetNsId) -> String {
        let hex = |a: Ipv4Addr| format!("{:08X}", u32::from(a).swap_bytes());
        let line = |text: String| format!("{text:<127}\n");
        // Without the table there is not even a heading (`fib_route_seq_start`).
        if !self.net_namespaces.get(net).is_some_and(|n| n.fib.tables.contains(&RT_TABLE_MAIN)) {
            return String::new();
        }
        let heading = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT";
        let mut text = line(heading.to_owned());
        let routes = self.net_namespaces.get(net).map(|n| n.fib.routes.as_slice()).unwrap_or_default();
        for route in routes.iter().filter(|r| r.table == RT_TABLE_MAIN) {
            let name = route.oif.and_then(|d| self.net_devices.get(d)).map_or("*", |d| d.name.as_str());
            let mut flags = 1;
            if matches!(route.kind, rtn::UNREACHABLE | rtn::PROHIBIT) {
                flags = 0x200;
            }
            flags |= if route.gateway.is_some() { 2 } else { 0 } | if route.prefix_len == 32 { 4 } else { 0 };
            text.push_str(&line(format!(
                "{name}\t{}\t{}\t{flags:04X}\t0\t0\t{}\t{}\t0\t0\t0",
                hex(route.destination),
                hex(route.gateway.unwrap_or(Ipv4Addr::UNSPECIFIED)),
                route.priority,
                hex(Ipv4Addr::from(mask_of(route.prefix_len))),
            )));
        }
        text
    }

    fn net_datagram_text(&self, net: NetNsId, raw: bool) -> String {
        let heading = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops";
        let heading = if raw { &heading[1..] } else { heading };
        let mut text = format!("{heading:<127}\n");
        for (id, socket) in self.sockets.iter().filter(|(_, s)| s.net == net) {
            let (is_raw, number) = match socket.protocol {
                Protocol::Icmp { raw: true, .. } => (true, 1),
                Protocol::Udp if socket.local.1 != 0 => (false, socket.local.1),
                _ => continue,
            };
            if is_raw != raw {
                continue;
            }
            let remote = socket.remote.unwrap_or((Ipv4Addr::UNSPECIFIED, 0));
            let state = if socket.remote.is_some() { 1 } else { 7 };
            let queued: usize = socket.queue.iter().map(|m| m.len).sum();
            let line = format!(
                "{:5}: {}:{number:04X} {}:{:04X} {state:02X} 00000000:{queued:08X} 00:00000000 00000000 {:5} {:8} {} 2 0000000000000000 0",
                id.0,
                hex_address(socket.local.0),
                hex_address(remote.0),
                remote.1,
                socket.owner.0,
                0,
                socket.ino,
            );
            text.push_str(&format!("{line:<127}\n"));
        }
        text
    }
}

/// An address as `/proc/net/tcp` prints it.
pub(super) fn hex_address(address: Ipv4Addr) -> String {
    format!("{:08X}", u32::from(address).swap_bytes())
}

impl World {
    fn net_tcp_text(&self, net: NetNsId) -> String {
        let heading =
            "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
        let mut text = format!("{heading:<149}\n");
        let ends = self.sockets.iter().filter_map(|(_, s)| match &s.protocol {
            Protocol::Tcp(end) if s.net == net && end.state != TcpState::Close => Some((s, end)),
            _ => None,
        });
        for (n, (s, end)) in ends.enumerate() {
            let remote = s.remote.unwrap_or((Ipv4Addr::UNSPECIFIED, 0));
            let queued: usize = s.queue.iter().map(|m| m.len - m.offset).sum();
            let on_way: usize = end.unacknowledged.iter().map(|s| s.data.len()).sum();
            let ino = if s.orphan { 0 } else { s.ino };
            let (own, other) = (hex_address(s.local.0), hex_address(remote.0));
            let (state, uid) = (end.state as u8, s.owner.0);
            let line = format!(
                "{n:4}: {own}:{:04X} {other}:{:04X} {state:02X} {on_way:08X}:{queued:08X} 00:00000000 00000000 {uid:5} \
                 {:8} {ino} 1 0000000000000000 100 0 0 10 0",
                s.local.1, remote.1, 0,
            );
            text.push_str(&format!("{line:<149}\n"));
        }
        text
    }

    /// `unix_seq_show`. Without a peer a socket is held by itself and its descriptor; everybody who is connected to it
    /// holds it once more.
    fn net_unix_text(&self, net: NetNsId) -> String {
        const SO_ACCEPTCON: u32 = 1 << 16;
        let mut text = "Num       RefCount Protocol Flags    Type St Inode Path\n".to_owned();
        for (id, socket) in self.sockets.iter().filter(|(_, s)| s.net == net) {
            let Protocol::Unix(end) = &socket.protocol else { continue };
            let holders =
                self.sockets.iter().filter(|(_, s)| matches!(&s.protocol, Protocol::Unix(e) if e.peer == Some(id)));
            let flags = if end.state == UnixState::Listening { SO_ACCEPTCON } else { 0 };
            let (connected, alone) = if end.embryo { (2, 4) } else { (3, 1) };
            let state = if end.state == UnixState::Established { connected } else { alone };
            let ino = if end.embryo { 0 } else { socket.ino };
            let refs = 2 + holders.count();
            text.push_str(&format!(
                "{:016}: {refs:08X} {:08X} {flags:08X} {:04X} {state:02X} {ino:5}",
                0, 0, end.kind as u32
            ));
            if let Some(name) = &end.name {
                text.push(' ');
                text.push_str(&name.text());
            }
            text.push('\n');
        }
        text
    }

    /// `sockstat_seq_show`.
    fn net_sockstat_text(&self, net: NetNsId) -> String {
        let own = || self.sockets.iter().map(|(_, s)| s).filter(|s| s.net == net);
        let used = own().filter(|s| !s.orphan).count();
        let tcp = |wanted: &dyn Fn(TcpState) -> bool| {
            own().filter(|s| matches!(&s.protocol, Protocol::Tcp(end) if wanted(end.state))).count()
        };
        let waiting = tcp(&|state| state == TcpState::TimeWait);
        let inuse = tcp(&|state| !matches!(state, TcpState::Close | TcpState::TimeWait));
        // These two are counted for the whole machine: what one namespace sees tells of the others.
        let everywhere = |wanted: &dyn Fn(&Socket) -> bool| {
            let ends = self.sockets.iter().filter(|(_, s)| match &s.protocol {
                Protocol::Tcp(end) => end.state != TcpState::TimeWait && wanted(s),
                _ => false,
            });
            ends.count()
        };
        let (orphans, alloc) = (everywhere(&|s| s.orphan), everywhere(&|_| true));
        let udp = own().filter(|s| matches!(s.protocol, Protocol::Udp) && s.local.1 != 0).count();
        let raw = own().filter(|s| matches!(s.protocol, Protocol::Icmp { raw: true, .. } | Protocol::Raw)).count();
        format!(
            "sockets: used {used}\nTCP: inuse {inuse} orphan {orphans} tw {waiting} alloc {alloc} mem 0\n\
             UDP: inuse {udp} mem 0\nUDPLITE: inuse 0\nRAW: inuse {raw}\nFRAG: inuse 0 memory 0\n"
        )
    }
}
