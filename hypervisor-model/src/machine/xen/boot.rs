//! How a PV guest starts: the builder in domain 0 makes its first page tables, and Xen validates them. Source:
//! `tools/libs/guest/xg_dom_x86.c`; Linux 6.1, `arch/x86/xen/mmu_pv.c` (`xen_setup_kernel_pagetable`).

use std::collections::{BTreeMap, BTreeSet};

use super::{Doing, GUEST, KernelRing, PAGE_FAULT, XenPv};
use crate::machine::computer::PROCESSORS;
use crate::machine::cost::Costs;
use crate::machine::counters::Counters;
use crate::machine::kernel_tables::DIRECT_MAP;
use crate::machine::processor::Processor;
use crate::memory::{GuestId, Hfn, Hpa, Owner};
use crate::paging::format::{ADDRESS, P, RW};
use crate::xen::Xen;
use crate::xen::call::Hypercall;
use crate::xen::domain::{Domain, GuestKind};
use crate::xen::event_channel::virq;
use crate::xen::mm::mmuext::MmuextOp;
use crate::xen::mm::update::Foreign;
use crate::xen::traps::{CallbackKind, FLAT_KERNEL_CS64, TrapInfo};

/// Frames that Xen keeps for itself.
const XENS: u64 = 4 << 8;
/// The guest's frames from which the programs' top-level tables are taken: between the kernel's own and those that it hands
/// out.
const SPARE: std::ops::Range<u64> = (64 << 8)..(68 << 8);

impl XenPv {
    /// A guest with so many frames, a power of two; `None` when the machine has no room for it.
    pub fn new(frames: u64, ring: KernelRing, costs: Costs) -> Option<XenPv> {
        let mut xen = Xen::new(2 * frames, XENS);
        let first = xen.memory.allocate_block(frames, Owner::Guest(GuestId(u32::from(GUEST.0))))?;
        // Of the 32-bit flavour the rings are modelled; its page tables are those of 64 bit.
        let mut domain = Domain::new(GUEST, GuestKind::Pv64, PROCESSORS as u32);
        (domain.tot_pages, domain.max_pages) = (frames, frames);
        xen.insert_domain(domain);
        let processor = Processor::new(0, 0, false);
        let mut spare: Vec<Hfn> = SPARE.rev().map(|pfn| Hfn(first.0 + pfn)).collect();
        let swapper = spare.pop()?;
        Some(XenPv {
            xen,
            ring,
            processors: [processor.clone(), processor],
            roots: [None; PROCESSORS],
            in_user: [false; PROCESSORS],
            base: first.0,
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
        for cpu in 0..PROCESSORS {
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
        let who = XenPv::who(cpu);
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
        if self.ring == KernelRing::Three || cpu == 0 {
            let _port = self.xen.evtchn_bind_virq(who, virq::TIMER, cpu as u32);
        }
    }

    /// The entry of the kernel's map of all memory for a frame.
    fn direct_entry(&self, root: Hfn, frame: Hfn) -> Option<Hpa> {
        let va = DIRECT_MAP + ((frame.0 - self.base) << 12);
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
