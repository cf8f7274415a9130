//! The frontend of a network interface. Source: Linux 6.1, `drivers/net/xen-netfront.c`.
//!
//! What is sent is granted to the backend page by page. For what is received the frontend puts granted pages into the other
//! ring beforehand; the backend copies into them.

use std::collections::BTreeMap;

use kernel_model::machine::report::Lane;
use serde::{Deserialize, Serialize};

use super::Host;
use crate::memory::Hfn;
use crate::xen::call::EventChannelOp;
use crate::xen::domain::DomId;
use crate::xen::grant_table::GrantRef;
use crate::xen::io::netif::{self, Response, RxRequest, TxRequest};
use crate::xen::io::ring::{SharedRing, Way};
use crate::xen::io::xenbus::{self, DeviceId, XenbusState};

/// Pages that wait to be received into, at the start (`NET_RX_SLOTS_MIN`): one for every entry in Linux; fewer suffice.
const RX_PAGES: u32 = 8;
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
                xenbus::switch_state(&mut host.store, domain, &at, XenbusState::Connected);
            }
            XenbusState::Closing | XenbusState::Closed if own != XenbusState::Closed => {
                xenbus::switch_state(&mut host.store, domain, &at, XenbusState::Closing);
                self.free(host);
                xenbus::switch_state(&mut host.store, domain, &at, XenbusState::Closed);
            }
            _ => {}
        }
    }

    /// `talk_to_netback`: references for all entries, two rings, two channels.
    fn talk_to_backend(&mut self, host: &mut Host) -> Option<()> {
        let (domain, at) = (self.domain(), self.device.front());
        xenbus::write(&mut host.store, domain, &at, "xdp-headroom", "0");
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
            xenbus::write(&mut host.store, domain, &at, name, &value);
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

    /// `xennet_start_xmit`: a packet leaves; whether there was room.
    pub fn transmit(&mut self, host: &mut Host, packet: &[u8]) -> bool {
        let (domain, backend) = (self.domain(), self.device.backend);
        let Some(tx) = &mut self.tx else { return false };
        if tx.req_prod.wrapping_sub(tx.rsp_cons) >= tx.ring.shape.entries() || packet.len() > 4096 {
            return false;
        }
        let Some(frame) = host.take_frame(domain) else { return false };
        let Some(gref) = tx.spare.pop() else { return false };
        for (i, byte) in packet.iter().enumerate() {
            host.xen.memory.write_u8(frame.address().plus(i as u64), *byte);
        }
        host.grant(domain, gref, backend, frame, true);
        let id = (tx.req_prod % tx.ring.shape.entries()) as u16;
        let request = TxRequest { gref, offset: 0, flags: 0, id, size: packet.len() as u16 };
        request.put(&mut host.xen.memory, tx.ring.entry(tx.req_prod));
        tx.pages.insert(id, (gref, frame));
        tx.req_prod = tx.req_prod.wrapping_add(1);
        let numbers = vec![("id", id.into()), ("bytes", packet.len() as u64)];
        let sentence = "netfront puts packet {id}, {bytes} bytes, into its ring for sending.";
        host.xen.deeds.tell(
            kernel_model::machine::report::DeedKind::Device,
            "split driver",
            (Lane::GuestKernel, Lane::GuestKernel),
            numbers,
            sentence,
            "xen/include/public/io/netif.h",
        );
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
        loop {
            while rx.rsp_cons != rx.ring.produced(&host.xen.memory, Way::Response) {
                let response = Response::get(&host.xen.memory, rx.ring.entry(rx.rsp_cons), netif::RX);
                rx.rsp_cons = rx.rsp_cons.wrapping_add(1);
                let Some((gref, frame)) = rx.pages.remove(&response.id) else { continue };
                let bytes = u64::try_from(response.status).unwrap_or(0).min(4096);
                if host.revoke(domain, gref) {
                    let packet = (0..bytes).map(|i| host.xen.memory.read_u8(frame.address().plus(i))).collect();
                    packets.push(packet);
                    rx.spare.push(gref);
                    host.put_frame(domain, frame);
                }
            }
            if !rx.ring.final_check(&mut host.xen.memory, Way::Response, rx.rsp_cons) {
                break;
            }
        }
        for packet in &packets {
            let sentence = "netfront takes a packet of {bytes} bytes off its ring for receiving, and its page back.";
            host.tell(Lane::GuestKernel, vec![("bytes", packet.len() as u64)], sentence);
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
