//! How a PV guest starts: the builder in domain 0 makes its first page tables, and Xen validates them. Source:
//! `tools/libs/guest/xg_dom_x86.c`; Linux 6.1, `arch/x86/xen/mmu_pv.c` (`xen_setup_kernel_pagetable`).

use std::collections::{BTreeMap, BTreeSet};

use super::p2m::P2m;
use super::{Doing, KernelRing, PAGE_FAULT, XenPv};
use crate::machine::computer::PROCESSORS;
use crate::machine::cost::Costs;
use crate::machine::counters::Counters;
use crate::machine::kernel_tables::DIRECT_MAP;
use crate::machine::processor::Processor;
use crate::memory::{Gfn, GuestId, Hfn, Hpa, Owner};
use crate::paging::format::{ADDRESS, P, RW};
use crate::xen::Xen;
use crate::xen::call::Hypercall;
use crate::xen::domain::{DomId, Domain, GuestKind};
use crate::xen::event_channel::virq;
use crate::xen::mm::mmuext::MmuextOp;
use crate::xen::mm::update::Foreign;
use crate::xen::traps::{CallbackKind, FLAT_KERNEL_CS64, TrapInfo};

/// Frames that Xen keeps for itself.
const XENS: u64 = 4 << 8;
/// The guest's frames from which the programs' top-level tables are taken: between the kernel's own and those that it hands
/// out.
const SPARE: std::ops::Range<u64> = (64 << 8)..(68 << 8);
/// The guest's frames that its drivers use, above those.
pub const DRIVERS: std::ops::Range<u64> = (68 << 8)..(72 << 8);
/// The least that a kernel of this model needs: its tables and its own memory are below 96 MiB.
pub const LEAST_FRAMES: u64 = 112 << 8;

impl XenPv {
    /// A machine on which only this guest runs, with so many frames, a power of two; `None` when there is no room for it.
    pub fn new(frames: u64, ring: KernelRing, costs: Costs) -> Option<XenPv> {
        let mut xen = Xen::new(2 * frames, XENS);
        let domain = DomId(1);
        let first = xen.memory.allocate_block(frames, Owner::Guest(GuestId(u32::from(domain.0))))?;
        // Of the 32-bit flavour the rings are modelled; its page tables are those of 64 bit.
        let mut guest = Domain::new(domain, GuestKind::Pv64, PROCESSORS as u32);
        (guest.tot_pages, guest.max_pages) = (frames, frames);
        xen.insert_domain(guest);
        XenPv::guest(xen, domain, (first.0..first.0 + frames).map(Hfn), ring, costs)
    }

    /// A domain that has been made, with these frames of memory; `None` when they are too few.
    pub fn guest(
        xen: Xen,
        domain: DomId,
        frames: impl IntoIterator<Item = Hfn>,
        ring: KernelRing,
        costs: Costs,
    ) -> Option<XenPv> {
        let vcpus = xen.domain(domain)?.vcpus.len() as u32;
        let p2m = P2m::of(frames);
        if p2m.len() < LEAST_FRAMES {
            return None;
        }
        let processor = Processor::new(0, 0, false);
        let mut spare: Vec<Hfn> = SPARE.rev().map(|pfn| p2m.machine(Gfn(pfn))).collect();
        let swapper = spare.pop()?;
        Some(XenPv {
            xen,
            domain,
            vcpus,
            ring,
            processors: [processor.clone(), processor],
            roots: [None; PROCESSORS],
            in_user: [false; PROCESSORS],
            p2m,
            sleeps: false,
            upcalls: Vec::new(),
            spare,
            swapper,
            user_roots: BTreeMap::new(),
            pinned: BTreeSet::new(),
            forked: BTreeSet::new(),
            doing: Doing::Single,
            is_forking: false,
            is_booting: true,
            is_flushed: false,
            lazy: Vec::new(),
            refused: 0,
            costs,
        })
    }

    /// The machine frames that the drivers of its kernel use.
    pub fn driver_frames(&self) -> Vec<Hfn> {
        DRIVERS.map(|pfn| self.p2m.machine(Gfn(pfn))).collect()
    }

    /// The guest's first instruction is near: its tables are validated, its handlers are registered.
    pub(super) fn finish_boot(&mut self, root: Hfn) {
        self.is_booting = false;
        let mut boot = Counters::default();
        for slot in 256..512 {
            let entry = self.xen.memory.read_u64(root.address().plus(8 * slot));
            self.xen.memory.write_u64(self.swapper.address().plus(8 * slot), entry);
        }
        let mut tables = Vec::new();
        for slot in (256..512).filter(|slot| crate::xen::mm::is_guest_slot(4, *slot)) {
            let entry = self.xen.memory.read_u64(root.address().plus(8 * slot));
            if entry & P != 0 {
                let below = Hfn((entry & ADDRESS) >> 12);
                self.tables_below(below, 3, &mut tables);
                tables.push((below, 3));
            }
        }
        tables.push((self.swapper, 4));
        for (table, _) in tables {
            if let Some(at) = self.direct_entry(root, table) {
                let entry = self.xen.memory.read_u64(at);
                self.xen.memory.write_u64(at, entry & !RW);
            }
        }
        let pin = MmuextOp::PinTable(4, self.swapper);
        self.call(0, Hypercall::MmuextOp { ops: vec![pin], foreign: Foreign::NONE }, &mut boot);
        for cpu in 0..PROCESSORS.min(self.vcpus as usize) {
            self.start(cpu, &mut boot);
        }
        if let Some(user) = self.spare.pop() {
            self.user_roots.insert(root, user);
            for slot in 0..256 {
                let entry = self.xen.memory.read_u64(root.address().plus(8 * slot));
                self.xen.memory.write_u64(user.address().plus(8 * slot), entry);
            }
        }
    }

    /// A virtual processor comes up: base pointer, handlers, timer.
    fn start(&mut self, cpu: usize, boot: &mut Counters) {
        let who = self.who(cpu);
        if let Some(v) = self.xen.vcpu_mut(who) {
            (v.is_up, v.is_initialised, v.upcall_mask) = (true, true, false);
        }
        self.extend(cpu, MmuextOp::NewBaseptr(self.swapper), boot);
        self.roots[cpu] = Some(self.swapper);
        let trap = TrapInfo { vector: PAGE_FAULT, flags: 4, cs: FLAT_KERNEL_CS64, address: 0xffff_ffff_8100_1000 };
        self.call(cpu, Hypercall::SetTrapTable(vec![trap]), boot);
        for (kind, masks_events) in
            [(CallbackKind::Event, true), (CallbackKind::Failsafe, true), (CallbackKind::Syscall, false)]
        {
            let address = 0xffff_ffff_8100_2000 + kind as u64 * 0x100;
            self.call(cpu, Hypercall::CallbackOp { kind, address, masks_events }, boot);
        }
        // A domain whose kernel has been started by its builder has that already.
        let _bound = self.xen.evtchn_bind_virq(who, virq::TIMER, cpu as u32);
    }

    /// The entry of the kernel's map of all memory for a frame.
    fn direct_entry(&self, root: Hfn, frame: Hfn) -> Option<Hpa> {
        let va = DIRECT_MAP + self.p2m.guest(frame).address().0;
        let mut table = root;
        for level in [4_u32, 3, 2] {
            let entry = self.xen.memory.read_u64(table.address().plus(8 * (va >> (12 + 9 * (level - 1)) & 511)));
            if entry & P == 0 {
                return None;
            }
            table = Hfn((entry & ADDRESS) >> 12);
        }
        Some(table.address().plus(8 * (va >> 12 & 511)))
    }
}
