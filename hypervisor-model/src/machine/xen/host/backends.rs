//! Domain 0's halves of split drivers: its kernel finds what the toolstack has written below `backend`, and does the work with
//! disks and networks of its own. Source: Linux 6.1, `drivers/xen/xenbus/xenbus_probe_backend.c`, `drivers/block/xen-blkback`,
//! `drivers/net/xen-netback`.

use std::collections::BTreeMap;
use std::sync::Arc;

use kernel_model::machine::Port;
use kernel_model::machine::interrupt::{DiskServed, DiskService, Interrupt};
use kernel_model::machine::report::{Deed, DeedKind, Lane};
use kernel_model::net::mac::Mac;
use kernel_model::net::packet::Frame;

use super::{RingParts, XenHost};
use crate::xen::domain::DomId;
use crate::xen::driver::blkback::{BlkBack, DiskIo};
use crate::xen::driver::netback::NetBack;
use crate::xen::io::xenbus::{DeviceId, DeviceKind, XenbusState};
use crate::xen::xenstore::Asker;

/// What the backend of an interface has as its address: everybody's.
const VIF_MAC: Mac = Mac([0xfe, 0xff, 0xff, 0xff, 0xff, 0xff]);

/// A disk that is served.
#[derive(Clone, PartialEq, Debug)]
struct Vbd {
    back: BlkBack,
    /// Its numbers in domain 0, when the script has found it.
    dev: Option<(u32, u32)>,
}

/// An interface that is served: as domain 0's kernel knows it.
#[derive(Clone, PartialEq, Debug)]
struct Vif {
    back: NetBack,
    port: Port,
}

/// What a disk of domain 0 was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Question {
    Open(DeviceId),
    Io(DeviceId, u64),
}

/// All of them.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Backends {
    vbds: BTreeMap<DeviceId, Vbd>,
    vifs: BTreeMap<DeviceId, Vif>,
    questions: BTreeMap<u64, Question>,
    last_cookie: u64,
    last_port: u32,
    /// In which state each half was last seen by the other: frontends, backends.
    seen: BTreeMap<(DeviceId, bool), XenbusState>,
    /// Something in the store has changed since the handshakes were looked at.
    is_stale: bool,
}

impl Backends {
    /// The shared rings.
    pub fn rings(&self) -> Vec<RingParts> {
        let disk = |(device, vbd): (&DeviceId, &Vbd)| {
            let (ring, req_cons) = vbd.back.ring()?;
            Some(RingParts { device: *device, purpose: "requests", ring, req_cons })
        };
        let cards = self.vifs.iter().flat_map(|(device, vif)| {
            let rings = vif.back.rings().into_iter();
            rings.map(|(purpose, ring, req_cons)| RingParts { device: *device, purpose, ring, req_cons })
        });
        self.vbds.iter().filter_map(disk).chain(cards).collect()
    }

    /// A disk works for a guest.
    pub fn are_busy(&self) -> bool {
        !self.questions.is_empty()
    }

    fn cookie(&mut self, question: Question) -> u64 {
        self.last_cookie += 1;
        self.questions.insert(self.last_cookie, question);
        self.last_cookie
    }
}

/// Devices of a kind that are written below a directory of the store, by domain and number. What is still there of a domain
/// that has gone is none.
fn devices_in(machine: &XenHost, kind: DeviceKind, name: &str) -> Vec<DeviceId> {
    let at = format!("/local/domain/0/backend/{name}");
    let children = |path: &str| machine.host.store.children(path);
    let mut found = Vec::new();
    for domain in children(&at) {
        for number in children(&format!("{at}/{domain}")) {
            if let (Ok(id), Ok(number)) = (domain.parse(), number.parse())
                && machine.dom0.hardware.xen.domain(DomId(id)).is_some_and(|d| !d.is_dying)
            {
                found.push(DeviceId { kind, number, frontend: DomId(id), backend: DomId::DOM0 });
            }
        }
    }
    found
}

impl XenHost {
    /// The store has changed: consoles and devices that are new are found, and handshakes go on.
    pub(super) fn store_changed(&mut self) {
        self.find_consoles();
        for device in devices_in(self, DeviceKind::Vbd, "vbd") {
            if !self.backends.vbds.contains_key(&device) {
                let mut back = self.with_host(|host| BlkBack::new(host, device, 0));
                let mode = self.read(&format!("{}/mode", device.back()));
                back.is_writable = mode.as_deref() == Some("w");
                self.backends.vbds.insert(device, Vbd { back, dev: None });
            }
            self.open_disk(device);
        }
        for device in devices_in(self, DeviceKind::Vif, "vif") {
            if !self.backends.vifs.contains_key(&device) {
                let back = self.with_host(|host| NetBack::new(host, device));
                self.backends.last_port += 1;
                let port = Port(self.backends.last_port);
                self.backends.vifs.insert(device, Vif { back, port });
                let name = format!("vif{}.{}", device.frontend.0, device.number);
                self.interrupts.push(Interrupt::NetDevice { name, mac: VIF_MAC, driver: "vif", port });
            }
        }
        self.backends.is_stale = true;
        self.fire_watches_of_guests();
    }

    /// The handshakes are to be looked at again.
    pub(super) fn backends_are_stale(&mut self) {
        self.backends.is_stale = true;
    }

    fn read(&self, path: &str) -> Option<String> {
        self.host.store.read(Asker::of(DomId::DOM0), path).ok()
    }

    /// The script has written which device it is: the kernel opens it (`xen_vbd_create`).
    fn open_disk(&mut self, device: DeviceId) {
        let Some(numbers) = self.read(&format!("{}/physical-device", device.back())) else { return };
        let parse = |text: &str| u32::from_str_radix(text, 16).ok();
        let Some((major, minor)) = numbers.split_once(':') else { return };
        let (Some(major), Some(minor)) = (parse(major), parse(minor)) else { return };
        let Some(vbd) = self.backends.vbds.get_mut(&device) else { return };
        if vbd.dev.is_none() {
            vbd.dev = Some((major, minor));
            let cookie = self.backends.cookie(Question::Open(device));
            self.interrupts.push(Interrupt::ServeDisk { cookie, dev: (major, minor), what: DiskService::Open });
        }
    }

    /// One step of a handshake: a watch fires at one half of a driver because the other has changed its state. Whether there
    /// was one.
    pub(super) fn handshake(&mut self) -> bool {
        if !self.backends.is_stale {
            return false;
        }
        let devices: Vec<DeviceId> = self.backends.vbds.keys().chain(self.backends.vifs.keys()).copied().collect();
        for device in devices {
            for is_front in [false, true] {
                let state =
                    if is_front { device.back_state(&self.host.store) } else { device.front_state(&self.host.store) };
                let seen = self.backends.seen.get(&(device, is_front)).copied();
                if seen != Some(state) && self.step(device, is_front, state) {
                    self.backends.seen.insert((device, is_front), state);
                    return true;
                }
            }
        }
        self.backends.is_stale = false;
        false
    }

    /// One half hears of the other's state. A half that is not there yet, or not ready, hears of it later.
    fn step(&mut self, device: DeviceId, is_front: bool, state: XenbusState) -> bool {
        if is_front {
            return self.frontend_hears(device, state);
        }
        if let Some(mut vbd) = self.backends.vbds.remove(&device) {
            // The ring is connected only when the disk is known.
            let is_ready = vbd.back.sectors > 0 || state != XenbusState::Initialised;
            if is_ready {
                self.tell_heard(device, is_front, state);
                self.with_host(|host| vbd.back.frontend_changed(host, state));
            }
            self.backends.vbds.insert(device, vbd);
            return is_ready;
        }
        if let Some(mut vif) = self.backends.vifs.remove(&device) {
            self.tell_heard(device, is_front, state);
            self.with_host(|host| vif.back.frontend_changed(host, state));
            self.backends.vifs.insert(device, vif);
        }
        true
    }

    /// A watch on the state of the other half has fired.
    pub(super) fn tell_heard(&mut self, device: DeviceId, is_front: bool, state: XenbusState) {
        let (lane, sentence) = match is_front {
            true => (
                Lane::GuestKernel,
                "A watch fires in domain {domain}: the backend of its device {device} is in state {state}.",
            ),
            false => (
                Lane::Device,
                "A watch fires in domain 0: the frontend of device {device} of domain {domain} is in state {state}.",
            ),
        };
        self.tell(
            Deed::new(DeedKind::Device, "xenbus")
                .with("domain", u64::from(device.frontend.0))
                .with("device", u64::from(device.number))
                .with("state", state as u64)
                .goes(0, lane, lane)
                .says(sentence, "xen/include/public/io/xenbus.h"),
        );
    }

    /// An event at a port of a backend; whether it is one.
    pub(super) fn backend_event(&mut self, port: u32) -> bool {
        if let Some(device) = self.backends.vbds.iter().find(|(_, v)| v.back.port() == Some(port)).map(|(d, _)| *d) {
            self.serve_requests(device);
            return true;
        }
        let of_vif = |vif: &Vif| vif.back.ports().is_some_and(|(tx, rx)| port == tx || port == rx);
        let Some(device) = self.backends.vifs.iter().find(|(_, v)| of_vif(v)).map(|(d, _)| *d) else { return false };
        let Some(mut vif) = self.backends.vifs.remove(&device) else { return true };
        let packets = self.with_host(|host| vif.back.tx_interrupt(host));
        // What is no frame of a protocol that the kernel knows is dropped.
        let frames = packets.iter().filter_map(|packet| Frame::from_bytes(packet));
        self.interrupts.extend(frames.map(|frame| Interrupt::Frame(vif.port, frame)));
        self.with_host(|host| vif.back.rx_action(host));
        self.backends.vifs.insert(device, vif);
        true
    }

    /// blkback's thread: requests go to the disk.
    fn serve_requests(&mut self, device: DeviceId) {
        let Some(mut vbd) = self.backends.vbds.remove(&device) else { return };
        let work = self.with_host(|host| vbd.back.interrupt(host));
        for io in work {
            let Some(dev) = vbd.dev else { continue };
            let cookie = self.backends.cookie(Question::Io(device, io.cookie));
            self.interrupts.push(Interrupt::ServeDisk { cookie, dev, what: service(io) });
        }
        self.backends.vbds.insert(device, vbd);
    }

    /// Domain 0's kernel has done what a backend wanted of a disk.
    pub(super) fn disk_answered(&mut self, cookie: u64, answer: DiskServed) {
        match self.backends.questions.remove(&cookie) {
            Some(Question::Open(device)) => {
                if let (Some(vbd), DiskServed::Size(bytes)) = (self.backends.vbds.get_mut(&device), answer) {
                    vbd.back.sectors = bytes / crate::xen::io::blkif::SECTOR;
                }
                self.backends.is_stale = true;
            }
            Some(Question::Io(device, request)) => {
                let Some(mut vbd) = self.backends.vbds.remove(&device) else { return };
                let data = match &answer {
                    DiskServed::Done(data) => Some(data.as_slice()),
                    DiskServed::Size(_) | DiskServed::Failed => None,
                };
                self.with_host(|host| vbd.back.done(host, request, data));
                self.backends.vbds.insert(device, vbd);
            }
            None => {}
        }
    }

    /// Domain 0's kernel sends a frame by the backend's interface: it goes to the guest.
    pub(super) fn receive_for_guest(&mut self, port: Port, frame: &Frame) {
        let Some(device) = self.backends.vifs.iter().find(|(_, vif)| vif.port == port).map(|(d, _)| *d) else { return };
        let Some(mut vif) = self.backends.vifs.remove(&device) else { return };
        self.with_host(|host| vif.back.receive(host, &frame.to_bytes()));
        self.backends.vifs.insert(device, vif);
    }

    /// A domain is gone: its backends let go.
    pub(super) fn drop_backends(&mut self, id: DomId) {
        let is_its = |device: &DeviceId| device.frontend == id;
        let vbds: Vec<DeviceId> = self.backends.vbds.keys().copied().filter(is_its).collect();
        for device in vbds {
            if let Some(mut vbd) = self.backends.vbds.remove(&device) {
                self.with_host(|host| vbd.back.disconnect(host));
            }
        }
        let vifs: Vec<DeviceId> = self.backends.vifs.keys().copied().filter(is_its).collect();
        for device in vifs {
            if let Some(mut vif) = self.backends.vifs.remove(&device) {
                self.with_host(|host| vif.back.disconnect(host));
                self.interrupts.push(Interrupt::NetDeviceGone(vif.port));
            }
        }
        self.backends.seen.retain(|(device, _), _| device.frontend != id);
        self.backends.questions.retain(|_, question| {
            let (Question::Open(device) | Question::Io(device, _)) = question;
            device.frontend != id
        });
    }
}

fn service(io: DiskIo) -> DiskService {
    if io.is_write && io.bytes > 0 {
        DiskService::Write(io.pos, Arc::from(io.data))
    } else {
        DiskService::Read(io.pos, io.bytes)
    }
}
