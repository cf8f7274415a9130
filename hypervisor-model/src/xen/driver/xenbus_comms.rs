//! A guest's kernel and xenstored, over the ring and the channel that they share. Source: Linux 6.1,
//! `drivers/xen/xenbus/xenbus_comms.c` (`xb_write`, `xb_read`), `xenbus_xs.c` (`xs_talkv`); Xen 4.17, `tools/xenstored/domain.c`
//! (`handle_input`, `handle_output`).
//!
//! Whoever asks waits for the answer: the kernel's threads do nothing else here meanwhile. Domain 0's own kernel, and one of
//! which xenstored has not been told, have no line: they are answered directly.

use std::collections::VecDeque;

use kernel_model::machine::report::{DeedKind, Lane};
use serde::{Deserialize, Serialize};

use super::Host;
use crate::xen::domain::DomId;
use crate::xen::io::byte_ring::{ByteRing, Way};
use crate::xen::io::xs_wire::{REPLIES, REQUESTS};
use crate::xen::xenstore::watch::WatchEvent;
use crate::xen::xenstore::wire::{Message, MessageType};

/// What a kernel and xenstored share, and what each of them has in hand.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct StoreLine {
    /// The page.
    pub ring: ByteRing,
    /// The kernel's end of the channel.
    pub port: u32,
    /// xenstored's, in domain 0.
    pub daemon_port: u32,
    /// The number of the last request.
    last_request: u32,
    /// Bytes of xenstored's that do not fit yet.
    unsent: VecDeque<u8>,
    /// Bytes that the kernel has read and that are no whole message yet.
    partial: Vec<u8>,
    /// What watches have told the kernel, and nobody there has looked at.
    watch_events: usize,
}

impl StoreLine {
    /// A line over this page and this channel.
    pub fn new(ring: ByteRing, port: u32, daemon_port: u32) -> StoreLine {
        StoreLine { ring, port, daemon_port, ..StoreLine::default() }
    }
}

/// What is told of a message on its way to xenstored.
fn asks(kind: MessageType) -> &'static str {
    match kind {
        MessageType::Read => {
            "The kernel of domain {domain} puts XS_READ, request {id}, onto its ring to xenstored: {bytes} bytes, req_prod {prod}."
        }
        MessageType::Write => {
            "The kernel of domain {domain} puts XS_WRITE, request {id}, onto its ring to xenstored: {bytes} bytes, req_prod {prod}."
        }
        MessageType::Watch => {
            "The kernel of domain {domain} puts XS_WATCH, request {id}, onto its ring to xenstored: {bytes} bytes, req_prod {prod}."
        }
        MessageType::TransactionStart | MessageType::TransactionEnd => {
            "The kernel of domain {domain} begins or ends a transaction with request {id} on its ring to xenstored: {bytes} bytes, \
             req_prod {prod}."
        }
        _ => {
            "The kernel of domain {domain} puts a message of type {type}, request {id}, onto its ring to xenstored: {bytes} bytes, \
             req_prod {prod}."
        }
    }
}

impl Host {
    /// Asks xenstored in the name of a domain's kernel, in this transaction; the answer.
    pub fn xenbus(&mut self, domain: DomId, kind: MessageType, tx_id: u32, payload: Vec<u8>) -> Message {
        let Some(mut line) = self.lines.remove(&domain) else {
            return self.store.answer(domain, &Message { kind, req_id: 0, tx_id, payload });
        };
        line.last_request += 1;
        let request = Message { kind, req_id: line.last_request, tx_id, payload };
        let mut left: VecDeque<u8> = request.to_bytes().into();
        let mut heard = Vec::new();
        let answer = loop {
            let before = self.indices_of(&line);
            // A message that is longer than the ring goes in parts.
            if !left.is_empty() {
                let sent = line.ring.produce(&mut self.xen.memory, REQUESTS, left.make_contiguous());
                left.drain(..sent);
                let numbers = vec![("type", kind as u64), ("id", line.last_request.into()), ("bytes", sent as u64)];
                self.tell_line(domain, &line, (Lane::GuestKernel, REQUESTS), numbers, asks(kind));
                self.notify(domain, line.port);
            }
            self.handle_input(domain, &mut line, &mut heard);
            if let Some(answer) = self.read_replies(domain, &mut line) {
                break answer;
            }
            // Somebody has written indices into the page that nobody can have meant: the connection is dead.
            if self.indices_of(&line) == before {
                break Message { kind: MessageType::Error, payload: b"EIO\0".to_vec(), ..request };
            }
        };
        self.lines.insert(domain, line);
        answer
    }

    /// xenstored takes what is on the ring; a message that is whole is answered.
    fn handle_input(&mut self, domain: DomId, line: &mut StoreLine, heard: &mut Vec<u8>) {
        let taken = line.ring.consume(&mut self.xen.memory, REQUESTS);
        heard.extend(&taken);
        while let Some((message, length)) = Message::from_bytes(heard) {
            heard.drain(..length);
            let answer = self.store.answer(domain, &message);
            line.unsent.extend(answer.to_bytes());
        }
        self.handle_output(
            domain,
            line,
            "xenstored answers domain {domain} on the ring: {bytes} bytes, rsp_prod {prod}.",
        );
    }

    /// xenstored puts onto the ring what there is room for.
    fn handle_output(&mut self, domain: DomId, line: &mut StoreLine, sentence: &'static str) {
        let sent = line.ring.produce(&mut self.xen.memory, REPLIES, line.unsent.make_contiguous());
        line.unsent.drain(..sent);
        if sent > 0 {
            self.tell_line(domain, line, (Lane::Device, REPLIES), vec![("bytes", sent as u64)], sentence);
        }
        // Also when it has only taken something: there is room again.
        self.notify(DomId::DOM0, line.daemon_port);
    }

    /// The kernel reads replies: the answer that it waits for, if it is there. What watches say is put aside.
    fn read_replies(&mut self, domain: DomId, line: &mut StoreLine) -> Option<Message> {
        let read = line.ring.consume(&mut self.xen.memory, REPLIES);
        if !read.is_empty() {
            let sentence =
                "The kernel of domain {domain} takes {bytes} bytes off the ring from xenstored: rsp_cons {cons}.";
            let numbers = vec![("bytes", read.len() as u64)];
            self.tell_line(domain, line, (Lane::GuestKernel, REPLIES), numbers, sentence);
        }
        line.partial.extend(read);
        while let Some((message, length)) = Message::from_bytes(&line.partial) {
            line.partial.drain(..length);
            match message.kind {
                MessageType::WatchEvent => line.watch_events += 1,
                _ => return Some(message),
            }
        }
        None
    }

    /// xenstored tells a domain that its watches have fired.
    pub fn send_watch_events(&mut self, domain: DomId, events: Vec<WatchEvent>) {
        let Some(mut line) = self.lines.remove(&domain) else { return };
        for WatchEvent { path, token, .. } in events {
            let payload = format!("{path}\0{token}\0").into_bytes();
            let message = Message { kind: MessageType::WatchEvent, req_id: 0, tx_id: 0, payload };
            line.unsent.extend(message.to_bytes());
        }
        let sentence =
            "xenstored puts an XS_WATCH_EVENT for domain {domain} onto the ring: {bytes} bytes, rsp_prod {prod}.";
        self.handle_output(domain, &mut line, sentence);
        self.lines.insert(domain, line);
    }

    /// The kernel of a domain has heard its channel to xenstored: whether watches have told it something (`xenwatch_thread`).
    pub fn take_watch_events(&mut self, domain: DomId) -> bool {
        let Some(mut line) = self.lines.remove(&domain) else { return false };
        // More than the ring holds comes in parts, as there is room.
        loop {
            let before = self.indices_of(&line);
            let _nobody_asked = self.read_replies(domain, &mut line);
            if line.unsent.is_empty() || self.indices_of(&line) == before {
                break;
            }
            let sentence =
                "xenstored goes on with what did not fit: {bytes} bytes for domain {domain}, rsp_prod {prod}.";
            self.handle_output(domain, &mut line, sentence);
        }
        let had_any = std::mem::take(&mut line.watch_events) > 0;
        self.lines.insert(domain, line);
        had_any
    }

    fn indices_of(&self, line: &StoreLine) -> [(u32, u32); 2] {
        [REQUESTS, REPLIES].map(|way| line.ring.indices(&self.xen.memory, way))
    }

    fn tell_line(
        &mut self,
        domain: DomId,
        line: &StoreLine,
        (lane, way): (Lane, Way),
        mut numbers: Vec<(&'static str, u64)>,
        sentence: &'static str,
    ) {
        let (cons, prod) = line.ring.indices(&self.xen.memory, way);
        numbers.extend([("domain", domain.0.into()), ("cons", cons.into()), ("prod", prod.into())]);
        let source = "xen/include/public/io/xs_wire.h";
        self.xen.deeds.tell(DeedKind::Device, "xenstore", (lane, lane), numbers, sentence, source);
    }

    /// `xenbus_read`; `None` when it cannot be read.
    pub fn xenbus_read(&mut self, domain: DomId, tx_id: u32, path: &str) -> Option<String> {
        let answer = self.xenbus(domain, MessageType::Read, tx_id, format!("{path}\0").into_bytes());
        (answer.kind == MessageType::Read).then(|| String::from_utf8_lossy(&answer.payload).into_owned())
    }

    /// `xenbus_write`; what one's own domain may not write is not written.
    pub fn xenbus_write(&mut self, domain: DomId, tx_id: u32, path: &str, value: &str) {
        let _answer = self.xenbus(domain, MessageType::Write, tx_id, format!("{path}\0{value}").into_bytes());
    }

    /// `register_xenbus_watch`.
    pub fn xenbus_watch(&mut self, domain: DomId, path: &str, token: &str) {
        let _answer = self.xenbus(domain, MessageType::Watch, 0, format!("{path}\0{token}\0").into_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Hfn;
    use crate::xen::Xen;
    use crate::xen::domain::{Domain, GuestKind};
    use crate::xen::xenstore::Asker;

    fn host() -> Host {
        let mut xen = Xen::new(256, 16);
        xen.insert_domain(Domain::new(DomId::DOM0, GuestKind::Pv64, 1));
        xen.insert_domain(Domain::new(DomId(1), GuestKind::Pv64, 1));
        let mut host = Host::new(xen);
        let at = "/local/domain/1";
        host.store.write(Asker::of(DomId::DOM0), at, "").expect("domain 0 may");
        host.store.set_permissions(Asker::of(DomId::DOM0), at, "n1".parse().expect("they are")).expect("domain 0 may");
        host.lines.insert(DomId(1), StoreLine::new(ByteRing { frame: Hfn(100) }, 1, 2));
        host
    }

    #[test]
    fn a_request_and_its_reply_are_on_the_page_byte_for_byte() {
        let mut host = host();
        host.xenbus_write(DomId(1), 0, "/local/domain/1/a", "7");
        let page = Hfn(100).address();
        let bytes: Vec<u8> = (0..36).map(|at| host.xen.memory.read_u8(page.plus(at))).collect();
        let header = [11, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 19, 0, 0, 0];
        assert_eq!((&bytes[..16], &bytes[16..35]), (&header[..], &b"/local/domain/1/a\x007"[..]));
        let reply: Vec<u8> = (1024..1043).map(|at| host.xen.memory.read_u8(page.plus(at))).collect();
        assert_eq!(reply, [&[11, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0], &b"OK\0"[..]].concat());
        let line = host.lines[&DomId(1)].clone();
        assert_eq!(line.ring.indices(&host.xen.memory, REQUESTS), (35, 35));
        assert_eq!(line.ring.indices(&host.xen.memory, REPLIES), (19, 19));
        assert_eq!(host.xenbus_read(DomId(1), 0, "/local/domain/1/a").as_deref(), Some("7"));
        assert_eq!(host.xenbus_read(DomId(1), 0, "/local/domain/1/b"), None, "XS_ERROR with ENOENT");
    }

    #[test]
    fn what_is_longer_than_the_ring_goes_in_parts() {
        let mut host = host();
        let long = "x".repeat(1800);
        host.xenbus_write(DomId(1), 0, "/local/domain/1/long", &long);
        assert_eq!(host.xenbus_read(DomId(1), 0, "/local/domain/1/long"), Some(long));
    }

    #[test]
    fn indices_that_nobody_can_have_meant_end_the_talk() {
        let mut host = host();
        host.xen.memory.write_u32(Hfn(100).address().plus(2052), 5000);
        assert_eq!(host.xenbus_read(DomId(1), 0, "/local/domain/1"), None);
        host.xen.memory.write_u32(Hfn(100).address().plus(2060), 9000);
        assert!(!host.take_watch_events(DomId(1)));
    }

    #[test]
    fn a_watch_that_fires_waits_on_the_ring_and_is_told_apart_from_an_answer() {
        let mut host = host();
        host.xenbus_watch(DomId(1), "/local/domain/1/w", "token");
        let first = host.store.take_events(DomId(1));
        assert_eq!(first.len(), 1, "a watch fires once when it is set");
        host.send_watch_events(DomId(1), first);
        assert_eq!(host.xenbus_read(DomId(1), 0, "/local/domain/1/w"), None);
        assert!(host.take_watch_events(DomId(1)), "it came before the answer");
        assert!(!host.take_watch_events(DomId(1)));
    }
}
