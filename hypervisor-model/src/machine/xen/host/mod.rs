//! A machine with Xen: the kernel that one types to is domain 0's, other domains' kernels live beside it.
//!
//! There is one [`Xen`](crate::xen::Xen). It is with domain 0's processor (`dom0.hardware.xen`); for as long as another
//! domain runs, or drivers and daemons of domain 0 work, it is lent to them ([`XenHost::with_host`], [`XenHost::in_guest`]).
//!
//! [`typed`] hypercalls of somebody outside; [`files`] the nodes below `/dev/xen`; [`privcmd`] hypercalls of programs;
//! [`daemons`] what xenstored and xenconsoled do; [`backends`] domain 0's halves of split drivers; [`domu`] another domain's
//! kernel with its halves, [`control`] what the toolstack can ask of it. xenstored and xenconsoled
//! are no processes here; guests' kernels talk to xenstored over its ring ([`crate::xen::driver::xenbus_comms`]).

mod backends;
mod boot;
mod control;
mod daemons;
mod domu;
mod files;
mod privcmd;
#[cfg(test)]
pub(crate) mod session;
#[cfg(test)]
mod tests;
mod typed;

use std::collections::BTreeMap;
use std::sync::Arc;

use kernel_model::machine::device::{DeviceAnswer, DeviceCall, DeviceNode};
use kernel_model::machine::interrupt::{DiskRequest, DiskServed, Interrupt};
use kernel_model::machine::report::{Deed, DeedKind, Lane, Report};
use kernel_model::machine::{Port, SystemId};
use kernel_model::net::packet::Frame;
use kernel_model::pv_ops::{PageRange, PvOp, PvOps};
use kernel_model::time::Nanos;
use kernel_model::world::World;

use super::{KernelRing, XenPv};
use crate::machine::computer::{Computer, PROCESSORS};
use crate::machine::cost::Costs;
use crate::machine::counters::Counters;
use crate::machine::measured::{Measured, NoMemory, Parts};
use crate::xen::domain::{DomId, VcpuId};
use crate::xen::driver::Host;
use crate::xen::io::ring::SharedRing;
use crate::xen::io::xenbus::DeviceId;
use backends::Backends;
use daemons::Daemons;
use domu::DomU;
use files::Files;

/// Domain 0's first processor, in whose name drivers and daemons make hypercalls.
const DOM0: VcpuId = VcpuId::first(DomId::DOM0);

/// A machine with Xen.
#[derive(Clone)]
pub struct XenHost {
    /// Domain 0's processor and memory; Xen itself is there when nobody else has it.
    dom0: Computer<XenPv>,
    /// xenstore and what drivers have; its Xen is there only for as long as it is lent.
    host: Host,
    backends: Backends,
    daemons: Daemons,
    files: Files,
    domus: BTreeMap<DomId, DomU>,
    /// KiB that domain 0 is to have, as it has heard; 0 before anybody said so.
    dom0_target: u64,
    /// Another domain had the last turn: domain 0 has the next, if it wants it.
    was_elsewhere: bool,
    ring: KernelRing,
    costs: Costs,
    reports: Vec<Report>,
    interrupts: Vec<Interrupt>,
}

impl XenHost {
    /// A machine on which Xen has built domain 0.
    ///
    /// # Errors
    /// There is no room for the hypervisor's tables.
    pub fn new(ring: KernelRing, costs: Costs) -> Result<XenHost, NoMemory> {
        XenHost::with_processors(ring, costs, PROCESSORS as u32)
    }

    /// The same with so many processors, at most [`PROCESSORS`]. The world of domain 0 must have as many
    /// ([`World::limit_processors`]).
    ///
    /// # Errors
    /// There is no room for the hypervisor's tables.
    pub fn with_processors(ring: KernelRing, costs: Costs, processors: u32) -> Result<XenHost, NoMemory> {
        let (dom0, host) = boot::boot(ring, costs.clone(), processors).ok_or(NoMemory)?;
        let mut machine = XenHost {
            dom0,
            host,
            backends: Backends::default(),
            daemons: Daemons::default(),
            files: Files::default(),
            domus: BTreeMap::new(),
            dom0_target: 0,
            was_elsewhere: false,
            ring,
            costs,
            reports: Vec::new(),
            interrupts: Vec::new(),
        };
        machine.with_host(|host| boot::init_dom0(host, processors));
        Ok(machine)
    }

    /// Xen with the store, for eyes.
    pub fn parts_of_xen(&self) -> XenParts<'_> {
        XenParts { machine: self }
    }

    /// What the kernel of a domain has made its processors and Xen do.
    pub fn counters_of(&self, id: DomId) -> Option<&Counters> {
        if id == DomId::DOM0 { Some(&self.dom0.counters) } else { Some(self.domus.get(&id)?.counters()) }
    }

    /// Lends Xen to domain 0's drivers and daemons. What Xen did there is reported.
    fn with_host<T>(&mut self, what: impl FnOnce(&mut Host) -> T) -> T {
        std::mem::swap(&mut self.dom0.hardware.xen, &mut self.host.xen);
        self.host.xen.deeds.is_heard = self.dom0.counters.told.listens;
        let result = what(&mut self.host);
        let deeds = self.host.xen.deeds.take();
        self.reports.extend(deeds.into_iter().map(|deed| Report::Did(Arc::new(deed))));
        std::mem::swap(&mut self.dom0.hardware.xen, &mut self.host.xen);
        result
    }

    /// Tells of something.
    fn tell(&mut self, deed: Deed) {
        if self.dom0.counters.told.listens {
            self.reports.push(Report::Did(Arc::new(deed)));
        }
    }

    /// Takes what domain 0's processor has to tell, so that the order is right.
    fn collect(&mut self) {
        self.reports.extend(self.dom0.counters.told.take());
    }

    /// Xen enters domain 0's kernel if events are due; their handlers run. Whether there were any.
    fn serve_domain_0(&mut self) -> bool {
        self.dom0.hardware.upcall(&mut self.dom0.counters);
        self.collect();
        let ports = std::mem::take(&mut self.dom0.hardware.upcalls);
        let had_any = !ports.is_empty();
        for port in ports {
            self.event_in_domain_0(port);
        }
        had_any
    }

    /// The handler of a port of domain 0.
    fn event_in_domain_0(&mut self, port: u32) {
        if self.is_end_of_a_domain(port) {
            self.domains_ended();
        } else if !self.console_event(port) && !self.backend_event(port) {
            self.files.event(port, &mut self.interrupts);
        }
    }

    /// The domain that is to run next: of those that may and have something to do the one that is furthest behind.
    fn pick(&self, now: Nanos) -> Option<DomId> {
        let xen = &self.dom0.hardware.xen;
        let ready = self.domus.iter().filter(|(id, domu)| {
            xen.domain(**id).is_some_and(|d| d.may_run()) && domu.ready_at(xen).is_some_and(|at| at <= now)
        });
        ready.min_by_key(|(id, domu)| (domu.clock(), **id)).map(|(id, _)| *id)
    }

    /// Another domain has the processor for one turn.
    fn run_domain(&mut self, id: DomId, now: Nanos) {
        let Some(mut domu) = self.domus.remove(&id) else { return };
        if !domu.has_told_turn {
            domu.has_told_turn = true;
            self.tell(
                Deed::new(DeedKind::Turn, "schedule")
                    .with("domain", u64::from(id.0))
                    .goes(0, Lane::Hypervisor, Lane::GuestKernel)
                    .says("Xen gives a processor to domain {domain}.", "xen/common/sched/core.c schedule()"),
            );
        }
        self.turn_of(&mut domu, now);
        self.domus.insert(id, domu);
    }
}

/// A ring that two halves of a driver share.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RingParts {
    /// Whose.
    pub device: DeviceId,
    /// What it is for: `requests`, `tx`, `rx`.
    pub purpose: &'static str,
    /// Where it is.
    pub ring: SharedRing,
    /// How many requests the backend has taken: what only it knows.
    pub req_cons: u32,
}

/// What there is of a machine with Xen, for eyes.
#[derive(Clone, Copy)]
pub struct XenParts<'a> {
    machine: &'a XenHost,
}

impl std::fmt::Debug for XenParts<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("XenParts").finish_non_exhaustive()
    }
}

impl<'a> XenParts<'a> {
    /// The hypervisor.
    pub fn xen(&self) -> &'a crate::xen::Xen {
        &self.machine.dom0.hardware.xen
    }

    /// xenstore.
    pub fn store(&self) -> &'a crate::xen::xenstore::XenStore {
        &self.machine.host.store
    }

    /// The shared rings of split drivers.
    pub fn rings(&self) -> Vec<RingParts> {
        self.machine.backends.rings()
    }
}

impl PvOps for XenHost {
    fn execute(&mut self, cpu: u32, op: PvOp) {
        if op != PvOp::SafeHalt {
            self.dom0.hardware.wakes(cpu as usize);
        }
        self.dom0.execute(cpu, op);
    }

    fn touch(&mut self, cpu: u32, at: PageRange, write: bool) {
        self.dom0.touch(cpu, at, write);
    }

    fn reports(&mut self) -> Vec<Report> {
        self.collect();
        std::mem::take(&mut self.reports)
    }

    fn is_large(&self) -> bool {
        true
    }

    fn turn(&mut self, now: Nanos, is_idle: bool) -> bool {
        self.dom0.hardware.xen.advance(now.0);
        let served = self.serve_domain_0() | self.handshake();
        self.fire_watches();
        if !is_idle && std::mem::take(&mut self.was_elsewhere) {
            return false;
        }
        let Some(id) = self.pick(now) else { return served && is_idle };
        self.was_elsewhere = true;
        self.run_domain(id, now);
        true
    }

    fn next_timer(&self) -> Option<Nanos> {
        let xen = &self.dom0.hardware.xen;
        let may_run = |id: &DomId| xen.domain(*id).is_some_and(|d| d.may_run());
        self.domus.iter().filter(|(id, _)| may_run(id)).filter_map(|(_, domu)| domu.ready_at(xen)).min()
    }

    fn is_busy(&self) -> bool {
        let xen = &self.dom0.hardware.xen;
        let may_run = |id: &DomId| xen.domain(*id).is_some_and(|d| d.may_run());
        self.backends.are_busy() || self.domus.iter().any(|(id, domu)| may_run(id) && domu.is_busy(xen))
    }

    fn interrupts(&mut self) -> Vec<Interrupt> {
        std::mem::take(&mut self.interrupts)
    }

    fn devices(&self) -> &'static [DeviceNode] {
        files::NODES
    }

    fn device(&mut self, call: DeviceCall<'_>) -> DeviceAnswer {
        self.collect();
        self.dom0.hardware.xen.now = call.now.0;
        self.file_call(call)
    }

    fn submit(&mut self, request: DiskRequest) {
        // Domain 0's disks are the machine's own: no request of theirs comes here.
        self.interrupts.push(Interrupt::DiskDone(request.disk));
    }

    fn disk_served(&mut self, cookie: u64, answer: DiskServed) {
        self.collect();
        self.disk_answered(cookie, answer);
    }

    fn transmit(&mut self, port: Port, frame: &Frame) {
        self.collect();
        self.receive_for_guest(port, frame);
    }

    fn called(&mut self, now: Nanos, who: u32, text: &str) -> bool {
        self.hypercall_typed(now, who, text);
        true
    }

    fn world_of(&self, system: SystemId) -> Option<&World> {
        self.domus.values().find(|domu| domu.system() == system).map(DomU::world)
    }
}

impl Measured for XenHost {
    fn counters(&self) -> &Counters {
        &self.dom0.counters
    }

    fn tell(&mut self) {
        self.dom0.counters.told.listens = true;
    }

    fn copy(&self) -> Box<dyn Measured> {
        Box::new(self.clone())
    }

    fn parts(&self) -> Option<Parts<'_>> {
        self.dom0.parts()
    }

    fn xen(&self) -> Option<XenParts<'_>> {
        Some(self.parts_of_xen())
    }
}
