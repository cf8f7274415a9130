//! A domain beside domain 0: its kernel, and its halves of the split drivers. Source: Linux 6.1, `drivers/tty/hvc/hvc_xen.c`,
//! `drivers/block/xen-blkfront.c`, `drivers/net/xen-netfront.c`, `drivers/xen/manage.c`.

use std::collections::{BTreeMap, VecDeque};

use kernel_model::block::Direction;
use kernel_model::machine::interrupt::{DiskRequest, Interrupt};
use kernel_model::machine::report::Lane;
use kernel_model::machine::{Port, SystemId};
use kernel_model::net::mac::Mac;
use kernel_model::net::packet::Frame;
use kernel_model::step::Turn;
use kernel_model::time::Nanos;
use kernel_model::world::World;

use super::XenHost;
use super::boot::bind_interrupts;
use crate::guest::kernel::{Asked, GuestKernel};
use crate::guest::line_discipline::LineDiscipline;
use crate::guest::machine::GuestMachine;
use crate::machine::computer::Computer;
use crate::machine::counters::Counters;
use crate::machine::kernel_tables::KernelPages;
use crate::machine::xen::XenPv;
use crate::memory::{Hfn, PAGE_SIZE};
use crate::xen::Xen;
use crate::xen::domain::{DomId, VcpuId};
use crate::xen::driver::blkfront::BlkFront;
use crate::xen::driver::netfront::NetFront;
use crate::xen::driver::xenbus_comms::StoreLine;
use crate::xen::driver::{DriverPool, Host};
use crate::xen::io::blkif;
use crate::xen::io::byte_ring::ByteRing;
use crate::xen::io::console::{IN, OUT};
use crate::xen::io::xenbus::{DeviceId, DeviceKind, XenbusState};
use crate::xen::sched::SchedOp;
use crate::xen::vcpu::VcpuOp;
use crate::xen::xenstore::Asker;

/// Bytes that one request on the ring carries at most: 11 segments of a page.
const LARGEST: u64 = blkif::MAX_SEGMENTS as u64 * PAGE_SIZE;
/// The major number of `xvd` disks.
const XVD_MAJOR: u32 = 202;

/// A disk as its guest has it.
#[derive(Clone, PartialEq, Debug)]
struct Disk {
    front: BlkFront,
    port: Port,
    /// The kernel knows of it.
    is_known: bool,
    /// The request of the block layer, what of it is still to be put on the ring, and what is on it: by number, where in the
    /// request it belongs.
    active: Option<DiskRequest>,
    waiting: VecDeque<(u64, u64)>,
    sent: BTreeMap<u64, u64>,
    data: Vec<u8>,
}

/// An interface as its guest has it.
#[derive(Clone, PartialEq, Debug)]
struct Card {
    front: NetFront,
    port: Port,
    is_known: bool,
}

/// The console as its guest has it (`/dev/hvc0`).
#[derive(Clone, PartialEq, Debug, Default)]
struct Hvc {
    ring: ByteRing,
    port: u32,
    tty: LineDiscipline,
    /// What is printed and does not fit into the ring yet.
    waiting: VecDeque<u8>,
}

/// A domain that runs.
#[derive(Clone)]
pub(super) struct DomU {
    pub id: DomId,
    kernel: GuestKernel<XenPv>,
    hvc: Hvc,
    disks: BTreeMap<DeviceId, Disk>,
    cards: BTreeMap<DeviceId, Card>,
    /// It has nothing to do until an event comes, at the latest at this moment.
    halted: Option<Option<Nanos>>,
    /// A watch of its kernel has fired since it ran last.
    pub has_watch: bool,
    /// KiB that it is to have, as its kernel knows.
    pub memory_target: u64,
    /// That it was given a processor since it halted has been told.
    pub has_told_turn: bool,
}

impl DomU {
    /// Its number among the kernels of the machine.
    pub fn system(&self) -> SystemId {
        self.kernel.system
    }

    /// Its world.
    pub fn world(&self) -> &World {
        self.kernel.world()
    }

    /// Its clock.
    pub fn clock(&self) -> Nanos {
        self.world().clock
    }

    /// What its kernel has made its processors and Xen do.
    pub fn counters(&self) -> &Counters {
        &self.kernel.running.machine.computer.counters
    }

    /// Its first processor.
    pub fn vcpu(&self) -> VcpuId {
        VcpuId::first(self.id)
    }

    /// When it has something to do.
    pub fn ready_at(&self, xen: &Xen) -> Option<Nanos> {
        match self.halted {
            None => Some(self.clock()),
            Some(_) if self.has_watch || self.has_events(xen) => Some(self.clock()),
            Some(until) => until,
        }
    }

    /// Xen has to enter its kernel.
    fn has_events(&self, xen: &Xen) -> bool {
        let vcpus = xen.domain(self.id).map_or(0, |d| d.vcpus.len() as u32);
        (0..vcpus).any(|vcpu| xen.upcall_is_due(VcpuId { domain: self.id, vcpu }))
    }

    /// It is at work, or somebody waits for what runs in it.
    pub fn is_busy(&self, xen: &Xen) -> bool {
        self.halted.is_none() || self.has_watch || self.has_events(xen) || self.world().is_busy()
    }

    /// What its kernel runs on.
    pub fn computer(&mut self) -> &mut Computer<XenPv> {
        &mut self.kernel.running.machine.computer
    }

    /// An interrupt, which its kernel takes at the beginning of its next turn.
    pub fn interrupt(&mut self, interrupt: Interrupt) {
        self.kernel.interrupt(interrupt);
    }

    fn hardware(&mut self) -> &mut XenPv {
        &mut self.computer().hardware
    }
}

impl XenHost {
    /// A domain that the toolstack has built boots; `false` when it has too little memory.
    pub(super) fn start(&mut self, id: DomId) -> bool {
        let xen = std::mem::take(&mut self.dom0.hardware.xen);
        let mut frames: Vec<(u64, Hfn)> = xen
            .memory
            .owned()
            .filter(|(frame, _)| xen.owner(*frame) == Some(id))
            .filter_map(|(frame, _)| Some((xen.frames.info(frame).pfn?.0, frame)))
            .collect();
        frames.sort_unstable();
        let mut frames: Vec<Hfn> = frames.into_iter().map(|(_, frame)| frame).collect();
        // The kernel maps its memory by whole tables.
        frames.truncate(frames.len() / 512 * 512);
        let (count, vcpus) = (frames.len() as u64, xen.domain(id).map_or(1, |d| d.vcpus.len() as u32));
        let start = xen.domain(id).map(|d| d.start_info.clone()).unwrap_or_default();
        // Xen stays with domain 0 if nothing comes of it.
        let kept = xen.clone();
        let Some(guest) = XenPv::guest(xen, id, frames, self.ring, self.costs.clone()) else {
            self.dom0.hardware.xen = kept;
            return false;
        };
        drop(kept);
        let drivers = guest.driver_frames();
        let special = [start.store_mfn, start.console_mfn, Hfn(start.shared_info >> 12)];
        let pool = drivers.into_iter().filter(|frame| !special.contains(frame)).collect();
        let guest = XenPv { sleeps: true, ..guest };
        let mut computer = Computer::with_pages(guest, count, false, KernelPages::Small);
        std::mem::swap(&mut computer.hardware.xen, &mut self.dom0.hardware.xen);
        self.host.pools.insert(id, DriverPool::new(pool));
        self.with_host(|host| bind_interrupts(host, id, vcpus));
        let name = self.name_of(id);
        let now = Nanos(self.dom0.hardware.xen.now);
        let (system, told) = (SystemId(u32::from(id.0)), Some(start.cmd_line.as_str()));
        let mut kernel = GuestKernel::boot(system, &name, GuestMachine::on(computer), (now, told));
        kernel.running.world.limit_processors(vcpus);
        kernel.running.world.mm.set_total(start.nr_pages * PAGE_SIZE);
        let hvc = Hvc { ring: ByteRing { frame: start.console_mfn }, port: start.console_evtchn, ..Hvc::default() };
        let (disks, cards) = (BTreeMap::new(), BTreeMap::new());
        let memory_target = start.nr_pages * 4;
        let domu =
            DomU { id, kernel, hvc, disks, cards, halted: None, has_watch: false, memory_target, has_told_turn: false };
        self.domus.insert(id, domu);
        if let Some(daemon_port) = self.store_port(id) {
            let ring = ByteRing { frame: start.store_mfn };
            self.host.lines.insert(id, StoreLine::new(ring, start.store_evtchn, daemon_port));
        }
        self.register_watches(id);
        self.probe(id);
        true
    }

    fn name_of(&self, id: DomId) -> String {
        let path = format!("/local/domain/{}/name", id.0);
        self.host.store.read(Asker::of(DomId::DOM0), &path).unwrap_or_else(|_| format!("domain-{}", id.0))
    }

    /// The guest's kernel looks what the toolstack has written below `device` (`xenbus_probe_frontend.c`).
    fn probe(&mut self, id: DomId) {
        let Some(mut domu) = self.domus.remove(&id) else { return };
        let mut next = (domu.disks.len() + domu.cards.len()) as u32;
        for (name, kind) in [("vbd", DeviceKind::Vbd), ("vif", DeviceKind::Vif)] {
            for number in self.host.store.children(&format!("/local/domain/{}/device/{name}", id.0)) {
                let Ok(number) = number.parse() else { continue };
                let device = DeviceId { kind, number, frontend: id, backend: DomId::DOM0 };
                next += 1;
                let port = Port(next);
                if kind == DeviceKind::Vbd {
                    domu.disks.entry(device).or_insert_with(|| Disk {
                        front: BlkFront::new(device),
                        port,
                        is_known: false,
                        active: None,
                        waiting: VecDeque::new(),
                        sent: BTreeMap::new(),
                        data: Vec::new(),
                    });
                } else {
                    domu.cards.entry(device).or_insert_with(|| Card {
                        front: NetFront::new(device),
                        port,
                        is_known: false,
                    });
                }
            }
        }
        self.domus.insert(id, domu);
    }

    /// A frontend hears of its backend's state. One whose kernel does not run hears of it later.
    pub(super) fn frontend_hears(&mut self, device: DeviceId, state: XenbusState) -> bool {
        let Some(mut domu) = self.domus.remove(&device.frontend) else { return false };
        self.tell_heard(device, true, state);
        if let Some(disk) = domu.disks.get_mut(&device) {
            self.with_host(|host| disk.front.backend_changed(host, state));
            if let (Some(sectors), false) = (disk.front.sectors, disk.is_known) {
                disk.is_known = true;
                // The kernel looks for partitions at once: the first page is read, and stays granted.
                self.with_host(|host| disk.front.submit(host, blkif::READ, 0, PAGE_SIZE as usize, &[]));
                let letter = char::from(b'a' + (device.number >> 4 & 15) as u8);
                let partition = device.number & 15;
                let name = if partition == 0 { format!("xvd{letter}") } else { format!("xvd{letter}{partition}") };
                let dev = (XVD_MAJOR, device.number & 0xff);
                let size = sectors * blkif::SECTOR;
                domu.kernel.interrupt(Interrupt::Disk { name, dev, size, port: disk.port });
                domu.halted = None;
            }
        }
        if let Some(card) = domu.cards.get_mut(&device) {
            self.with_host(|host| card.front.backend_changed(host, state));
            if card.front.ports().is_some() && !card.is_known {
                card.is_known = true;
                let mac = self.mac_of(device);
                let name = format!("eth{}", device.number);
                domu.kernel.interrupt(Interrupt::NetDevice { name, mac, driver: "vif", port: card.port });
                domu.halted = None;
            }
        }
        self.backends_are_stale();
        self.domus.insert(device.frontend, domu);
        true
    }

    fn mac_of(&self, device: DeviceId) -> Mac {
        let text = self.host.store.read(Asker::of(DomId::DOM0), &format!("{}/mac", device.front())).unwrap_or_default();
        let mut bytes = [0; 6];
        for (byte, part) in bytes.iter_mut().zip(text.split(':')) {
            *byte = u8::from_str_radix(part, 16).unwrap_or(0);
        }
        Mac(bytes)
    }

    /// A domain runs: Xen is with its processor.
    pub(super) fn in_guest<T>(&mut self, domu: &mut DomU, what: impl FnOnce(&mut DomU) -> T) -> T {
        std::mem::swap(&mut self.dom0.hardware.xen, &mut domu.hardware().xen);
        let result = what(domu);
        std::mem::swap(&mut self.dom0.hardware.xen, &mut domu.hardware().xen);
        let told = domu.kernel.running.machine.computer.counters.told.take();
        self.reports.extend(domu.kernel.reports());
        self.reports.extend(told);
        result
    }

    /// One turn of a domain: events first, then its kernel.
    pub(super) fn turn_of(&mut self, domu: &mut DomU, now: Nanos) {
        let began = domu.clock().max(now);
        domu.halted = None;
        let asked = self.in_guest(domu, |domu| {
            let who = domu.vcpu();
            domu.hardware().xen.now = began.0;
            if let Some(v) = domu.hardware().xen.vcpu_mut(who) {
                v.is_blocked = false;
            }
            domu.kernel.advance_to(began)
        });
        self.serve(domu, asked);
        if std::mem::take(&mut domu.has_watch) {
            self.watch_fired(domu);
            if !self.dom0.hardware.xen.domain(domu.id).is_some_and(crate::xen::domain::Domain::may_run) {
                return;
            }
        }
        let ports = self.in_guest(domu, |domu| {
            let computer = domu.computer();
            computer.hardware.upcall(&mut computer.counters);
            std::mem::take(&mut computer.hardware.upcalls)
        });
        let had_events = !ports.is_empty();
        for port in ports {
            self.event_in_guest(domu, port);
        }
        let (turn, asked) = self.in_guest(domu, |domu| domu.kernel.turn());
        let ports = std::mem::take(&mut domu.hardware().upcalls);
        let was_quiet = asked.is_quiet && ports.is_empty() && !had_events;
        self.serve(domu, asked);
        for port in ports {
            self.event_in_guest(domu, port);
        }
        let ran = domu.clock().0.saturating_sub(began.0);
        let who = domu.vcpu();
        self.dom0.hardware.xen.credit_ran(who, ran);
        if turn == Turn::AtRest && was_quiet && !domu.has_events(&self.dom0.hardware.xen) {
            let until = domu.kernel.running.next_timer();
            domu.halted = Some(until);
            domu.has_told_turn = false;
            // The hypercalls that led here were made when the kernel found itself idle; its processor sleeps now, until the
            // moment that it has set its timer to.
            let xen = &mut self.dom0.hardware.xen;
            let timer = until.map_or(VcpuOp::StopSingleshotTimer, |at| VcpuOp::SetSingleshotTimer(at.0, false));
            let _set = xen.vcpu_op(who, timer, who.vcpu);
            let _asleep = xen.sched_op(who, SchedOp::Block);
        }
    }

    /// The handler of a port of a guest.
    fn event_in_guest(&mut self, domu: &mut DomU, port: u32) {
        if port == domu.hvc.port {
            return self.typed_at(domu);
        }
        if self.host.lines.get(&domu.id).is_some_and(|line| line.port == port) {
            let id = domu.id;
            domu.has_watch |= self.with_host(|host| host.take_watch_events(id));
            return;
        }
        let disk = domu.disks.iter().find(|(_, disk)| disk.front.port() == Some(port)).map(|(device, _)| *device);
        if let Some(device) = disk {
            return self.disk_event(domu, device);
        }
        let of_card = |card: &Card| card.front.ports().is_some_and(|(tx, rx)| port == tx || port == rx);
        if let Some(card) = domu.cards.values_mut().find(|card| of_card(card)) {
            let packets = self.with_host(|host| {
                card.front.tx_interrupt(host);
                card.front.rx_interrupt(host)
            });
            // What is no frame of a protocol that the kernel knows is dropped.
            for frame in packets.iter().filter_map(|packet| Frame::from_bytes(packet)) {
                domu.kernel.interrupt(Interrupt::Frame(card.port, frame));
            }
        }
    }

    /// What a guest's kernel wants of its devices.
    fn serve(&mut self, domu: &mut DomU, asked: Asked) {
        if !asked.printed.is_empty() {
            self.print(domu, &asked.printed);
        }
        for request in asked.requests {
            let Some(disk) = domu.disks.values_mut().find(|disk| disk.port == request.port) else { continue };
            let total = request.bytes;
            disk.waiting = match total {
                0 => VecDeque::from([(0, 0)]),
                _ => (0..total.div_ceil(LARGEST)).map(|n| (n * LARGEST, LARGEST.min(total - n * LARGEST))).collect(),
            };
            disk.data = if request.direction == Direction::Read { vec![0; total as usize] } else { Vec::new() };
            disk.active = Some(request);
            self.with_host(|host| disk.push(host));
        }
        for (port, frame) in asked.frames {
            let Some(card) = domu.cards.values_mut().find(|card| card.port == port) else { continue };
            self.with_host(|host| card.front.transmit(host, &frame.to_bytes()));
        }
    }

    /// `blkif_interrupt`: what is done goes to the block layer, and there is room for more.
    fn disk_event(&mut self, domu: &mut DomU, device: DeviceId) {
        let Some(disk) = domu.disks.get_mut(&device) else { return };
        let completed = self.with_host(|host| disk.front.interrupt(host));
        for done in completed {
            let Some(at) = disk.sent.remove(&done.id) else { continue };
            let (from, to) = (at as usize, at as usize + done.data.len());
            if let Some(place) = disk.data.get_mut(from..to) {
                place.copy_from_slice(&done.data);
            }
        }
        self.with_host(|host| disk.push(host));
        if disk.sent.is_empty()
            && disk.waiting.is_empty()
            && let Some(request) = disk.active.take()
        {
            if request.direction == Direction::Read && request.bytes > 0 {
                let bytes = std::mem::take(&mut disk.data).into();
                domu.kernel.interrupt(Interrupt::DiskData { disk: request.disk, pos: request.pos, bytes });
            }
            domu.kernel.interrupt(Interrupt::DiskDone(request.disk));
        }
    }

    /// `domU_write_console`: bytes into the ring, and an event.
    pub(super) fn print(&mut self, domu: &mut DomU, bytes: &[u8]) {
        domu.hvc.waiting.extend(bytes);
        let (id, hvc) = (domu.id, &mut domu.hvc);
        self.with_host(|host| {
            let waiting = hvc.waiting.make_contiguous();
            let sent = hvc.ring.produce(&mut host.xen.memory, OUT, waiting);
            hvc.waiting.drain(..sent);
            let numbers = vec![("domain", u64::from(id.0)), ("bytes", sent as u64)];
            host.tell(
                Lane::GuestKernel,
                numbers,
                "The kernel of domain {domain} puts {bytes} bytes into its console ring.",
            );
            host.notify(id, hvc.port);
        });
    }

    /// `domU_read_console`: what was typed goes to the line discipline, which echoes it.
    fn typed_at(&mut self, domu: &mut DomU) {
        let hvc = &mut domu.hvc;
        let bytes = self.with_host(|host| hvc.ring.consume(&mut host.xen.memory, IN));
        let mut echo = Vec::new();
        let mut typed = Vec::new();
        for byte in bytes {
            let (back, what) = hvc.tty.receive(byte);
            echo.extend(back);
            typed.extend(what);
        }
        if !echo.is_empty() || !hvc.waiting.is_empty() {
            self.print(domu, &echo);
        }
        for what in typed {
            let asked = self.in_guest(domu, |domu| domu.kernel.typed(what));
            self.serve(domu, asked);
        }
    }
}

impl Disk {
    /// Puts as much of the request on the ring as there is room for.
    fn push(&mut self, host: &mut Host) {
        let Some(request) = &self.active else { return };
        while let Some((at, bytes)) = self.waiting.front().copied() {
            let operation = match request.direction {
                _ if request.bytes == 0 => blkif::FLUSH,
                Direction::Read => blkif::READ,
                Direction::Write => blkif::WRITE,
            };
            let data = request.data.get(at as usize..(at + bytes) as usize).unwrap_or_default();
            let sector = (request.pos + at) / blkif::SECTOR;
            let Some(id) = self.front.submit(host, operation, sector, bytes as usize, data) else { break };
            self.sent.insert(id, at);
            self.waiting.pop_front();
        }
    }
}
