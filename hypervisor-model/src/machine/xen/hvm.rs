//! An HVM guest of Xen with hardware-assisted paging, as hardware. Its kernel keeps its own page tables and knows of nothing;
//! what exits are the things that need a hypervisor: HLT, and interrupts to other processors.
//!
//! One thing is unlike KVM: Xen gives a guest all its memory when it is built (`populate_physmap`), so no first touch of a
//! frame exits. Source: `tools/libs/guest/xg_dom_x86.c` (`meminit_hvm`), `xen/arch/x86/mm/p2m.c`.

use kernel_model::pv_ops::PvOp;

use crate::kvm::mmu::Paging;
use crate::machine::cost::Costs;
use crate::machine::counters::Counters;
use crate::machine::hardware::{Access, Hardware, MemoryAccess};
use crate::machine::kernel_tables::EntryWrite;
use crate::machine::kvm::Kvm;
use crate::machine::processor::Processor;
use crate::memory::{Gpa, PhysicalMemory};

/// Xen gives an HVM guest its memory in pages of 2 MiB where it can.
const LARGE: u8 = 2;

/// An HVM guest.
#[derive(Clone, PartialEq, Debug)]
pub struct XenHvm {
    guest: Kvm,
}

impl XenHvm {
    /// A guest with so many frames of memory, a power of two; `None` when the machine has no room for it.
    pub fn new(frames: u64, costs: Costs) -> Option<XenHvm> {
        let paging = Paging::Ept { accessed_and_dirty: true, pml: false };
        let mut guest = Kvm::with_pages(frames, paging, LARGE, costs)?;
        guest.populate(frames);
        Some(XenHvm { guest })
    }
}

impl Hardware for XenHvm {
    fn costs(&self) -> &Costs {
        self.guest.costs()
    }

    fn begin(&mut self, cpu: usize, op: PvOp, root: Option<Gpa>, counters: &mut Counters) {
        self.guest.begin(cpu, op, root, counters);
    }

    fn end(&mut self, cpu: usize, counters: &mut Counters) {
        self.guest.end(cpu, counters);
    }

    fn write_entry(&mut self, cpu: usize, write: EntryWrite, counters: &mut Counters) {
        self.guest.write_entry(cpu, write, counters);
    }

    fn write_cr3(&mut self, cpu: usize, value: u64, counters: &mut Counters) {
        self.guest.write_cr3(cpu, value, counters);
    }

    fn invlpg(&mut self, cpu: usize, linear: u64, counters: &mut Counters) {
        self.guest.invlpg(cpu, linear, counters);
    }

    fn shootdown(&mut self, from: usize, to: usize, counters: &mut Counters) {
        self.guest.shootdown(from, to, counters);
    }

    fn access(&mut self, cpu: usize, access: MemoryAccess, counters: &mut Counters) -> Access {
        self.guest.access(cpu, access, counters)
    }

    fn parts(&self) -> Option<(&PhysicalMemory, &[Processor])> {
        self.guest.parts()
    }

    fn halt(&mut self, cpu: usize, counters: &mut Counters) {
        self.guest.halt(cpu, counters);
    }
}
