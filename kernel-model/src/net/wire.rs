//! Frames as the bytes that a device sends: Ethernet, ARP (RFC 826), IPv4 (RFC 791), ICMP (RFC 792), UDP (RFC 768), TCP
//! (RFC 9293), with their checksums.
//!
//! Within one kernel a packet is a structure. Where it goes through memory that another kernel reads, through the rings of a
//! paravirtual device, it is these bytes. The number under which events show a packet is its Identification; an ARP message has
//! none, and whoever receives it gives it one.
//!
//! What a packet has no field for is not there afterwards: of the data of an echo only how much it is.

use std::net::Ipv4Addr;
use std::sync::Arc;

use super::mac::Mac;
use super::packet::{
    Arp, Body, Frame, ICMP_HEADER, IP_HEADER, Icmp, Packet, Payload, TCP_HEADER, Tcp, TcpFlags, Udp, ipproto,
};

/// `ETH_P_IP`, `ETH_P_ARP`.
const IPV4: u16 = 0x0800;
const ARP: u16 = 0x0806;
/// What of a packet an ICMP error carries: the error is at most 576 bytes.
const QUOTED: usize = 548;
/// "Don't fragment" in the flags of IPv4.
const DF: u16 = 0x4000;

impl Frame {
    /// Its bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = [self.destination.0, self.source.0].concat();
        match &self.payload {
            Payload::Arp(arp) => {
                put16(&mut bytes, ARP);
                bytes.extend(arp.to_bytes());
            }
            Payload::Ipv4(packet) => {
                put16(&mut bytes, IPV4);
                bytes.extend(packet.to_bytes());
            }
        }
        bytes
    }

    /// The reverse; `None` for what is cut off, has a wrong checksum, or is of a protocol that is not modelled.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Frame> {
        let (destination, source) = (Mac(array(bytes, 0)?), Mac(array(bytes, 6)?));
        let rest = bytes.get(14..)?;
        let payload = match get16(bytes, 12)? {
            ARP => Payload::Arp(Arp::from_bytes(rest)?),
            IPV4 => Payload::Ipv4(Packet::from_bytes(rest, Whole::Yes)?),
            _ => return None,
        };
        Some(Frame { source, destination, payload })
    }

    /// Gives it the number under which events show it, if it has none.
    pub fn numbered(mut self, number: impl FnOnce() -> u64) -> Frame {
        let id = match &mut self.payload {
            Payload::Arp(arp) => &mut arp.id,
            Payload::Ipv4(packet) => &mut packet.id,
        };
        if *id == 0 {
            *id = number();
        }
        self
    }
}

impl Arp {
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // Ethernet, IPv4, and the lengths of their addresses.
        [1, IPV4, 0x0604, if self.is_reply { 2 } else { 1 }].into_iter().for_each(|word| put16(&mut bytes, word));
        bytes.extend(self.sender_mac.0);
        bytes.extend(self.sender.octets());
        bytes.extend(self.target_mac.0);
        bytes.extend(self.target.octets());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Arp> {
        if (get16(bytes, 0)?, get16(bytes, 2)?, get16(bytes, 4)?) != (1, IPV4, 0x0604) {
            return None;
        }
        let is_reply = match get16(bytes, 6)? {
            1 => false,
            2 => true,
            _ => return None,
        };
        let address = |at| Some(Ipv4Addr::from(array::<4>(bytes, at)?));
        Some(Arp {
            id: 0,
            is_reply,
            sender_mac: Mac(array(bytes, 8)?),
            sender: address(14)?,
            target_mac: Mac(array(bytes, 18)?),
            target: address(24)?,
        })
    }
}

/// Whether all of a packet must be there: of one that an ICMP error carries the beginning suffices.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whole {
    Yes,
    No,
}

impl Packet {
    fn to_bytes(&self) -> Vec<u8> {
        let body = self.body_bytes();
        let mut bytes = vec![0x45, 0];
        put16(&mut bytes, (IP_HEADER + body.len()).min(usize::from(u16::MAX)) as u16);
        put16(&mut bytes, self.id as u16);
        put16(&mut bytes, if self.dont_fragment { DF } else { 0 });
        bytes.extend([self.ttl, self.protocol(), 0, 0]);
        bytes.extend(self.source.octets());
        bytes.extend(self.destination.octets());
        let sum = checksum(&[&bytes]);
        bytes[10..12].copy_from_slice(&sum.to_be_bytes());
        bytes.extend(body);
        bytes
    }

    fn body_bytes(&self) -> Vec<u8> {
        let (mut bytes, at) = match &self.body {
            Body::Icmp(icmp) => {
                let mut bytes = icmp.to_bytes();
                let sum = checksum(&[&bytes]);
                bytes[2..4].copy_from_slice(&sum.to_be_bytes());
                return bytes;
            }
            Body::Udp(udp) => (udp.to_bytes(), 6),
            Body::Tcp(tcp) => (tcp.to_bytes(), 16),
        };
        let sum = match checksum(&[&self.pseudo_header(bytes.len()), &bytes]) {
            // Of UDP 0 means that there is no checksum.
            0 if self.protocol() == ipproto::UDP => 0xffff,
            sum => sum,
        };
        bytes[at..at + 2].copy_from_slice(&sum.to_be_bytes());
        bytes
    }

    /// What UDP and TCP sum beside their own bytes.
    fn pseudo_header(&self, len: usize) -> Vec<u8> {
        let mut bytes = [self.source.octets(), self.destination.octets()].concat();
        put16(&mut bytes, self.protocol().into());
        put16(&mut bytes, len as u16);
        bytes
    }

    fn from_bytes(bytes: &[u8], whole: Whole) -> Option<Packet> {
        let header = usize::from(bytes.first()? & 15) * 4;
        if bytes[0] >> 4 != 4 || header < IP_HEADER || checksum(&[bytes.get(..header)?]) != 0 {
            return None;
        }
        let total = usize::from(get16(bytes, 2)?);
        let length = total.checked_sub(header)?;
        let rest = &bytes[header..];
        let body = match whole {
            Whole::Yes => rest.get(..length)?,
            Whole::No => &rest[..length.min(rest.len())],
        };
        let address = |at| Some(Ipv4Addr::from(array::<4>(bytes, at)?));
        let protocol = bytes[9];
        let parsed = match protocol {
            ipproto::ICMP => Body::Icmp(Icmp::from_bytes(body, length)?),
            ipproto::UDP => Body::Udp(Udp::from_bytes(body)?),
            ipproto::TCP => Body::Tcp(Tcp::from_bytes(body)?),
            _ => return None,
        };
        let packet = Packet {
            id: get16(bytes, 4)?.into(),
            source: address(12)?,
            destination: address(16)?,
            ttl: bytes[8],
            dont_fragment: get16(bytes, 6)? & DF != 0,
            body: parsed,
        };
        let is_sound = match protocol {
            _ if whole == Whole::No => true,
            ipproto::ICMP => checksum(&[body]) == 0,
            ipproto::UDP if get16(body, 6)? == 0 => true,
            _ => checksum(&[&packet.pseudo_header(length), body]) == 0,
        };
        is_sound.then_some(packet)
    }
}

impl Icmp {
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![self.kind, self.code, 0, 0];
        if let Some(about) = &self.about {
            bytes.extend(self.info.to_be_bytes());
            bytes.extend(about.to_bytes().into_iter().take(QUOTED));
        } else {
            put16(&mut bytes, self.ident);
            put16(&mut bytes, self.sequence);
            // What ping(8) fills its packets with.
            bytes.extend((0..self.len).map(|at| at as u8));
        }
        bytes
    }

    fn from_bytes(bytes: &[u8], length: usize) -> Option<Icmp> {
        let (kind, code) = (*bytes.first()?, *bytes.get(1)?);
        let mut icmp = Icmp { kind, code, ident: 0, sequence: 0, info: 0, len: 0, about: None };
        if icmp.is_error() {
            icmp.info = u32::from_be_bytes(array(bytes, 4)?);
            icmp.about = Some(Box::new(Packet::from_bytes(bytes.get(ICMP_HEADER..)?, Whole::No)?));
        } else {
            (icmp.ident, icmp.sequence) = (get16(bytes, 4)?, get16(bytes, 6)?);
            icmp.len = length.checked_sub(ICMP_HEADER)?;
        }
        Some(icmp)
    }
}

impl Udp {
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let length = (super::packet::UDP_HEADER + self.data.len()) as u16;
        [self.source_port, self.destination_port, length, 0].into_iter().for_each(|word| put16(&mut bytes, word));
        bytes.extend_from_slice(&self.data);
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Udp> {
        let data = Arc::from(bytes.get(super::packet::UDP_HEADER..)?);
        Some(Udp { source_port: get16(bytes, 0)?, destination_port: get16(bytes, 2)?, data })
    }
}

/// The bits of the flags, from the last on.
const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const PSH: u8 = 8;
const ACK: u8 = 16;

impl Tcp {
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        put16(&mut bytes, self.source_port);
        put16(&mut bytes, self.destination_port);
        bytes.extend(self.seq.to_be_bytes());
        bytes.extend(self.ack.to_be_bytes());
        let f = self.flags;
        let bits = [(f.fin, FIN), (f.syn, SYN), (f.rst, RST), (f.psh, PSH), (f.ack, ACK)];
        let bits = bits.into_iter().filter(|(is_set, _)| *is_set).fold(0, |all, (_, bit)| all | bit);
        bytes.extend([(TCP_HEADER as u8 / 4) << 4, bits]);
        put16(&mut bytes, self.window.min(u16::MAX.into()) as u16);
        bytes.extend([0; 4]);
        // Two NOPs and the timestamps of RFC 7323, which the model does not count.
        bytes.extend([1, 1, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend_from_slice(&self.data);
        bytes
    }

    /// Of a segment that an error carries the beginning may be all that there is.
    fn from_bytes(bytes: &[u8]) -> Option<Tcp> {
        let word = |at| u32::from_be_bytes(array(bytes, at).unwrap_or_default());
        let bits = bytes.get(13).copied().unwrap_or(0);
        let header = usize::from(bytes.get(12).copied().unwrap_or(0) >> 4) * 4;
        let flags = TcpFlags {
            fin: bits & FIN != 0,
            syn: bits & SYN != 0,
            rst: bits & RST != 0,
            psh: bits & PSH != 0,
            ack: bits & ACK != 0,
        };
        Some(Tcp {
            source_port: get16(bytes, 0)?,
            destination_port: get16(bytes, 2)?,
            seq: word(4),
            ack: word(8),
            flags,
            window: get16(bytes, 14).unwrap_or(0).into(),
            data: Arc::from(bytes.get(header.max(20)..).unwrap_or_default()),
        })
    }
}

/// The Internet checksum (RFC 1071) of these bytes, as if they followed each other; each part but the last has an even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let sum: u64 = words.map(|word| u64::from(word[0]) << 8 | u64::from(word.get(1).copied().unwrap_or(0))).sum();
    let mut sum = sum;
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

fn put16(bytes: &mut Vec<u8>, value: u16) {
    bytes.extend(value.to_be_bytes());
}

fn get16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(array(bytes, at)?))
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(body: Body) -> Packet {
        let (source, destination) = (Ipv4Addr::new(10, 0, 0, 2), Ipv4Addr::new(10, 0, 0, 1));
        Packet { id: 7, source, destination, ttl: 64, dont_fragment: true, body }
    }

    fn echo() -> Body {
        Body::Icmp(Icmp { kind: 8, code: 0, ident: 3, sequence: 1, info: 0, len: 56, about: None })
    }

    fn udp(data: &[u8]) -> Body {
        Body::Udp(Udp { source_port: 5000, destination_port: 53, data: Arc::from(data) })
    }

    fn frame(payload: Payload) -> Frame {
        Frame { source: Mac([2, 0, 0, 0, 0, 1]), destination: Mac::BROADCAST, payload }
    }

    #[test]
    fn frames_are_the_same_after_they_were_bytes_and_as_long_as_they_say() {
        let flags = TcpFlags { ack: true, psh: true, ..TcpFlags::default() };
        let data = Arc::from(&b"hello"[..]);
        let (source_port, destination_port) = (80, 40000);
        let tcp = Tcp { source_port, destination_port, seq: 0xffff_fff0, ack: 9, flags, window: 64000, data };
        let about = Some(Box::new(packet(udp(&[1; 700]))));
        let error = Icmp { kind: 3, code: 3, ident: 0, sequence: 0, info: 0, len: 0, about };
        let arp = Arp {
            id: 0,
            is_reply: true,
            sender_mac: Mac([2, 0, 0, 0, 0, 1]),
            sender: Ipv4Addr::new(10, 0, 0, 1),
            target_mac: Mac([2, 0, 0, 0, 0, 2]),
            target: Ipv4Addr::new(10, 0, 0, 2),
        };
        for payload in [
            Payload::Arp(arp),
            Payload::Ipv4(packet(echo())),
            Payload::Ipv4(packet(udp(b"odd"))),
            Payload::Ipv4(packet(Body::Tcp(tcp))),
        ] {
            let frame = frame(payload);
            let bytes = frame.to_bytes();
            assert_eq!(bytes.len(), 14 + frame.payload_len());
            assert_eq!(Frame::from_bytes(&bytes), Some(frame));
        }
        // Of what an error is about as much comes back as fits into it.
        let bytes = frame(Payload::Ipv4(packet(Body::Icmp(error)))).to_bytes();
        let Some(Frame { payload: Payload::Ipv4(Packet { body: Body::Icmp(icmp), .. }), .. }) =
            Frame::from_bytes(&bytes)
        else {
            panic!("it is an ICMP message");
        };
        let about = icmp.about.expect("it is about something");
        assert_eq!((about.ports(), about.len()), (Some((5000, 53)), QUOTED));
    }

    #[test]
    fn what_is_cut_off_or_damaged_is_nothing() {
        let bytes = frame(Payload::Ipv4(packet(udp(b"some data")))).to_bytes();
        for length in 0..bytes.len() {
            assert_eq!(Frame::from_bytes(&bytes[..length]), None, "{length} bytes");
        }
        for at in 14..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            assert_eq!(Frame::from_bytes(&damaged), None, "byte {at}");
        }
    }

    #[test]
    fn a_checksum_is_what_the_rfc_says() {
        // RFC 1071, section 3.
        assert_eq!(!checksum(&[&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]]), 0xddf2);
    }
}
