//! A host of virtual machines: any machine, and KVM in its kernel.

use std::collections::BTreeMap;

use kernel_model::machine::device::{DeviceAnswer, DeviceCall, DeviceNode};
use kernel_model::machine::interrupt::{DiskRequest, DiskServed, Interrupt};
use kernel_model::machine::report::Report;
use kernel_model::machine::{Port, SystemId};
use kernel_model::mm::user_data::UserMemory;
use kernel_model::net::packet::Frame;
use kernel_model::pv_ops::{PageRange, PvOp, PvOps};
use kernel_model::time::Nanos;
use kernel_model::world::World;

use super::BareMetal;
use super::counters::Counters;
use super::measured::{Measured, Parts};
use super::virtual_processor::VirtualProcessor;
use crate::kvm::device::{KvmModule, NODE};
use crate::kvm::mmu::Paging;

/// The driver of TAP devices, which QEMU gives its guests' cards; the kernel has it itself.
const TUN: DeviceNode = DeviceNode { name: "net/tun", dev: (10, 200), mode: 0o666 };

/// A machine whose kernel has `/dev/kvm`.
#[derive(Clone)]
pub struct Host<M> {
    /// The machine.
    pub below: M,
    /// KVM.
    pub kvm: KvmModule,
}

impl<M> Host<M> {
    /// KVM on a machine, with this kind of tables for its guests.
    pub fn new(below: M, paging: Paging) -> Host<M> {
        Host { below, kvm: KvmModule::new(paging) }
    }
}

impl Default for Host<BareMetal> {
    fn default() -> Self {
        Host::new(BareMetal::default(), Paging::Ept { accessed_and_dirty: true, pml: false })
    }
}

impl<M: PvOps + Clone + 'static> PvOps for Host<M> {
    fn execute(&mut self, cpu: u32, op: PvOp) {
        self.below.execute(cpu, op);
        self.kvm.observe(op);
    }

    fn touch(&mut self, cpu: u32, at: PageRange, write: bool) {
        self.below.touch(cpu, at, write);
    }

    fn reports(&mut self) -> Vec<Report> {
        let mut reports = self.below.reports();
        reports.append(&mut self.kvm.reports);
        reports
    }

    fn is_large(&self) -> bool {
        self.below.is_large() || self.kvm.vms().next().is_some()
    }

    fn turn(&mut self, now: Nanos, is_idle: bool) -> bool {
        self.below.turn(now, is_idle)
    }

    fn next_timer(&self) -> Option<Nanos> {
        self.below.next_timer()
    }

    fn is_busy(&self) -> bool {
        self.below.is_busy()
    }

    fn interrupts(&mut self) -> Vec<Interrupt> {
        let mut interrupts = self.below.interrupts();
        interrupts.append(&mut self.kvm.interrupts);
        interrupts
    }

    fn devices(&self) -> &'static [DeviceNode] {
        &[NODE, TUN]
    }

    fn device(&mut self, call: DeviceCall<'_>) -> DeviceAnswer {
        self.kvm.call(call)
    }

    fn event_signalled(&mut self, event: u64) -> bool {
        self.kvm.event_signalled(event)
    }

    fn user_memory(&mut self) -> Option<&mut UserMemory> {
        Some(&mut self.kvm.memory)
    }

    fn submit(&mut self, request: DiskRequest) {
        self.below.submit(request);
    }

    fn disk_served(&mut self, cookie: u64, answer: DiskServed) {
        self.below.disk_served(cookie, answer);
    }

    fn transmit(&mut self, port: Port, frame: &Frame) {
        self.below.transmit(port, frame);
    }

    fn world_of(&self, system: SystemId) -> Option<&World> {
        self.kvm.world_of(system).or_else(|| self.below.world_of(system))
    }
}

impl Measured for Host<Box<dyn Measured>> {
    fn counters(&self) -> &Counters {
        self.below.counters()
    }

    fn vm_exits(&self) -> BTreeMap<&'static str, u64> {
        let mut exits = self.kvm.exits();
        for (reason, count) in self.below.vm_exits() {
            *exits.entry(reason).or_default() += count;
        }
        exits
    }

    fn tell(&mut self) {
        self.below.tell();
    }

    fn copy(&self) -> Box<dyn Measured> {
        Box::new(self.clone())
    }

    fn parts(&self) -> Option<Parts<'_>> {
        self.below.parts()
    }

    fn virtual_processors(&self) -> Vec<(String, VirtualProcessor)> {
        let guests = self.kvm.vms().filter_map(|(_, vm)| vm.guest.as_ref());
        guests.filter_map(|guest| Some((guest.kernel.name.to_string(), guest.virtual_processor()?))).collect()
    }
}
