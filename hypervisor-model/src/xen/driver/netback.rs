//! The backend of a network interface: an interface `vifN.M` in the domain that has the network. Source: Linux 6.1,
//! `drivers/net/xen-netback`.
//!
//! It never maps what it receives for the guest into: it asks Xen to copy (`GNTTABOP_copy`), which costs one hypercall and no
//! flush of translations.

use kernel_model::machine::report::Lane;
use serde::{Deserialize, Serialize};

use super::Host;
use crate::memory::Hfn;
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
}

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
            xenbus::write(&mut host.store, domain, &at, name, value);
        }
        xenbus::switch_state(&mut host.store, domain, &at, XenbusState::InitWait);
        NetBack { device, tx: None, rx: None, page: None }
    }

    fn domain(&self) -> DomId {
        self.device.backend
    }

    /// The ports of its channels: for what the guest sends, for what it receives.
    pub fn ports(&self) -> Option<(u32, u32)> {
        Some((self.tx.as_ref()?.port, self.rx.as_ref()?.port))
    }

    /// Its rings, each with what it is for.
    pub fn rings(&self) -> Vec<(&'static str, SharedRing)> {
        let halves = [("tx", &self.tx), ("rx", &self.rx)];
        halves.into_iter().filter_map(|(name, half)| Some((name, half.as_ref()?.ring))).collect()
    }

    /// The frontend's state has changed (`frontend_changed`).
    pub fn frontend_changed(&mut self, host: &mut Host, state: XenbusState) {
        let (domain, at) = (self.domain(), self.device.back());
        let own = self.device.back_state(&host.store);
        match state {
            XenbusState::Connected if own != XenbusState::Connected && self.connect(host).is_some() => {
                xenbus::switch_state(&mut host.store, domain, &at, XenbusState::Connected);
                xenbus::write(&mut host.store, domain, &at, "hotplug-status", "connected");
            }
            XenbusState::Closing => xenbus::switch_state(&mut host.store, domain, &at, XenbusState::Closing),
            XenbusState::Closed | XenbusState::Unknown if own != XenbusState::Closed => {
                self.disconnect(host);
                xenbus::switch_state(&mut host.store, domain, &at, XenbusState::Closed);
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
        let gref = xenbus::read_number(&host.store, domain, &front, &format!("{which}-ring-ref"))? as u32;
        let remote = xenbus::read_number(&host.store, domain, &front, &format!("event-channel-{which}"))? as u32;
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

    /// `xenvif_tx_action`: packets that the guest sends arrive in the backend's network.
    pub fn tx_interrupt(&mut self, host: &mut Host) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        let (Some(mut tx), Some(page)) = (self.tx.take(), self.page) else { return packets };
        loop {
            while tx.req_cons != tx.ring.produced(&host.xen.memory, Way::Request) {
                let request = TxRequest::get(&host.xen.memory, tx.ring.entry(tx.req_cons));
                tx.req_cons = tx.req_cons.wrapping_add(1);
                let source = (CopyFrame::Grant(self.device.frontend, request.gref), u64::from(request.offset));
                let dest = (CopyFrame::Frame(DomId::SELF, page), 0);
                let is_copied = self.copy(host, GrantCopy { source, dest, len: request.size.into() });
                let status = if is_copied { netif::OKAY } else { netif::ERROR };
                if is_copied {
                    let read = |i: u64| host.xen.memory.read_u8(page.address().plus(i));
                    packets.push((0..u64::from(request.size)).map(read).collect());
                    let numbers = vec![("id", request.id.into()), ("bytes", request.size.into())];
                    let sentence = "netback has had packet {id}, {bytes} bytes, copied, and gives it to its network.";
                    host.tell(Lane::Device, numbers, sentence);
                }
                let response = Response { id: request.id, status };
                response.put(&mut host.xen.memory, tx.ring.entry(tx.rsp_prod), netif::TX);
                tx.rsp_prod = tx.rsp_prod.wrapping_add(1);
            }
            if !tx.ring.final_check(&mut host.xen.memory, Way::Request, tx.req_cons) {
                break;
            }
        }
        if tx.ring.push(&mut host.xen.memory, Way::Response, tx.rsp_prod) {
            host.notify(self.domain(), tx.port);
        }
        self.tx = Some(tx);
        packets
    }

    /// `xenvif_rx_action`: a packet for the guest; whether there was a page for it. One for which there is none is dropped.
    pub fn receive(&mut self, host: &mut Host, packet: &[u8]) -> bool {
        let (Some(mut rx), Some(page)) = (self.rx.take(), self.page) else { return false };
        let has_page = rx.req_cons != rx.ring.produced(&host.xen.memory, Way::Request);
        if has_page {
            for (i, byte) in packet.iter().take(4096).enumerate() {
                host.xen.memory.write_u8(page.address().plus(i as u64), *byte);
            }
            let request = RxRequest::get(&host.xen.memory, rx.ring.entry(rx.req_cons));
            rx.req_cons = rx.req_cons.wrapping_add(1);
            let source = (CopyFrame::Frame(DomId::SELF, page), 0);
            let dest = (CopyFrame::Grant(self.device.frontend, request.gref), 0);
            let is_copied = self.copy(host, GrantCopy { source, dest, len: packet.len().min(4096) as u64 });
            let status = if is_copied { packet.len() as i16 } else { netif::ERROR };
            let response = Response { id: request.id, status };
            response.put(&mut host.xen.memory, rx.ring.entry(rx.rsp_prod), netif::RX);
            rx.rsp_prod = rx.rsp_prod.wrapping_add(1);
            let numbers = vec![("id", request.id.into()), ("bytes", packet.len() as u64)];
            host.tell(
                Lane::Device,
                numbers,
                "netback has a packet of {bytes} bytes copied into the guest's page {id}.",
            );
            if rx.ring.push(&mut host.xen.memory, Way::Response, rx.rsp_prod) {
                host.notify(self.domain(), rx.port);
            }
        }
        self.rx = Some(rx);
        has_page
    }
}
