//! The micro-benchmarks of Barham and others, "Xen and the Art of Virtualization", SOSP 2003, tables 3 to 5, on the model's
//! machines: what operations of a kernel cost natively, under Xen (32 bit), under a VMM with binary translation, and in user-mode
//! Linux.
//!
//! The model has no cycles for the work of a kernel itself, only for what that asks of its machine. So the native figures are
//! inputs, and a figure of another machine is the native one and what this machine counted beyond the native one, for the same
//! operations. [`Cell::input`] says which other figures were put in: those from whose differences constants of the preset follow.

use std::fmt;

use kernel_model::mm::MmId;
use kernel_model::pv_ops::{ALL_PAGES, Frames, PageRange, PvOp, PvOps};

use super::Platform;
use super::bt::Bt;
use super::computer::Computer;
use super::cost::Costs;
use super::counters::Counters;
use super::hardware::Hardware;
use super::kernel_tables::KernelPages;
use super::measured::NoMemory;
use super::native::Native;
use super::uml::Uml;
use super::xen::{KernelRing, XenPv};
use crate::emulation::uml::UmlMode;

/// Frames of the machine: 256 MiB.
const FRAMES: u64 = 1 << 16;
/// Cycles of a hundredth of a microsecond at 2.4 GHz.
const CYCLES: u64 = 24;
/// Rounds before the ones that are counted, and those.
const WARM_UP: u64 = 4;
const ROUNDS: u64 = 8;
/// Pages of the benchmark's program: of its file, its data and its stack. A small static program, about as large as lmbench's.
const TEXT: PageRange = PageRange { mm: PARENT, first: 0x400, pages: 40 };
const DATA: PageRange = PageRange { mm: PARENT, first: 0x500, pages: 24 };
/// Of the data, what parent and child write to between two fork(2).
const WRITTEN: PageRange = PageRange { pages: 10, ..DATA };
/// Pages that a new program touches, one fault each: Linux 2.4 maps no neighbours.
const TOUCHED: u64 = 80;

const PARENT: MmId = MmId(1);
const OTHER: MmId = MmId(2);

/// The columns, and what they are called in the paper.
pub const COLUMNS: [(Platform, &str); 4] =
    [(Platform::Native, "L-UP"), (Platform::XenPv32, "Xen"), (Platform::Bt, "VMW"), (Platform::UmlTt, "UML")];

/// A benchmark.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Benchmark {
    /// A system call that does nothing.
    NullCall,
    /// From one process to another.
    ContextSwitch,
    /// A page fault that becomes a signal.
    ProtectionFault,
    /// A page fault that becomes a page of a file.
    PageFault,
    /// A process is made, and ends.
    Fork,
    /// A process is made, runs another program, and ends.
    Exec,
}

/// A time, in hundredths of a microsecond.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Hundredths(pub u64);

impl fmt::Display for Hundredths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            n if n >= 10_000 => write!(f, "{}", n / 100),
            n if n >= 1000 => write!(f, "{}.{}", n / 100, n / 10 % 10),
            n => write!(f, "{}.{:02}", n / 100, n % 100),
        }
    }
}

/// The published figures in hundredths of a microsecond, in the order of [`COLUMNS`].
const PUBLISHED: [(Benchmark, &str, &str, [u64; 4]); 6] = [
    (Benchmark::NullCall, "null call", "table 3", [45, 46, 73, 2470]),
    (Benchmark::ContextSwitch, "context switch, 2p/0K", "table 4", [77, 197, 1810, 1550]),
    (Benchmark::ProtectionFault, "prot fault", "table 5", [106, 140, 753, 2180]),
    (Benchmark::PageFault, "page fault", "table 5", [142, 273, 1240, 2630]),
    (Benchmark::Fork, "fork", "table 3", [11_000, 19_800, 87_400, 2_100_000]),
    (Benchmark::Exec, "exec", "table 3", [53_000, 76_800, 230_000, 3_300_000]),
];

/// How far a ratio to the native figure may be from the published one without an explanation, in percent.
pub const TOLERANCE_PERCENT: u64 = 30;

/// What a benchmark takes on a machine.
#[derive(Clone, PartialEq, Debug)]
pub struct Cell {
    /// The machine.
    pub platform: Platform,
    /// The model's figure.
    pub time: Hundredths,
    /// The published one.
    pub published: Hundredths,
    /// What was counted in one round beyond the native machine, in cycles by cause.
    pub counted: Counters,
    /// The figure is put in, or a constant of the preset follows from it.
    pub input: bool,
    /// Why the two differ by more than [`TOLERANCE_PERCENT`].
    pub explanation: Option<&'static str>,
}

impl Cell {
    /// By how much the model's figure differs from the published one, in percent of that.
    pub fn deviation_percent(&self) -> i64 {
        let (ours, theirs) = (self.time.0 as i64, self.published.0.max(1) as i64);
        (100 * (ours - theirs)) / theirs
    }

    /// Whether it is near.
    pub fn is_near(&self) -> bool {
        self.deviation_percent().unsigned_abs() <= TOLERANCE_PERCENT
    }
}

/// A row of the table.
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    /// Which benchmark.
    pub benchmark: Benchmark,
    /// Its name in the paper.
    pub name: &'static str,
    /// Where in the paper.
    pub table: &'static str,
    /// In the order of [`COLUMNS`].
    pub cells: Vec<Cell>,
}

/// Runs all of them.
///
/// # Errors
/// A hypervisor finds no memory for its tables.
pub fn measure(costs: &Costs) -> Result<Vec<Row>, NoMemory> {
    PUBLISHED
        .into_iter()
        .map(|(benchmark, name, table, published)| {
            let counted = [
                run(Computer::new(Native::new(FRAMES, costs.clone()), FRAMES, false), benchmark),
                run(
                    Computer::with_pages(
                        XenPv::new(FRAMES, KernelRing::One, costs.clone()).ok_or(NoMemory)?,
                        FRAMES,
                        false,
                        KernelPages::Small,
                    ),
                    benchmark,
                ),
                run(Computer::new(Bt::new(FRAMES, costs.clone()).ok_or(NoMemory)?, FRAMES, false), benchmark),
                run(Computer::new(Uml::new(FRAMES, UmlMode::TracingThread, costs.clone()), FRAMES, false), benchmark),
            ];
            let native = counted[0].total_cycles();
            let cells = COLUMNS.into_iter().zip(counted).zip(published).map(|(((platform, _), counted), theirs)| {
                let beyond = counted.total_cycles().saturating_sub(native);
                Cell {
                    platform,
                    time: Hundredths(published[0] + beyond / CYCLES),
                    published: Hundredths(theirs),
                    counted,
                    input: is_input(benchmark, platform),
                    explanation: explanation(benchmark, platform),
                }
            });
            Ok(Row { benchmark, name, table, cells: cells.collect() })
        })
        .collect()
}

fn is_input(benchmark: Benchmark, platform: Platform) -> bool {
    use Benchmark::*;
    match platform {
        Platform::Native => true,
        Platform::XenPv32 => matches!(benchmark, ProtectionFault | PageFault),
        Platform::Bt => matches!(benchmark, NullCall | ProtectionFault),
        _ => benchmark == NullCall,
    }
}

fn explanation(benchmark: Benchmark, platform: Platform) -> Option<&'static str> {
    use Benchmark::*;
    Some(match (benchmark, platform) {
        (ContextSwitch, Platform::Bt) => {
            "The model's VMM keeps the shadow of an address space that comes back: a switch is one call of the VMM. What VMware \
             Workstation 3.2 did to its shadows then is not in the paper; nothing was put in for it."
        }
        (Fork, Platform::Bt) => {
            "Hidden faults and stores to traced tables are counted; what it costs the VMM to set up and to drop the shadow of an \
             address space is not known and not counted."
        }
        (ContextSwitch, Platform::UmlTt) => {
            "Counted is one switch of the host with two of its system calls. What the guest's scheduler does by signals and \
             timers of the host around it is not modelled."
        }
        (Fork | Exec, Platform::UmlTt) => {
            "Counted is what the host does at the guest's system calls, faults and switches. That it makes a process of its own \
             for each of the guest's, and that each page of it is unmapped and mapped anew by a system call of the host, is \
             not modelled, and is nearly all of it."
        }
        _ => return None,
    })
}

/// One round, averaged over those that are counted.
fn run<H: Hardware + Clone + 'static>(mut machine: Computer<H>, benchmark: Benchmark) -> Counters {
    machine.execute(0, PvOp::WriteCr3 { mm: PARENT });
    machine.execute(0, PvOp::SetPte { at: TEXT, write: false, frames: Frames::PageCache(0) });
    machine.execute(0, PvOp::SetPte { at: DATA, write: true, frames: Frames::New });
    if benchmark == Benchmark::ContextSwitch {
        fork(&mut machine);
    }
    let mut nth = 0;
    let mut rounds = |machine: &mut Computer<H>, count: u64| {
        for _ in 0..count {
            nth += 1;
            round(machine, benchmark, nth);
        }
    };
    rounds(&mut machine, WARM_UP);
    let before = machine.counters.clone();
    rounds(&mut machine, ROUNDS);
    machine.counters.since(&before).shared_by(ROUNDS)
}

fn in_space(mm: MmId, at: PageRange) -> PageRange {
    PageRange { mm, ..at }
}

/// One page of a file is touched for the first time.
fn fault<H: Hardware + Clone + 'static>(machine: &mut Computer<H>, mm: MmId, page: u64, write: bool) {
    let at = PageRange { mm, first: page, pages: 1 };
    let frames = if write { Frames::New } else { Frames::PageCache(page) };
    machine.execute(0, PvOp::PageFault { at, write, present: false });
    machine.execute(0, PvOp::SetPte { at, write, frames });
}

/// fork(2): the child has the parent's pages, nobody may write to them.
fn fork<H: Hardware + Clone + 'static>(machine: &mut Computer<H>) {
    machine.execute(0, PvOp::SyscallEntry);
    machine.execute(0, PvOp::PgdAlloc { mm: OTHER });
    machine.execute(0, PvOp::ProtectPte { at: WRITTEN });
    for at in [TEXT, DATA] {
        machine.execute(0, PvOp::SetPte { at: in_space(OTHER, at), write: false, frames: Frames::Of(PARENT) });
    }
    machine.execute(0, PvOp::FlushTlb { at: PageRange { mm: PARENT, first: 0, pages: ALL_PAGES } });
    machine.execute(0, PvOp::ReturnToUser);
}

/// A process writes to pages that it shares since fork(2).
fn copy_on_write<H: Hardware + Clone + 'static>(machine: &mut Computer<H>, mm: MmId) {
    for page in WRITTEN.first..WRITTEN.first + WRITTEN.pages {
        let at = PageRange { mm, first: page, pages: 1 };
        machine.execute(0, PvOp::PageFault { at, write: true, present: true });
        machine.execute(0, PvOp::SetPte { at, write: true, frames: Frames::New });
    }
}

/// The child ends, and the parent, which has waited, goes on.
fn end<H: Hardware + Clone + 'static>(machine: &mut Computer<H>, mm: MmId) {
    machine.execute(0, PvOp::SyscallEntry);
    machine.execute(0, PvOp::WriteCr3 { mm: PARENT });
    machine.execute(0, PvOp::ExitMmap { mm });
    machine.execute(0, PvOp::ReturnToUser);
    copy_on_write(machine, PARENT);
}

fn round<H: Hardware + Clone + 'static>(machine: &mut Computer<H>, benchmark: Benchmark, nth: u64) {
    match benchmark {
        Benchmark::NullCall => {
            machine.execute(0, PvOp::SyscallEntry);
            machine.execute(0, PvOp::ReturnToUser);
        }
        Benchmark::ContextSwitch => {
            machine.execute(0, PvOp::WriteCr3 { mm: if nth.is_multiple_of(2) { PARENT } else { OTHER } });
        }
        Benchmark::ProtectionFault => {
            let at = PageRange { mm: PARENT, first: TEXT.first, pages: 1 };
            machine.execute(0, PvOp::PageFault { at, write: true, present: true });
        }
        Benchmark::PageFault => {
            fault(machine, PARENT, 0x800 + nth, false);
        }
        Benchmark::Fork | Benchmark::Exec => {
            fork(machine);
            machine.execute(0, PvOp::WriteCr3 { mm: OTHER });
            copy_on_write(machine, OTHER);
            if benchmark == Benchmark::Exec {
                exec(machine);
            } else {
                end(machine, OTHER);
            }
        }
    }
}

/// execve(2) in the child: another address space, and the pages that the new program touches.
fn exec<H: Hardware + Clone + 'static>(machine: &mut Computer<H>) {
    const NEW: MmId = MmId(3);
    machine.execute(0, PvOp::SyscallEntry);
    machine.execute(0, PvOp::PgdAlloc { mm: NEW });
    machine.execute(0, PvOp::WriteCr3 { mm: NEW });
    machine.execute(0, PvOp::ExitMmap { mm: OTHER });
    machine.execute(0, PvOp::ReturnToUser);
    for page in 0..TOUCHED {
        fault(machine, NEW, 0x400 + page, page >= TOUCHED / 2);
    }
    end(machine, NEW);
}
