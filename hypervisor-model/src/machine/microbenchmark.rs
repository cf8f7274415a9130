//! The micro-benchmarks of Adams and Agesen, "A Comparison of Software and Hardware Techniques for x86 Virtualization",
//! ASPLOS 2006, 6.3, run on the model's machines: what each operation of a kernel costs natively, under binary translation
//! and under VT-x without EPT.
//!
//! A benchmark is a loop; what it costs is what its machine has counted in some of its rounds, after a few that are not
//! counted, as in the paper. Published figures are beside it, with what is known of each of them ([`Basis`]): *published*
//! figures were read where the paper's text is reproduced, *derived* ones follow from its words ("fifteen times faster"),
//! *assumed* ones are recalled. [`Cell::input`] says which of the model's figures were put in.

use super::Platform;
use super::bt::Bt;
use super::computer::PROCESSORS;
use super::cost::{Basis, Costs};
use super::counters::Counters;
use super::hardware::{Hardware, MemoryAccess};
use super::kernel_tables::{DIRECT_MAP, EntryWrite, KERNEL_TEXT, KernelPages, KernelTables};
use super::measured::NoMemory;
use super::native::Native;
use super::vmware_vt::VmwareVt;
use crate::cpu::AccessKind;
use crate::paging::format::{A, D, P, RW};
use kernel_model::mm::MmId;
use kernel_model::pv_ops::{Frames, PageRange};

/// Frames of the machine that the benchmarks run on.
const FRAMES: u64 = 1 << 16;
/// Rounds before the ones that are counted: caches fill, and a translator adapts.
const WARM_UP: u64 = 8;
/// Rounds that are counted.
const ROUNDS: u64 = 16;
/// A page that the benchmark's program has.
const MAPPED: u64 = 0x10;
/// A page that it does not have.
const MISSING: u64 = 0x20;

/// Single instructions, beside what a kernel asks of its machine.
pub trait Instructions: Hardware {
    /// IN from port 0x80 of the chipset.
    fn port_read(&mut self, cpu: usize, counters: &mut Counters);

    /// MOV to CR8 that lets no pending interrupt through.
    fn write_cr8(&mut self, cpu: usize, counters: &mut Counters);

    /// CALL of an empty routine, and its RET.
    fn call_and_return(&mut self, cpu: usize, counters: &mut Counters);

    /// A division by zero in the kernel, its handler and IRET.
    fn divide_error(&mut self, cpu: usize, counters: &mut Counters);
}

/// A benchmark.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Benchmark {
    /// SYSCALL and SYSRET.
    Syscall,
    /// A read of port 0x80.
    In,
    /// A write of CR8.
    Cr8Write,
    /// A call and its return.
    CallReturn,
    /// A page fault of the guest's own.
    PageFault,
    /// A division by zero.
    DivideByZero,
    /// A change of an entry of a page table.
    PteModify,
}

/// The columns: platforms that have the instructions.
pub const COLUMNS: [Platform; 3] = [Platform::Native, Platform::Bt, Platform::VmwareVt];

/// A published figure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Published {
    /// Cycles.
    pub cycles: u64,
    /// How it is known.
    pub basis: Basis,
}

/// A benchmark with its name in the paper and the published figures, in the order of [`COLUMNS`].
type Row = (Benchmark, &'static str, &'static str, [Published; 3]);

const fn read(cycles: u64) -> Published {
    Published { cycles, basis: Basis::Published }
}

const fn said(cycles: u64) -> Published {
    Published { cycles, basis: Basis::Derived }
}

const fn recalled(cycles: u64) -> Published {
    Published { cycles, basis: Basis::Assumed }
}

/// All benchmarks.
pub const BENCHMARKS: [Row; 7] = [
    (Benchmark::Syscall, "syscall", "system call", [recalled(242), recalled(2308), recalled(242)]),
    (Benchmark::In, "in", "read of a port", [read(3209), said(214), read(15826)]),
    (Benchmark::Cr8Write, "cr8wr", "write of CR8", [said(140), read(35), said(140)]),
    (Benchmark::CallReturn, "call/ret", "call and return", [read(11), read(51), read(11)]),
    (Benchmark::PageFault, "pgfault", "page fault", [read(1093), read(3927), read(11242)]),
    (Benchmark::DivideByZero, "divzero", "division by zero", [read(889), read(3223), read(1014)]),
    (Benchmark::PteModify, "ptemod", "page-table modification", [read(1), read(391), read(12733)]),
];

/// What a benchmark costs on a platform.
#[derive(Clone, PartialEq, Debug)]
pub struct Cell {
    /// On which.
    pub platform: Platform,
    /// What was counted in one round.
    pub counted: Counters,
    /// The published figure.
    pub published: Published,
    /// The model's figure is a constant that was taken from this very cell, or that equals it by construction.
    pub input: bool,
    /// Why the two differ by more than [`TOLERANCE_PERCENT`], in terms of mechanisms.
    pub explanation: Option<&'static str>,
}

/// How far a figure may be from the published one without an explanation.
pub const TOLERANCE_PERCENT: u64 = 20;

impl Cell {
    /// Modelled cycles of one round.
    #[must_use]
    pub fn cycles(&self) -> u64 {
        self.counted.total_cycles()
    }

    /// By how much the model's figure differs from the published one, in percent of that.
    #[must_use]
    pub fn deviation_percent(&self) -> i64 {
        let (ours, theirs) = (self.cycles() as i64, self.published.cycles.max(1) as i64);
        let difference = ours - theirs;
        (100 * difference + difference.signum() * theirs / 2) / theirs
    }

    /// Whether it is near enough.
    #[must_use]
    pub fn is_near(&self) -> bool {
        self.deviation_percent().unsigned_abs() <= TOLERANCE_PERCENT
    }
}

/// A benchmark on all platforms.
#[derive(Clone, PartialEq, Debug)]
pub struct Measured {
    /// Which.
    pub benchmark: Benchmark,
    /// Its name in the paper.
    pub name: &'static str,
    /// What it does, in words.
    pub what: &'static str,
    /// In the order of [`COLUMNS`].
    pub cells: Vec<Cell>,
}

/// Runs all benchmarks on all platforms.
///
/// # Errors
/// A VMM finds no memory for its tables.
pub fn measure(costs: &Costs) -> Result<Vec<Measured>, NoMemory> {
    BENCHMARKS
        .into_iter()
        .map(|(benchmark, name, what, published)| {
            let counted = [
                run(Native::new(FRAMES, costs.clone()), benchmark),
                run(Bt::new(FRAMES, costs.clone()).ok_or(NoMemory)?, benchmark),
                run(VmwareVt::new(FRAMES, costs.clone()).ok_or(NoMemory)?, benchmark),
            ];
            let cells = COLUMNS.into_iter().zip(counted).zip(published).map(|((platform, counted), published)| Cell {
                platform,
                counted,
                published,
                input: is_input(benchmark, platform),
                explanation: explanation(benchmark, platform),
            });
            Ok(Measured { benchmark, name, what, cells: cells.collect() })
        })
        .collect()
}

/// Which cells are inputs: the whole native column, and of the software VMM what one constant of its stands for. Under
/// VT-x a figure that equals the native one is derived: it says that nothing exits.
fn is_input(benchmark: Benchmark, platform: Platform) -> bool {
    use Benchmark::*;
    match platform {
        Platform::Native => true,
        // Of a system call only the difference was put in, and of a page fault only what the software MMU adds to it.
        Platform::Bt => matches!(benchmark, In | Cr8Write | PteModify | CallReturn | PageFault),
        _ => false,
    }
}

fn explanation(benchmark: Benchmark, platform: Platform) -> Option<&'static str> {
    match (benchmark, platform) {
        (Benchmark::In, Platform::VmwareVt) => Some(
            "The model has the exit and the entry, the accesses to the VMCS, the misses on both sides after the two \
             flushes, the decoding of the instruction, and the chipset model at the price that the software VMM pays for \
             it. What VMware's hardware VMM does beyond that between an exit for a port and its chipset model is not in \
             the paper; nothing was put in for it. The native read leaves the processor for the chipset (3209 cycles): a \
             VMM that passes it on would come near to the published figure.",
        ),
        _ => None,
    }
}

/// One round of a benchmark, averaged over those that are counted.
fn run<H: Instructions>(hardware: H, benchmark: Benchmark) -> Counters {
    let mut rig = Rig::new(hardware);
    for _ in 0..WARM_UP {
        rig.round(benchmark);
    }
    rig.counters = Counters::default();
    for _ in 0..ROUNDS {
        rig.round(benchmark);
    }
    rig.counters.shared_by(ROUNDS)
}

/// A machine with a small kernel that runs one benchmark.
struct Rig<H> {
    hardware: H,
    counters: Counters,
    /// The entry of [`MAPPED`]'s neighbour, which is what is changed.
    entry: EntryWrite,
}

impl<H: Instructions> Rig<H> {
    fn new(mut hardware: H) -> Self {
        let mut counters = Counters::default();
        let (mut tables, mut writes) = KernelTables::new(FRAMES, KernelPages::Large);
        let mm = MmId(1);
        let root = tables.root(mm, &mut writes);
        tables.set(PageRange { mm, first: MAPPED, pages: 2 }, true, Frames::New, &mut writes);
        let entry = writes[writes.len() - 1];
        for write in writes {
            hardware.write_entry(0, write, &mut counters);
        }
        for cpu in 0..PROCESSORS {
            hardware.write_cr3(cpu, root.0, &mut counters);
        }
        Rig { hardware, counters, entry }
    }

    fn round(&mut self, benchmark: Benchmark) {
        let (hardware, counters) = (&mut self.hardware, &mut self.counters);
        match benchmark {
            Benchmark::Syscall => {
                hardware.syscall_entry(0, counters);
                hardware.return_to_user(0, counters);
            }
            Benchmark::In => hardware.port_read(0, counters),
            Benchmark::Cr8Write => hardware.write_cr8(0, counters),
            Benchmark::CallReturn => hardware.call_and_return(0, counters),
            Benchmark::PageFault => {
                let access = MemoryAccess { linear: MISSING << 12, kind: AccessKind::Read, is_user: false };
                hardware.access(0, access, counters);
                hardware.page_fault(0, counters);
            }
            Benchmark::DivideByZero => hardware.divide_error(0, counters),
            Benchmark::PteModify => {
                self.entry.value ^= RW;
                self.entry.value |= P | A | D;
                hardware.write_entry(0, self.entry, counters);
            }
        }
        self.loop_itself();
    }

    /// What the loop touches in each round: its code, its stack, and the benchmark's own page.
    fn loop_itself(&mut self) {
        let touched = [
            (KERNEL_TEXT, AccessKind::Fetch),
            (DIRECT_MAP + (64 << 20), AccessKind::Write),
            (MAPPED << 12, AccessKind::Read),
        ];
        for (linear, kind) in touched {
            self.hardware.access(0, MemoryAccess { linear, kind, is_user: false }, &mut self.counters);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured() -> Vec<Measured> {
        measure(&Costs::preset("p4-2006").expect("the preset can be read")).expect("there is memory")
    }

    #[test]
    fn every_figure_is_near_the_published_one_or_explained() {
        for row in measured() {
            for cell in &row.cells {
                let what = format!("{} on {}: {} for {:?}", row.name, cell.platform, cell.cycles(), cell.published);
                assert!(cell.is_near() || cell.explanation.is_some(), "{what}: {:?}", cell.counted.cycles);
                assert!(!(cell.is_near() && cell.explanation.is_some()), "{what} needs no explanation");
            }
        }
    }

    #[test]
    fn no_row_is_ordered_otherwise_than_the_published_one() {
        for row in measured() {
            for (at, a) in row.cells.iter().enumerate() {
                for b in &row.cells[at + 1..] {
                    let (ours, theirs) = (a.cycles().cmp(&b.cycles()), a.published.cycles.cmp(&b.published.cycles));
                    assert!(
                        ours != theirs.reverse() || ours.is_eq(),
                        "{}: {} and {}",
                        row.name,
                        a.platform,
                        b.platform
                    );
                }
            }
        }
    }

    #[test]
    fn inputs_are_exact() {
        for row in measured() {
            for cell in row.cells.iter().filter(|cell| cell.input) {
                assert_eq!(cell.cycles(), cell.published.cycles, "{} on {}", row.name, cell.platform);
            }
        }
    }

    #[test]
    fn what_exits_under_vt_x_is_what_the_paper_says() {
        let exits: Vec<(&str, u64)> = measured().iter().map(|row| (row.name, row.cells[2].counted.exits())).collect();
        let expected =
            [("syscall", 0), ("in", 1), ("cr8wr", 0), ("call/ret", 0), ("pgfault", 1), ("divzero", 0), ("ptemod", 1)];
        assert_eq!(exits, expected);
    }
}
