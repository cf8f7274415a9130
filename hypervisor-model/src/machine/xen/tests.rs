//! What the kernel's operations become on Xen, counted.

use super::{KernelRing, XenPv};
use crate::machine::computer::Computer;
use crate::machine::cost::Costs;
use crate::machine::counters::Counters;
use crate::machine::kernel_tables::KernelPages;
use kernel_model::mm::MmId;
use kernel_model::pv_ops::{ALL_PAGES, Frames, PageRange, PvOp, PvOps};

/// 128 MiB.
const FRAMES: u64 = 1 << 15;

fn machine(ring: KernelRing) -> Computer<XenPv> {
    let costs = Costs::preset("nehalem-2011").expect("it can be read");
    let guest = XenPv::new(FRAMES, ring, costs).expect("there is room");
    let mut machine = Computer::with_pages(guest, FRAMES, false, KernelPages::Small);
    machine.execute(0, PvOp::WriteCr3 { mm: MmId(1) });
    machine.execute(0, PvOp::SetPte { at: range(1, 0x400, 20), write: true, frames: Frames::New });
    machine
}

fn range(mm: u32, first: u64, pages: u64) -> PageRange {
    PageRange { mm: MmId(mm), first, pages }
}

/// What these operations made the machine count.
fn counted(machine: &mut Computer<XenPv>, ops: &[PvOp]) -> Counters {
    let before = machine.counters.clone();
    ops.iter().for_each(|op| machine.execute(0, *op));
    assert_eq!((machine.hardware.xen.check(), machine.hardware.refused), (Ok(()), 0));
    machine.counters.since(&before)
}

fn calls(counters: &Counters) -> Vec<(&'static str, u64)> {
    counters.hypercalls.iter().map(|(name, n)| (*name, *n)).collect()
}

#[test]
fn a_system_call_of_a_64_bit_guest_is_one_iret_and_of_a_32_bit_guest_none() {
    let call = [PvOp::SyscallEntry, PvOp::ReturnToUser];
    let bounced = counted(&mut machine(KernelRing::Three), &call);
    assert_eq!((calls(&bounced), bounced.ring_crossings), (vec![("iret", 1)], 4));
    let direct = counted(&mut machine(KernelRing::One), &call);
    assert_eq!((calls(&direct), direct.ring_crossings), (vec![], 2));
}

#[test]
fn a_page_fault_goes_through_xen_and_its_entry_is_a_hypercall() {
    let mut machine = machine(KernelRing::Three);
    let at = range(1, 0x500, 1);
    let fault = PvOp::PageFault { at, write: true, present: false };
    let set = PvOp::SetPte { at, write: true, frames: Frames::New };
    let counted = counted(&mut machine, &[fault, set]);
    assert_eq!(calls(&counted), [("iret", 1), ("mmu_update", 1)]);
    assert_eq!(counted.traps.get("page_fault"), Some(&1));
}

#[test]
fn fork_collects_the_childs_entries_and_faults_for_each_of_the_parents() {
    let mut machine = machine(KernelRing::Three);
    let fork = [
        PvOp::PgdAlloc { mm: MmId(2) },
        PvOp::ProtectPte { at: range(1, 0x400, 20) },
        PvOp::SetPte { at: range(2, 0x400, 20), write: false, frames: Frames::Of(MmId(1)) },
        PvOp::FlushTlb { at: range(1, 0, ALL_PAGES) },
    ];
    let forked = counted(&mut machine, &fork);
    assert_eq!(forked.traps.get("ptwr"), Some(&20));
    assert_eq!(calls(&forked), [("mmu_update", 1), ("mmuext_op", 1)], "one for all entries, one flush");
    // A top-level table, three below it, and the programs' top: read-only, and both tops and the last level pinned.
    let run = counted(&mut machine, &[PvOp::WriteCr3 { mm: MmId(2) }]);
    assert_eq!(run.hypercalls.get("update_va_mapping"), Some(&5));
    assert_eq!(run.hypercalls.get("mmuext_op"), Some(&5), "three pins, two base pointers");
    assert_eq!(run.hypercalls.get("multicall"), Some(&2));
    assert_eq!(run.hypercalls.get("stack_switch"), Some(&1));
    let end = counted(&mut machine, &[PvOp::WriteCr3 { mm: MmId(1) }, PvOp::ExitMmap { mm: MmId(2) }]);
    assert_eq!(end.hypercalls.get("mmu_update"), None, "what is unpinned is memory");
    assert_eq!(end.traps.get("ptwr"), None);
    assert_eq!(end.hypercalls.get("update_va_mapping"), Some(&5));
}

#[test]
fn a_table_that_is_added_to_a_running_address_space_is_made_read_only_and_pinned_first() {
    let mut machine = machine(KernelRing::Three);
    let set = PvOp::SetPte { at: range(1, 0x4_0000, 1), write: true, frames: Frames::New };
    let counted = counted(&mut machine, &[set]);
    // Another table of level 2 and one of level 1.
    assert_eq!(counted.hypercalls.get("update_va_mapping"), Some(&2), "{:?}", calls(&counted));
    assert_eq!(counted.hypercalls.get("mmu_update"), Some(&3));
}

#[test]
fn a_program_cannot_reach_its_kernels_memory_though_both_are_in_ring_3() {
    use crate::cpu::AccessKind;
    use crate::machine::hardware::{Access, Hardware, MemoryAccess};
    use crate::machine::kernel_tables::KERNEL_TEXT;
    let mut machine = machine(KernelRing::Three);
    machine.execute(0, PvOp::ReturnToUser);
    let access = MemoryAccess { linear: KERNEL_TEXT, kind: AccessKind::Read, is_user: true };
    let mut counters = Counters::default();
    assert_eq!(machine.hardware.access(0, access, &mut counters), Access::Faulted);
    let own = MemoryAccess { linear: 0x400 << 12, ..access };
    assert_eq!(machine.hardware.access(0, own, &mut counters), Access::Done);
}

#[test]
fn an_hvm_guest_has_all_its_memory_from_the_start() {
    let costs = Costs::preset("nehalem-2011").expect("it can be read");
    let guest = super::hvm::XenHvm::new(FRAMES, costs).expect("there is room");
    let mut machine = Computer::new(guest, FRAMES, true);
    machine.execute(0, PvOp::WriteCr3 { mm: MmId(1) });
    machine.execute(0, PvOp::SetPte { at: range(1, 0x400, 20), write: true, frames: Frames::New });
    [PvOp::SyscallEntry, PvOp::ReturnToUser, PvOp::SafeHalt].into_iter().for_each(|op| machine.execute(0, op));
    let exits: Vec<_> = machine.counters.vm_exits.iter().map(|(reason, n)| (*reason, *n)).collect();
    assert_eq!(exits, [("HLT", 1)]);
    assert_eq!(machine.counters.hypercalls.values().sum::<u64>(), 0);
}
