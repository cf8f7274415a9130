//! The frontend of a network interface. Source: Linux 6.1, `drivers/net/xen-netfront.c`.
//!
//! What is sent is granted to the backend page by page. For what is received the frontend puts granted pages into the other
//! ring beforehand; the backend copies into them.

use std::collections::BTreeMap;

use kernel_model::machine::report::Lane;
use serde::{Deserialize, Serialize};

use super::Host;
use crate::memory::{Hfn, PAGE_SIZE};
use crate::xen::call::EventChannelOp;
use crate::xen::domain::DomId;
use crate::xen::grant_table::GrantRef;
use crate::xen::io::netif::{self, Response, RxRequest, TxRequest};
use crate::xen::io::ring::{SharedRing, Way};
use crate::xen::io::xenbus::{self, DeviceId, XenbusState};

/// Pages that wait to be received into: as many as Linux posts at the least (`NET_RX_SLOTS_MIN`), enough for any packet.
const RX_PAGES: u32 = 19;
/// References that are set aside for each ring: one for every entry.
const RESERVED: u32 = 256;

#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
struct Half {
    ring: SharedRing,
    gref: GrantRef,
    port: u32,
    req_prod: u32,
    rsp_cons: u32,
    /// Pages under way, by the number in their request.
    pages: BTreeMap<u16, (GrantRef, Hfn)>,
    /// References set aside.
    spare: Vec<GrantRef>,
}

/// The frontend of a network interface.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct NetFront {
    /// Which device.
    pub device: DeviceId,
    tx: Option<Half>,
    rx: Option<Half>,
}

impl NetFront {
    /// The driver takes a device (`netfront_probe`).
    pub fn new(device: DeviceId) -> NetFront {
        NetFront { device, tx: None, rx: None }
    }

    fn domain(&self) -> DomId {
        self.device.frontend
    }

    /// The ports of its channels: for sending, for receiving.
    pub fn ports(&self) -> Option<(u32, u32)> {
        Some((self.tx.as_ref()?.port, self.rx.as_ref()?.port))
    }

    /// The backend's state has changed (`netback_changed`).
    pub fn backend_changed(&mut self, host: &mut Host, state: XenbusState) {
        let own = self.device.front_state(&host.store);
        let (domain, at) = (self.domain(), self.device.front());
        match state {
            XenbusState::InitWait if own == XenbusState::Initialising && self.talk_to_backend(host).is_some() => {
                xenbus::switch_state(host, domain, &at, XenbusState::Connected);
            }
            XenbusState::Closing | XenbusState::Closed if own != XenbusState::Closed => {
                xenbus::switch_state(host, domain, &at, XenbusState::Closing);
                self.free(host);
                xenbus::switch_state(host, domain, &at, XenbusState::Closed);
            }
            _ => {}
        }
    }

    /// `talk_to_netback`: references for all entries, two rings, two channels.
    fn talk_to_backend(&mut self, host: &mut Host) -> Option<()> {
        let (domain, at) = (self.domain(), self.device.front());
        xenbus::write(host, domain, &at, "xdp-headroom", "0");
        let tx_spare = (0..RESERVED).map_while(|_| host.take_gref(domain)).collect();
        let rx_spare = (0..RESERVED).map_while(|_| host.take_gref(domain)).collect();
        let mut tx = self.half(host, netif::TX, tx_spare)?;
        let mut rx = self.half(host, netif::RX, rx_spare)?;
        let allocate = EventChannelOp::AllocUnbound { dom: DomId::SELF, remote: self.device.backend };
        tx.port = host.port(domain, allocate)?;
        rx.port = host.port(domain, allocate)?;
        for (name, value) in [
            ("multi-queue-num-queues", "1".to_owned()),
            ("tx-ring-ref", tx.gref.to_string()),
            ("rx-ring-ref", rx.gref.to_string()),
            ("event-channel-tx", tx.port.to_string()),
            ("event-channel-rx", rx.port.to_string()),
            ("request-rx-copy", "1".to_owned()),
            ("feature-rx-notify", "1".to_owned()),
            ("feature-sg", "1".to_owned()),
            ("feature-gso-tcpv4", "1".to_owned()),
            ("feature-gso-tcpv6", "1".to_owned()),
            ("feature-ipv6-csum-offload", "1".to_owned()),
        ] {
            xenbus::write(host, domain, &at, name, &value);
        }
        (self.tx, self.rx) = (Some(tx), Some(rx));
        self.post(host);
        Some(())
    }

    fn half(&self, host: &mut Host, shape: crate::xen::io::ring::RingShape, spare: Vec<GrantRef>) -> Option<Half> {
        let domain = self.domain();
        let ring = SharedRing { frame: host.take_frame(domain)?, shape };
        ring.init(&mut host.xen.memory);
        let gref = host.take_gref(domain)?;
        host.grant(domain, gref, self.device.backend, ring.frame, false);
        let spare = spare.into_iter().rev().collect();
        Some(Half { ring, gref, port: 0, req_prod: 0, rsp_cons: 0, pages: BTreeMap::new(), spare })
    }

    /// `xennet_alloc_rx_buffers`: pages to be received into.
    fn post(&mut self, host: &mut Host) -> Option<()> {
        let (domain, backend) = (self.domain(), self.device.backend);
        let rx = self.rx.as_mut()?;
        while (rx.pages.len() as u32) < RX_PAGES {
            let frame = host.take_frame(domain)?;
            let gref = rx.spare.pop()?;
            host.grant(domain, gref, backend, frame, false);
            let id = (rx.req_prod % rx.ring.shape.entries()) as u16;
            RxRequest { id, gref }.put(&mut host.xen.memory, rx.ring.entry(rx.req_prod));
            rx.pages.insert(id, (gref, frame));
            rx.req_prod = rx.req_prod.wrapping_add(1);
        }
        if rx.ring.push(&mut host.xen.memory, Way::Request, rx.req_prod) {
            host.notify(domain, rx.port);
        }
        Some(())
    }

    /// `xennet_start_xmit`: a packet leaves, page by page; whether there was room.
    pub fn transmit(&mut self, host: &mut Host, packet: &[u8]) -> bool {
        let (domain, backend) = (self.domain(), self.device.backend);
        let Some(tx) = &mut self.tx else { return false };
        let slots: Vec<&[u8]> = packet.chunks(PAGE_SIZE as usize).collect();
        let room = tx.ring.shape.entries() - tx.req_prod.wrapping_sub(tx.rsp_cons).min(tx.ring.shape.entries());
        let has_pages = host.pools.get(&domain).is_some_and(|pool| pool.frames.len() >= slots.len());
        if slots.len() > netif::SLOTS_MAX || slots.len() > (room as usize).min(tx.spare.len()) || !has_pages {
            return false;
        }
        for (n, bytes) in slots.iter().enumerate() {
            let (Some(frame), Some(gref)) = (host.take_frame(domain), tx.spare.pop()) else { return false };
            host.xen.memory.write_bytes(frame.address(), bytes);
            host.grant(domain, gref, backend, frame, true);
            let id = (tx.req_prod % tx.ring.shape.entries()) as u16;
            let flags = if n + 1 < slots.len() { netif::MORE_DATA } else { 0 };
            let size = if n == 0 { packet.len() } else { bytes.len() } as u16;
            let request = TxRequest { gref, offset: 0, flags, id, size };
            request.put(&mut host.xen.memory, tx.ring.entry(tx.req_prod));
            let numbers = vec![
                ("domain", u64::from(self.device.frontend.0)),
                ("id", id.into()),
                ("bytes", bytes.len() as u64),
                ("gref", gref.into()),
            ];
            host.tell(
                Lane::GuestKernel,
                numbers,
                "netfront copies {bytes} bytes of a packet into the page of grant {gref} and puts request {id} into its ring for \
                 sending.",
            );
            tx.pages.insert(id, (gref, frame));
            tx.req_prod = tx.req_prod.wrapping_add(1);
        }
        if tx.ring.push(&mut host.xen.memory, Way::Request, tx.req_prod) {
            host.notify(domain, tx.port);
        }
        true
    }

    /// `xennet_tx_buf_gc`: pages that were sent come back.
    pub fn tx_interrupt(&mut self, host: &mut Host) {
        let domain = self.domain();
        let Some(tx) = &mut self.tx else { return };
        loop {
            while tx.rsp_cons != tx.ring.produced(&host.xen.memory, Way::Response) {
                let response = Response::get(&host.xen.memory, tx.ring.entry(tx.rsp_cons), netif::TX);
                tx.rsp_cons = tx.rsp_cons.wrapping_add(1);
                if let Some((gref, frame)) = tx.pages.remove(&response.id)
                    && host.revoke(domain, gref)
                {
                    tx.spare.push(gref);
                    host.put_frame(domain, frame);
                    let numbers = vec![
                        ("domain", u64::from(self.device.frontend.0)),
                        ("id", response.id.into()),
                        ("gref", gref.into()),
                    ];
                    let sentence = "netfront takes the response to request {id} off its ring for sending, and takes grant \
                                    {gref} back.";
                    host.tell(Lane::GuestKernel, numbers, sentence);
                }
            }
            if !tx.ring.final_check(&mut host.xen.memory, Way::Response, tx.rsp_cons) {
                break;
            }
        }
    }

    /// `xennet_poll`: packets that were received.
    pub fn rx_interrupt(&mut self, host: &mut Host) -> Vec<Vec<u8>> {
        let domain = self.domain();
        let mut packets = Vec::new();
        let Some(rx) = &mut self.rx else { return packets };
        let mut packet = Vec::new();
        loop {
            while rx.rsp_cons != rx.ring.produced(&host.xen.memory, Way::Response) {
                let response = Response::get(&host.xen.memory, rx.ring.entry(rx.rsp_cons), netif::RX);
                rx.rsp_cons = rx.rsp_cons.wrapping_add(1);
                let Some((gref, frame)) = rx.pages.remove(&response.id) else { continue };
                let bytes = u64::try_from(response.status).unwrap_or(0).min(PAGE_SIZE);
                if host.revoke(domain, gref) {
                    packet.extend(host.xen.memory.read_bytes(frame.address(), bytes));
                    rx.spare.push(gref);
                    host.put_frame(domain, frame);
                    let numbers = vec![
                        ("domain", u64::from(self.device.frontend.0)),
                        ("id", response.id.into()),
                        ("bytes", bytes),
                        ("gref", gref.into()),
                    ];
                    let sentence = "netfront takes {bytes} bytes in page {id} off its ring for receiving, and takes grant {gref} \
                                    back.";
                    host.tell(Lane::GuestKernel, numbers, sentence);
                }
                if response.flags & netif::MORE_DATA == 0 && !packet.is_empty() {
                    packets.push(std::mem::take(&mut packet));
                }
            }
            if !rx.ring.final_check(&mut host.xen.memory, Way::Response, rx.rsp_cons) {
                break;
            }
        }
        self.post(host);
        packets
    }

    /// `xennet_disconnect_backend`: rings and pages are taken back.
    fn free(&mut self, host: &mut Host) {
        let domain = self.domain();
        for half in [self.tx.take(), self.rx.take()].into_iter().flatten() {
            host.close(domain, half.port);
            let all = half.pages.into_values().chain([(half.gref, half.ring.frame)]);
            for (gref, frame) in all {
                if host.revoke(domain, gref) {
                    host.put_gref(domain, gref);
                    host.put_frame(domain, frame);
                }
            }
            half.spare.into_iter().for_each(|gref| host.put_gref(domain, gref));
        }
    }
}
