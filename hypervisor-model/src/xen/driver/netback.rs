//! The backend of a network interface: an interface `vifN.M` in the domain that has the network. Source: Linux 6.1,
//! `drivers/net/xen-netback`.
//!
//! It never maps what it receives for the guest into: it asks Xen to copy (`GNTTABOP_copy`), which costs one hypercall and no
//! flush of translations. (Linux maps what the guest sends beyond a packet's first bytes; here that is copied, too.)
//!
//! A frontend whose ring holds what cannot be is not served any more (`xenvif_fatal_tx_err`): its guest has no network then, and
//! nobody else notices.

use std::collections::VecDeque;

use kernel_model::machine::report::Lane;
use serde::{Deserialize, Serialize};

use super::Host;
use crate::memory::{Hfn, PAGE_SIZE};
use crate::xen::call::{EventChannelOp, GrantTableOp, Hypercall, Output};
use crate::xen::domain::{DomId, VcpuId};
use crate::xen::grant_table::copy::{CopyFrame, GrantCopy};
use crate::xen::io::netif::{self, Response, RxRequest, TxRequest};
use crate::xen::io::ring::{RingShape, SharedRing, Way};
use crate::xen::io::xenbus::{self, DeviceId, XenbusState};

#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
struct Half {
    ring: SharedRing,
    handle: u32,
    port: u32,
    req_cons: u32,
    rsp_prod: u32,
}

/// The backend of a network interface.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct NetBack {
    /// Which device.
    pub device: DeviceId,
    tx: Option<Half>,
    rx: Option<Half>,
    /// A page of its own, through which packets go.
    page: Option<Hfn>,
    /// Packets for which the guest has not posted enough pages yet.
    waiting: VecDeque<Vec<u8>>,
    /// Why the frontend is not served any more.
    pub disabled: Option<&'static str>,
}

/// Packets that wait at most (`XENVIF_RX_QUEUE_BYTES` in full frames).
const QUEUE: usize = 128;

impl NetBack {
    /// The driver takes a device (`netback_probe`): it tells what it can do, and waits.
    pub fn new(host: &mut Host, device: DeviceId) -> NetBack {
        let (domain, at) = (device.backend, device.back());
        for (name, value) in [
            ("feature-sg", "1"),
            ("feature-gso-tcpv4", "1"),
            ("feature-gso-tcpv6", "1"),
            ("feature-ipv6-csum-offload", "1"),
            ("feature-rx-copy", "1"),
            ("feature-xdp-headroom", "1"),
            ("feature-rx-flip", "0"),
            ("feature-multicast-control", "1"),
            ("feature-dynamic-multicast-control", "1"),
            ("feature-split-event-channels", "1"),
            ("multi-queue-max-queues", "1"),
            ("feature-ctrl-ring", "1"),
        ] {
            xenbus::write(host, domain, &at, name, value);
        }
        xenbus::switch_state(host, domain, &at, XenbusState::InitWait);
        NetBack { device, tx: None, rx: None, page: None, waiting: VecDeque::new(), disabled: None }
    }

    fn domain(&self) -> DomId {
        self.device.backend
    }

    /// The ports of its channels: for what the guest sends, for what it receives.
    pub fn ports(&self) -> Option<(u32, u32)> {
        Some((self.tx.as_ref()?.port, self.rx.as_ref()?.port))
    }

    /// Its rings, each with what it is for and how many requests were taken off it.
    pub fn rings(&self) -> Vec<(&'static str, SharedRing, u32)> {
        let halves = [("tx", &self.tx), ("rx", &self.rx)];
        let ring = |(name, half): (&'static str, &Option<Half>)| {
            let half = half.as_ref()?;
            Some((name, half.ring, half.req_cons))
        };
        halves.into_iter().filter_map(ring).collect()
    }

    /// The frontend's state has changed (`frontend_changed`).
    pub fn frontend_changed(&mut self, host: &mut Host, state: XenbusState) {
        let (domain, at) = (self.domain(), self.device.back());
        let own = self.device.back_state(&host.store);
        match state {
            XenbusState::Connected if own != XenbusState::Connected && self.connect(host).is_some() => {
                xenbus::switch_state(host, domain, &at, XenbusState::Connected);
                xenbus::write(host, domain, &at, "hotplug-status", "connected");
            }
            XenbusState::Closing => xenbus::switch_state(host, domain, &at, XenbusState::Closing),
            XenbusState::Closed | XenbusState::Unknown if own != XenbusState::Closed => {
                self.disconnect(host);
                xenbus::switch_state(host, domain, &at, XenbusState::Closed);
            }
            _ => {}
        }
    }

    fn connect(&mut self, host: &mut Host) -> Option<()> {
        self.page = host.take_frame(self.domain());
        self.tx = Some(self.half(host, "tx", netif::TX)?);
        self.rx = Some(self.half(host, "rx", netif::RX)?);
        Some(())
    }

    fn half(&self, host: &mut Host, which: &str, shape: RingShape) -> Option<Half> {
        let (domain, front) = (self.domain(), self.device.front());
        let gref = xenbus::read_number(host, domain, &front, &format!("{which}-ring-ref"))? as u32;
        let remote = xenbus::read_number(host, domain, &front, &format!("event-channel-{which}"))? as u32;
        let (mapped, frame) = host.map(domain, self.device.frontend, gref, false)?;
        let bind = EventChannelOp::BindInterdomain { remote: self.device.frontend, port: remote };
        let port = host.port(domain, bind)?;
        Some(Half { ring: SharedRing { frame, shape }, handle: mapped.handle, port, req_cons: 0, rsp_prod: 0 })
    }

    /// Everything mapped is given back.
    pub fn disconnect(&mut self, host: &mut Host) {
        let domain = self.domain();
        for half in [self.tx.take(), self.rx.take()].into_iter().flatten() {
            host.close(domain, half.port);
            host.unmap(domain, half.handle);
        }
        self.waiting.clear();
        if let Some(page) = self.page.take() {
            host.put_frame(domain, page);
        }
    }

    fn copy(&self, host: &mut Host, op: GrantCopy) -> bool {
        let call = Hypercall::GrantTableOp(GrantTableOp::Copy(vec![op]));
        match host.xen.hypercall(VcpuId::first(self.domain()), call) {
            Ok((_, Output::Grants(results))) => results.iter().all(Result::is_ok),
            _ => false,
        }
    }

    /// `xenvif_fatal_tx_err`.
    fn disable(&mut self, host: &mut Host, why: &'static str) {
        self.disabled = Some(why);
        host.tell(Lane::Device, vec![("domain", self.device.frontend.0.into())], why);
    }

    /// `xenvif_tx_action`: packets that the guest sends arrive in the backend's network.
    pub fn tx_interrupt(&mut self, host: &mut Host) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        let Some(page) = self.page else { return packets };
        let Some(mut tx) = self.tx.take() else { return packets };
        while self.disabled.is_none() {
            let slots = match next_packet(host, &tx) {
                Err(why) => {
                    self.disable(host, why);
                    break;
                }
                Ok(slots) => slots,
            };
            if slots.is_empty() {
                if tx.ring.final_check(&mut host.xen.memory, Way::Request, tx.req_cons) {
                    continue;
                }
                break;
            }
            tx.req_cons = tx.req_cons.wrapping_add(slots.len() as u32);
            let packet = self.fetch(host, &slots, page);
            let status = if packet.is_some() { netif::OKAY } else { netif::ERROR };
            for slot in &slots {
                let response = Response { id: slot.id, flags: 0, status };
                response.put(&mut host.xen.memory, tx.ring.entry(tx.rsp_prod), netif::TX);
                tx.rsp_prod = tx.rsp_prod.wrapping_add(1);
            }
            packets.extend(packet);
        }
        if tx.ring.push(&mut host.xen.memory, Way::Response, tx.rsp_prod) {
            host.notify(self.domain(), tx.port);
        }
        self.tx = Some(tx);
        packets
    }

    /// Has a packet copied (`xenvif_tx_build_gops`); `None` when a grant of it does not hold.
    fn fetch(&self, host: &mut Host, slots: &[TxRequest], page: Hfn) -> Option<Vec<u8>> {
        let mut packet = Vec::new();
        for slot in slots {
            let source = (CopyFrame::Grant(self.device.frontend, slot.gref), u64::from(slot.offset));
            let dest = (CopyFrame::Frame(DomId::SELF, page), 0);
            if !self.copy(host, GrantCopy { source, dest, len: slot.size.into() }) {
                return None;
            }
            packet.extend(host.xen.memory.read_bytes(page.address(), slot.size.into()));
            let numbers = vec![("id", slot.id.into()), ("bytes", slot.size.into())];
            let sentence = "netback has taken request {id} off the ring, has its {bytes} bytes copied into a page of its own, and responds.";
            host.tell(Lane::Device, numbers, sentence);
        }
        Some(packet)
    }

    /// A packet for the guest; whether it was taken. One for which there are no pages waits, as long as there is room.
    pub fn receive(&mut self, host: &mut Host, packet: &[u8]) -> bool {
        if self.rx.is_none() || self.disabled.is_some() || self.waiting.len() >= QUEUE {
            return false;
        }
        self.waiting.push_back(packet.to_vec());
        self.rx_action(host);
        true
    }

    /// `xenvif_rx_action`: packets that wait go into the pages that the guest has posted, as far as there are enough.
    pub fn rx_action(&mut self, host: &mut Host) {
        let Some(page) = self.page else { return };
        let Some(mut rx) = self.rx.take() else { return };
        while let Some(packet) = self.waiting.front() {
            let needed = packet.len().div_ceil(PAGE_SIZE as usize) as u32;
            let produced = rx.ring.produced(&host.xen.memory, Way::Request);
            if produced.wrapping_sub(rx.req_cons) < needed {
                if rx.ring.wait_beyond(&mut host.xen.memory, Way::Request, produced) {
                    continue;
                }
                break;
            }
            let packet = self.waiting.pop_front().unwrap_or_default();
            self.give(host, &mut rx, page, &packet);
        }
        if rx.ring.push(&mut host.xen.memory, Way::Response, rx.rsp_prod) {
            host.notify(self.domain(), rx.port);
        }
        self.rx = Some(rx);
    }

    fn give(&self, host: &mut Host, rx: &mut Half, page: Hfn, packet: &[u8]) {
        let parts: Vec<&[u8]> = packet.chunks(PAGE_SIZE as usize).collect();
        for (n, part) in parts.iter().enumerate() {
            host.xen.memory.write_bytes(page.address(), part);
            let request = RxRequest::get(&host.xen.memory, rx.ring.entry(rx.req_cons));
            rx.req_cons = rx.req_cons.wrapping_add(1);
            let source = (CopyFrame::Frame(DomId::SELF, page), 0);
            let dest = (CopyFrame::Grant(self.device.frontend, request.gref), 0);
            let is_copied = self.copy(host, GrantCopy { source, dest, len: part.len() as u64 });
            let status = if is_copied { part.len() as i16 } else { netif::ERROR };
            let flags = if n + 1 < parts.len() { netif::MORE_DATA } else { 0 };
            let response = Response { id: request.id, flags, status };
            response.put(&mut host.xen.memory, rx.ring.entry(rx.rsp_prod), netif::RX);
            rx.rsp_prod = rx.rsp_prod.wrapping_add(1);
            let numbers = vec![("id", request.id.into()), ("bytes", part.len() as u64)];
            host.tell(
                Lane::Device,
                numbers,
                "netback has {bytes} bytes of a packet copied into the guest's page {id}, and puts that into the ring for receiving.",
            );
        }
    }
}

/// The entries of the next packet, if there is one (`xenvif_count_requests`); each with its own size. What is wrong is why the
/// frontend is not served any more.
fn next_packet(host: &Host, tx: &Half) -> Result<Vec<TxRequest>, &'static str> {
    let there = tx.ring.produced(&host.xen.memory, Way::Request).wrapping_sub(tx.req_cons);
    if there > tx.ring.shape.entries() {
        return Err(
            "netback does not serve domain {domain} any more: its ring claims more requests than it has entries.",
        );
    }
    let mut slots: Vec<TxRequest> = Vec::new();
    while slots.last().map_or(there > 0, |slot| slot.flags & netif::MORE_DATA != 0) {
        let n = slots.len() as u32;
        if n == there {
            return Err("netback does not serve domain {domain} any more: the end of a packet is missing.");
        }
        if slots.len() == netif::SLOTS_MAX {
            return Err("netback does not serve domain {domain} any more: a packet has more entries than may be.");
        }
        slots.push(TxRequest::get(&host.xen.memory, tx.ring.entry(tx.req_cons.wrapping_add(n))));
    }
    let rest: u32 = slots.iter().skip(1).map(|slot| u32::from(slot.size)).sum();
    if let Some(first) = slots.first_mut() {
        let own = u32::from(first.size).checked_sub(rest);
        first.size =
            own.ok_or("netback does not serve domain {domain} any more: a packet is smaller than its parts.")? as u16;
    }
    if slots.iter().any(|slot| u64::from(slot.offset) + u64::from(slot.size) > PAGE_SIZE) {
        return Err("netback does not serve domain {domain} any more: a packet crosses the end of its page.");
    }
    Ok(slots)
}
