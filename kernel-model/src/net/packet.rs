//! What travels: Ethernet frames with ARP or IPv4 in them, and in IPv4 ICMP, UDP or TCP.
//!
//! A packet is a structure, not bytes; its length is what the bytes would be. A packet that is longer than the mtu
//! travels as one here, where Linux would send fragments; it is counted as that many.

use std::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::mac::Mac;

/// Bytes of an Ethernet header, an IPv4 header, an ICMP header, a UDP header and a TCP header.
pub const ETH_HEADER: usize = 14;
/// Bytes of an IPv4 header without options.
pub const IP_HEADER: usize = 20;
/// Bytes of an ICMP header.
pub const ICMP_HEADER: usize = 8;
/// Bytes of a UDP header.
pub const UDP_HEADER: usize = 8;
/// Bytes of a TCP header with the options that Linux sends.
pub const TCP_HEADER: usize = 32;

/// `IPPROTO_*` of what is modelled.
pub mod ipproto {
    /// ICMP.
    pub const ICMP: u8 = 1;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
}

/// A frame on a link.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Frame {
    /// Who sent it on this link.
    pub source: Mac,
    /// For whom on this link.
    pub destination: Mac,
    /// What is in it.
    pub payload: Payload,
}

/// What is in a frame.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)] // the protocols above Ethernet
pub enum Payload {
    Arp(Arp),
    Ipv4(Packet),
}

/// An ARP message, as in RFC 826.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)] // the fields of RFC 826
pub struct Arp {
    /// The number under which events show it.
    pub id: u64,
    pub is_reply: bool,
    pub sender_mac: Mac,
    pub sender: Ipv4Addr,
    pub target_mac: Mac,
    pub target: Ipv4Addr,
}

/// An IPv4 packet.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Packet {
    /// The number under which events show it; it keeps it on its way.
    pub id: u64,
    /// From whom.
    pub source: Ipv4Addr,
    /// To whom.
    pub destination: Ipv4Addr,
    /// How many more routers it may pass.
    pub ttl: u8,
    /// It must not be cut into fragments.
    pub dont_fragment: bool,
    /// What is in it.
    pub body: Body,
}

/// What is in a packet.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)] // the protocols above IPv4
pub enum Body {
    Icmp(Icmp),
    Udp(Udp),
    Tcp(Tcp),
}

/// An ICMP message.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Icmp {
    /// Its type.
    pub kind: u8,
    /// Its code.
    pub code: u8,
    /// Identifier of an echo.
    pub ident: u16,
    /// Number of an echo.
    pub sequence: u16,
    /// The next hop's mtu, or the better gateway, of an error that says so.
    pub info: u32,
    /// Bytes of data of an echo.
    pub len: usize,
    /// The packet that an error is about.
    pub about: Option<Box<Packet>>,
}

/// A UDP datagram.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)] // the fields of RFC 768
pub struct Udp {
    pub source_port: u16,
    pub destination_port: u16,
    pub data: Arc<[u8]>,
}

/// A TCP segment.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)] // the fields of RFC 9293
pub struct Tcp {
    pub source_port: u16,
    pub destination_port: u16,
    pub seq: u32,
    pub ack: u32,
    pub flags: TcpFlags,
    pub window: u32,
    pub data: Arc<[u8]>,
}

/// The flags of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[allow(missing_docs)] // the flags of RFC 9293
pub struct TcpFlags {
    pub syn: bool,
    pub ack: bool,
    pub fin: bool,
    pub rst: bool,
    pub psh: bool,
}

impl fmt::Display for TcpFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // As tcpdump prints them.
        let flags = [(self.syn, "S"), (self.fin, "F"), (self.rst, "R"), (self.psh, "P"), (self.ack, ".")];
        f.write_str(&flags.iter().filter(|(on, _)| *on).map(|(_, c)| *c).collect::<String>())
    }
}

impl Packet {
    /// `IPPROTO_*`.
    pub fn protocol(&self) -> u8 {
        match self.body {
            Body::Icmp(_) => ipproto::ICMP,
            Body::Udp(_) => ipproto::UDP,
            Body::Tcp(_) => ipproto::TCP,
        }
    }

    /// Its length with its header.
    pub fn len(&self) -> usize {
        IP_HEADER
            + match &self.body {
                // An error carries the header and the first eight bytes of what it is about, and Linux as much as fits.
                Body::Icmp(icmp) => ICMP_HEADER + icmp.about.as_ref().map_or(icmp.len, |p| p.len().min(548)),
                Body::Udp(udp) => UDP_HEADER + udp.data.len(),
                Body::Tcp(tcp) => TCP_HEADER + tcp.data.len(),
            }
    }

    /// Never: a packet has a header.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The ports, of protocols that have ports.
    pub fn ports(&self) -> Option<(u16, u16)> {
        match &self.body {
            Body::Icmp(_) => None,
            Body::Udp(u) => Some((u.source_port, u.destination_port)),
            Body::Tcp(t) => Some((t.source_port, t.destination_port)),
        }
    }
}

impl Frame {
    /// How many bytes go over the link, without the Ethernet header.
    pub fn payload_len(&self) -> usize {
        match &self.payload {
            Payload::Arp(_) => 28,
            Payload::Ipv4(packet) => packet.len(),
        }
    }

    /// The number of the packet.
    pub fn packet_id(&self) -> u64 {
        match &self.payload {
            Payload::Arp(arp) => arp.id,
            Payload::Ipv4(packet) => packet.id,
        }
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.payload {
            Payload::Arp(arp) => arp.fmt(f),
            Payload::Ipv4(packet) => packet.fmt(f),
        }
    }
}

impl fmt::Display for Arp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_reply {
            write!(f, "ARP, {} is at {}", self.sender, self.sender_mac)
        } else {
            write!(f, "ARP, who has {}? tell {}", self.target, self.sender)
        }
    }
}

impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = (self.source, self.destination);
        match &self.body {
            Body::Icmp(icmp) => write!(f, "{from} > {to}: ICMP {icmp}"),
            Body::Udp(u) => {
                write!(f, "{from}.{} > {to}.{}: UDP, {} bytes", u.source_port, u.destination_port, u.data.len())
            }
            Body::Tcp(t) => {
                let (from_port, to_port) = (t.source_port, t.destination_port);
                write!(f, "{from}.{from_port} > {to}.{to_port}: TCP [{}], {} bytes", t.flags, t.data.len())
            }
        }
    }
}

impl fmt::Display for Icmp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use super::icmp::{kind, unreach};
        match (self.kind, self.code) {
            (kind::ECHO, _) => write!(f, "echo request {}", self.sequence),
            (kind::ECHO_REPLY, _) => write!(f, "echo reply {}", self.sequence),
            (kind::TIME_EXCEEDED, _) => f.write_str("time to live exceeded"),
            (kind::DEST_UNREACH, unreach::NET) => f.write_str("network unreachable"),
            (kind::DEST_UNREACH, unreach::HOST) => f.write_str("host unreachable"),
            (kind::DEST_UNREACH, unreach::PORT) => f.write_str("port unreachable"),
            (kind::DEST_UNREACH, unreach::FRAG_NEEDED) => f.write_str("fragmentation needed"),
            (kind::DEST_UNREACH, unreach::FILTERED) => f.write_str("packet filtered"),
            (kind::DEST_UNREACH, code) => write!(f, "unreachable, code {code}"),
            (kind, code) => write!(f, "type {kind}, code {code}"),
        }
    }
}
