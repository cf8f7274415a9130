//! Sequences whose exits were recorded from a real KVM (Linux 6.1), at the level of the MMU: what the guest does to
//! its memory, and how many exits of which kind that makes. The guest's tables are those of the recorder: identity for
//! 4 MiB, a demand area with a table of its own, a device, read-only memory.

mod properties;

use super::event::MmuEvent;
use super::*;
use crate::cpu::{AccessKind, Cr0, Cr4, Efer};
use crate::memory::{Gpa, GuestId, PhysicalMemory};
use crate::paging::fault::{Attempt, PageFault};
use crate::paging::{PagingState, Silent};

const R: AccessKind = AccessKind::Read;
const W: AccessKind = AccessKind::Write;
const PAGE: u64 = 0x1000;
/// Where the demand area begins; its table is at 0x7000.
const DEMAND: u64 = 0x4040_0000;
/// Where the guest's code is.
const CODE: u64 = 0x1_0000;

const EPT: Paging = Paging::Ept { accessed_and_dirty: true, pml: false };

/// A guest, and what it has cost.
struct Guest {
    memory: PhysicalMemory,
    vm: KvmMmu,
    vcpu: VcpuMmu,
    exits: u32,
    mmio: u32,
    injected: u32,
    /// What the guest's own fault handler puts into the demand area's table, and how far that moves on.
    handler: (u64, u64),
}

impl Guest {
    fn bare(paging: Paging) -> Guest {
        let mut memory = PhysicalMemory::new(8192);
        let id = GuestId(1);
        let mut vm = KvmMmu::new(Config::new(id, paging));
        let first = memory.allocate_block(4096, Owner::Guest(id)).expect("there is room").0;
        let frames = |from: u64, count: u64| (first + from..first + from + count).map(Hfn).collect();
        let slots = [
            MemorySlot::new(SlotId(0), Gfn(0), frames(0, 2048)),
            MemorySlot { is_readonly: true, ..MemorySlot::new(SlotId(1), Gfn(0x800), frames(2048, 512)) },
            MemorySlot::new(SlotId(2), Gfn(0xa00), frames(2560, 512)),
        ];
        for slot in slots {
            vm.set_slot(&mut memory, slot).expect("slots do not overlap");
        }
        let mut guest =
            Guest { memory, vm, vcpu: VcpuMmu::new(), exits: 0, mmio: 0, injected: 0, handler: (0x10_0000, 0) };
        guest.write_tables();
        guest
    }

    /// In long mode, with all that the recorder touches before it counts.
    fn long(paging: Paging) -> Guest {
        let mut guest = Guest::bare(paging);
        let state = PagingState {
            cr0: Cr0::PE | Cr0::PG | Cr0::WP,
            cr3: 0x1000,
            cr4: Cr4::PAE,
            efer: Efer::LME | Efer::LMA | Efer::NXE,
            ..PagingState::default()
        };
        guest.mmu().set_registers(state);
        for at in [0x8000, 0x9000, 0xd000, 0xe000, 0xf000] {
            guest.touch(at, W);
        }
        guest.touch(CODE, AccessKind::Fetch);
        guest.reset();
        guest
    }

    /// In protected mode without paging.
    fn protected(paging: Paging) -> Guest {
        let mut guest = Guest::bare(paging);
        guest.mmu().set_registers(PagingState { cr0: Cr0::PE, cr4: Cr4::PSE, ..PagingState::default() });
        guest.touch(0xf000, W);
        guest.touch(CODE, AccessKind::Fetch);
        guest.reset();
        guest
    }

    fn write_tables(&mut self) {
        self.poke(0x1000, 0x2007);
        self.poke(0xa000, 0x2007);
        self.poke(0x2000, 0x3007);
        self.poke(0x2008, 0x6007);
        self.poke(0x3000, 0x4007);
        self.poke(0x3008, 0x5007);
        for i in 2..32 {
            self.poke(0x3000 + 8 * i, i << 21 | 0x87);
        }
        for i in 0..512 {
            self.poke(0x4000 + 8 * i, i << 12 | 7);
            self.poke(0x5000 + 8 * i, 0x20_0000 | i << 12 | 7);
        }
        self.poke(0x6000, 0xd000_0097);
        self.poke(0x6010, 0x7007);
        self.poke(0xc000, 0x83 | 0x40_0083 << 32);
    }

    fn poke(&mut self, at: u64, value: u64) {
        let hpa = self.vm.hpa(Gpa(at)).expect("tables are in memory");
        self.memory.write_u64(hpa, value);
    }

    fn mmu(&mut self) -> Mmu<'_> {
        Mmu { memory: &mut self.memory, vm: &mut self.vm, vcpu: &mut self.vcpu }
    }

    fn reset(&mut self) {
        (self.exits, self.mmio, self.injected) = (0, 0, 0);
        self.vm.take_events();
    }

    /// One access of the guest, run until it has happened.
    fn touch(&mut self, linear: u64, kind: AccessKind) {
        self.store(linear, kind, 0);
    }

    fn store(&mut self, linear: u64, kind: AccessKind, value: u64) {
        let attempt = Attempt::supervisor(kind);
        for _ in 0..40 {
            self.mmu().enter().expect("the root is in memory");
            match self.mmu().access(linear, attempt, &mut Silent) {
                Ok(leaf) => {
                    if kind == W {
                        self.memory.write_u64(leaf.at(linear), value);
                    }
                    self.vm.check(&self.memory).expect("tables are right after every access");
                    return;
                }
                Err(MemoryStop::GuestFault(fault)) => self.guest_handler(fault),
                Err(MemoryStop::Exit(exit)) => {
                    self.exits += 1;
                    match self.mmu().handle(exit) {
                        Resolution::Resume => {}
                        Resolution::Inject(fault) => self.guest_handler(fault),
                        Resolution::Emulate { .. } => {
                            let done = match kind {
                                W => self.mmu().emulated_write(linear, 8, value, attempt),
                                _ => self.mmu().emulated_read(linear, 8, attempt),
                            };
                            self.mmio += u32::from(matches!(done, Ok(Emulated::Mmio(_))));
                            return;
                        }
                    }
                }
            }
        }
        panic!("{linear:#x} is never reached");
    }

    /// The guest's own handler: maps the page and returns.
    fn guest_handler(&mut self, fault: PageFault) {
        self.injected += 1;
        let (frame, step) = self.handler;
        self.handler.0 += step;
        let entry = 0x7000 + 8 * (fault.linear >> 12 & 511);
        self.store(entry, W, frame | 7);
    }

    fn pages(&mut self, from: u64, kind: AccessKind) {
        for i in 0..16 {
            self.touch(from + i * PAGE, kind);
        }
    }

    fn count(&mut self, matches: impl Fn(&MmuEvent) -> bool) -> usize {
        self.vm.take_events().iter().filter(|event| matches(event)).count()
    }
}

const ALL: [Paging; 3] = [Paging::Npt, EPT, Paging::Shadow];

/// Exits of a sequence under NPT, EPT and shadow paging.
fn exits(sequence: impl Fn(&mut Guest)) -> [u32; 3] {
    ALL.map(|paging| {
        let mut guest = Guest::long(paging);
        sequence(&mut guest);
        guest.exits
    })
}

#[test]
fn cold_pages_cost_one_exit_each_and_nested_paging_one_more_for_the_table() {
    assert_eq!(exits(|guest| guest.pages(0x20_0000, R)), [17, 17, 16]);
    assert_eq!(exits(|guest| guest.pages(0x20_0000, W)), [17, 17, 16]);
}

#[test]
fn a_first_write_after_a_read_exits_only_under_shadow_paging() {
    let sequence = |guest: &mut Guest| {
        guest.pages(0x20_0000, R);
        guest.reset();
        guest.pages(0x20_0000, W);
    };
    assert_eq!(exits(sequence), [0, 0, 16]);
}

#[test]
fn a_guests_page_fault_costs_two_exits_under_shadow_paging() {
    let sequence = |guest: &mut Guest| {
        guest.touch(0x10_0000, W);
        guest.reset();
        guest.pages(DEMAND, W);
    };
    assert_eq!(exits(sequence), [2, 2, 34]);
    let mut guest = Guest::long(Paging::Shadow);
    sequence(&mut guest);
    assert_eq!(guest.injected, 16);
    let events = guest.vm.take_events();
    assert_eq!(events.iter().filter(|e| matches!(e, MmuEvent::GetPage { .. })).count(), 2);
    assert_eq!(events.iter().filter(|e| matches!(e, MmuEvent::Unsync { .. })).count(), 1);
}

#[test]
fn of_many_writes_to_a_last_level_table_only_the_first_exits() {
    let sequence = |guest: &mut Guest| {
        guest.touch(0x10_0000, W);
        guest.touch(DEMAND, W);
        guest.reset();
        (1..17).for_each(|i| guest.store(0x7000 + 8 * i, W, 0x10_0007));
    };
    assert_eq!(exits(sequence), [0, 0, 1]);
}

#[test]
fn an_upper_table_is_emulated_three_times_and_then_no_table_any_more() {
    let sequence = |guest: &mut Guest| {
        guest.touch(0x6000, R);
        guest.touch(0x4000_0000, R);
        guest.reset();
        (0..16).for_each(|i| guest.store(0x6088 + 8 * i, W, 0));
    };
    // The recording has one more: its code runs on into a page that was not touched before.
    assert_eq!(exits(sequence), [0, 0, 4]);
}

#[test]
fn a_remapped_page_costs_a_fault_each_time_and_one_for_the_table() {
    let sequence = |guest: &mut Guest| {
        guest.touch(0x10_0000, W);
        guest.touch(0x10_1000, W);
        guest.touch(DEMAND, W);
        guest.reset();
        for i in 0..16u64 {
            guest.store(0x7000, W, 0x10_0007 ^ ((i + 1) % 2) << 12);
            if guest.vm.config.paging == Paging::Shadow {
                guest.mmu().invlpg(DEMAND);
            }
            guest.touch(DEMAND, W);
        }
    };
    assert_eq!(exits(sequence), [0, 0, 17]);
}

#[test]
fn copy_on_write_costs_two_exits_a_page_under_shadow_paging() {
    let sequence = |guest: &mut Guest| {
        guest.touch(0x10_0000, W);
        (0..16).for_each(|i| guest.store(0x7000 + 8 * i, W, 0x10_0005));
        guest.pages(DEMAND, R);
        guest.reset();
        guest.pages(DEMAND, W);
    };
    assert_eq!(exits(sequence), [0, 0, 33]);
}

#[test]
fn device_and_read_only_memory_exit_each_time() {
    for (at, kind, mmio) in [(0x4000_0000, R, 16), (0x4000_0000, W, 16), (0x80_0000, W, 16), (0x80_0000, R, 0)] {
        for paging in ALL {
            let mut guest = Guest::long(paging);
            guest.touch(at, R);
            guest.reset();
            (0..16).for_each(|_| guest.touch(at, kind));
            assert_eq!((guest.exits, guest.mmio), (mmio, mmio), "{paging:?} {at:#x} {kind:?}");
        }
    }
}

#[test]
fn the_dirty_log_makes_the_first_write_to_each_page_exit() {
    let sequence = |guest: &mut Guest| {
        guest.pages(0xa0_0000, W);
        guest.vm.enable_dirty_log(&mut guest.memory, SlotId(2));
        guest.reset();
        guest.pages(0xa0_0000, W);
        assert_eq!(guest.vm.read_dirty_log(&mut guest.memory, SlotId(2)).len(), 16);
    };
    assert_eq!(exits(sequence), [16, 16, 16]);
    let again = |guest: &mut Guest| {
        guest.pages(0xa0_0000, W);
        guest.vm.enable_dirty_log(&mut guest.memory, SlotId(2));
        guest.pages(0xa0_0000, W);
        guest.reset();
        guest.pages(0xa0_0000, W);
    };
    assert_eq!(exits(again), [0, 0, 0]);
}

#[test]
fn without_guest_paging_neighbours_are_filled_ahead() {
    let counts = ALL.map(|paging| {
        let mut guest = Guest::protected(paging);
        guest.pages(0x20_0000, W);
        guest.exits
    });
    assert_eq!(counts, [16, 16, 2]);
}

#[test]
fn a_large_page_of_the_host_is_mapped_as_one() {
    let mut guest = Guest::bare(Paging::Npt);
    guest.vm.slots.get_mut(SlotId(0)).expect("slot 0").host_level = 2;
    let state = PagingState {
        cr0: Cr0::PE | Cr0::PG | Cr0::WP,
        cr3: 0x1000,
        cr4: Cr4::PAE,
        efer: Efer::LME | Efer::LMA | Efer::NXE,
        ..PagingState::default()
    };
    guest.mmu().set_registers(state);
    guest.touch(CODE, AccessKind::Fetch);
    guest.reset();
    guest.pages(0x20_0000, W);
    assert_eq!(guest.exits, 1);
}

#[test]
fn toggling_wp_makes_a_root_each_time_and_new_tables_once() {
    let mut guest = Guest::long(Paging::Shadow);
    for i in 0..16 {
        let wp = if i % 2 == 0 { Cr0::empty() } else { Cr0::WP };
        guest.mmu().set_cr0(Cr0::PE | Cr0::PG | wp);
        guest.touch(CODE, AccessKind::Fetch);
    }
    assert_eq!(guest.exits, 1);
    assert_eq!(guest.count(|event| matches!(event, MmuEvent::GetPage { .. })), 19);
}

#[test]
fn toggling_paging_of_a_32_bit_guest() {
    let mut guest = Guest::protected(Paging::Shadow);
    guest.mmu().set_cr3(0xc000);
    guest.touch(0x10_0000, W);
    guest.reset();
    for _ in 0..8 {
        for pg in [Cr0::PG, Cr0::empty()] {
            guest.mmu().set_cr0(Cr0::PE | pg);
            guest.touch(CODE, AccessKind::Fetch);
            guest.touch(0x10_0000, W);
            guest.touch(CODE, AccessKind::Fetch);
        }
    }
    assert_eq!(guest.exits, 3);
    assert_eq!(guest.count(|event| matches!(event, MmuEvent::GetPage { .. })), 66);
}

#[test]
fn roots_of_two_address_spaces_are_kept() {
    let mut guest = Guest::long(Paging::Shadow);
    for _ in 0..2 {
        for cr3 in [0xa000, 0x1000] {
            guest.mmu().set_cr3(cr3);
            guest.touch(CODE, AccessKind::Fetch);
            guest.touch(0x10_0000, W);
        }
    }
    guest.reset();
    for cr3 in [0xa000, 0x1000] {
        guest.mmu().set_cr3(cr3);
        guest.touch(0x10_0000, W);
    }
    assert_eq!(guest.exits, 0);
    assert_eq!(guest.count(|event| matches!(event, MmuEvent::RootLoaded { cached: true, .. })), 2);
}
