//! What a machine tells of what it does, beside counting it.
//!
//! Nothing is made as long as nobody listens. Where a processor is when something happens is noted before
//! ([`Told::at`]), so that what counts need not know.

use std::sync::Arc;

use kernel_model::machine::report::{Deed, DeedKind, Lane, Report};

use crate::cpu::AccessKind;
use crate::kvm::mmu::{MmuEvent, Outcome};
use crate::paging::Flush;
use crate::paging::event::{Dimension, PagingEvent};
use crate::paging::tlb::Dropped;

/// What is to be told.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Told {
    /// Somebody listens.
    pub listens: bool,
    cpu: u32,
    lane: Option<Lane>,
    reports: Vec<Report>,
}

impl Told {
    /// Nobody listens.
    pub const fn new() -> Told {
        Told { listens: false, cpu: 0, lane: None, reports: Vec::new() }
    }

    /// From here on, processor `cpu` is at work in `lane`.
    pub fn at(&mut self, cpu: usize, lane: Lane) {
        (self.cpu, self.lane) = (cpu as u32, Some(lane));
    }

    /// Who is at work.
    pub fn lane(&self) -> Lane {
        self.lane.unwrap_or(Lane::GuestKernel)
    }

    /// Hands over what there is.
    pub fn take(&mut self) -> Vec<Report> {
        std::mem::take(&mut self.reports)
    }

    /// Tells something that is made only if somebody listens.
    pub fn tell(&mut self, make: impl FnOnce(u32, Lane) -> Deed) {
        if self.listens {
            let deed = make(self.cpu, self.lane());
            self.reports.push(Report::Did(Arc::new(deed)));
        }
    }

    /// Tells of something that stays in the lane where the processor is.
    pub fn here(&mut self, make: impl FnOnce() -> Deed) {
        self.tell(|cpu, lane| make().goes(cpu, lane, lane));
    }

    /// A VM exit.
    pub fn exit(&mut self, reason: &'static str, cycles: u64) {
        self.tell(|cpu, lane| {
            Deed::new(DeedKind::Exit, reason).goes(cpu, lane, Lane::Hypervisor).costs(cycles).says(
                "The guest loses the processor to its hypervisor: {name}.",
                "Intel SDM vol. 3, appendix C, Basic Exit Reasons",
            )
        });
    }

    /// The VM entry after an exit.
    pub fn entry(&mut self) {
        self.tell(|cpu, lane| {
            Deed::new(DeedKind::Entry, "VM entry")
                .goes(cpu, Lane::Hypervisor, lane)
                .says("The hypervisor lets the guest go on.", "Intel SDM vol. 3, ch. 26 VM Entries")
        });
    }

    /// A flush, and what fell to it.
    pub fn flush(&mut self, flush: Flush, name: &'static str, source: &'static str, dropped: &Dropped) {
        self.here(|| {
            let deed = Deed::new(DeedKind::Flush, name)
                .with("dropped", dropped.pages.len() as u64)
                .with("structures", dropped.structures as u64);
            let deed = Deed { parts: dropped.pages.iter().map(|page| ("dropped", [*page, 0, 0, 0])).collect(), ..deed };
            match flush {
                Flush::Invlpg(at) | Flush::InvvpidAddress(_, at) => deed.with("linear", at).says(
                    "{name} makes the processor forget what it knows of {linear:x}: {dropped} translations fall.",
                    source,
                ),
                Flush::Cr3Keep => {
                    deed.says("{name}: the processor keeps every translation that it has, each under its PCID.", source)
                }
                _ => deed.says(
                    "{name} makes the processor forget: {dropped} translations and {structures} entries of its \
                     paging-structure caches fall.",
                    source,
                ),
            }
        });
    }

    /// A walk, from what was traced of it.
    pub fn walk(&mut self, linear: u64, kind: AccessKind, events: &[PagingEvent], cycles: u64) {
        if !events.iter().any(|event| matches!(event, PagingEvent::Referenced(_))) {
            return;
        }
        self.here(|| walk(linear, kind, events).costs(cycles));
    }

    /// What KVM's memory management did.
    pub fn mmu(&mut self, event: MmuEvent, is_tdp: bool) {
        if self.listens
            && let Some(deed) = table(event, is_tdp)
        {
            self.tell(|cpu, _| deed.goes(cpu, Lane::Hypervisor, Lane::Hypervisor).nested());
        }
    }
}

fn walk(linear: u64, kind: AccessKind, events: &[PagingEvent]) -> Deed {
    let mut deed = Deed::new(DeedKind::Walk, "page walk").with("linear", linear);
    let mut ending =
        "The processor translates {linear:x}; references to page tables: {references}. Its TLB keeps the translation.";
    for event in events {
        match event {
            PagingEvent::Referenced(r) => {
                let name = r.format.format().level(r.level).map_or("entry", |level| level.name);
                let dimension = match r.dimension {
                    Dimension::Only => 0,
                    Dimension::Guest => 1,
                    Dimension::Nested => 2,
                };
                deed.parts.push((name, [dimension, r.at.0, r.entry, r.of]));
            }
            PagingEvent::Filled { evicted: Some(page), .. } => deed.numbers.push(("evicted", *page)),
            PagingEvent::Translated { hpa, .. } => deed.numbers.push(("frame", hpa.0 >> 12)),
            PagingEvent::Faulted(fault) => {
                deed.name = "walk into a page fault";
                deed.numbers.push(("code", u64::from(fault.code)));
                ending = "The walk for {linear:x} ends in a page fault, error code {code:x}; references to page tables: {references}.";
            }
            PagingEvent::NestedFaulted(fault) => {
                deed.name =
                    if fault.is_misconfigured { "walk into a misconfiguration" } else { "walk into a violation" };
                deed.numbers.push(("gpa", fault.guest_physical));
                ending = "The walk for {linear:x} ends where the nested tables do not let guest-physical {gpa:x} through; \
                          references to page tables: {references}.";
            }
            _ => {}
        }
    }
    let references = deed.parts.len() as u64;
    let what = match kind {
        AccessKind::Read => 0,
        AccessKind::Write => 1,
        AccessKind::Fetch => 2,
    };
    deed.with("references", references)
        .with("kind", what)
        .says(ending, "Intel SDM vol. 3, 4.5; 28.2 for the nested ones")
}

/// What KVM did to a table; `None` for what is only a step of that.
fn table(event: MmuEvent, is_tdp: bool) -> Option<Deed> {
    let deed = |name| Deed::new(DeedKind::Table, name);
    let source = event.source();
    Some(match event {
        MmuEvent::GetPage { gfn, role, created: true, .. } if is_tdp => deed("nested table")
            .with("gfn", gfn.0)
            .with("level", u64::from(role.level))
            .says("KVM makes a nested table of level {level} for the guest's frames from {gfn:x} on.", source),
        MmuEvent::GetPage { gfn, role, created: true, .. } => deed("shadow table")
            .with("gfn", gfn.0)
            .with("level", u64::from(role.level))
            .says("KVM makes a shadow of the guest's table in frame {gfn:x}, level {level}.", source),
        MmuEvent::SetSpte { gfn, level, new, index, .. } => deed(if is_tdp { "nested entry" } else { "shadow entry" })
            .with("gfn", gfn.0)
            .with("level", u64::from(level))
            .with("index", u64::from(index))
            .with("entry", new)
            .says("KVM writes entry {index} of a table of level {level}: guest frame {gfn:x}, {entry:x}.", source),
        MmuEvent::MarkMmio { gfn } => {
            deed("MMIO entry").with("gfn", gfn.0).says("KVM makes an entry for {gfn:x} that always exits.", source)
        }
        MmuEvent::Unsync { gfn, .. } => deed("unsync").with("gfn", gfn.0).says(
            "KVM lets the guest write its table {gfn:x} freely; its shadow may be stale until it is synced.",
            source,
        ),
        MmuEvent::Sync { gfn, .. } => {
            deed("sync").with("gfn", gfn.0).says("KVM brings the shadow of table {gfn:x} up to date.", source)
        }
        MmuEvent::Zap { gfn, .. } => {
            deed("zap").with("gfn", gfn.0).says("KVM gives the table for guest frame {gfn:x} up.", source)
        }
        MmuEvent::Flooded { gfn, .. } => deed("write flooding")
            .with("gfn", gfn.0)
            .says("The guest writes {gfn:x} so often that KVM takes it for no table any more.", source),
        MmuEvent::PteWritten { gpa, size } => {
            deed("emulated write").with("gpa", gpa.0).with("size", u64::from(size)).says(
                "KVM carries the guest's write of {size} bytes to its table at {gpa:x} out, and the shadow follows.",
                source,
            )
        }
        MmuEvent::WriteProtected { gfn } => deed("write protection")
            .with("gfn", gfn.0)
            .says("KVM takes the right to write guest frame {gfn:x} away, to see what the guest does to it.", source),
        MmuEvent::Injected(fault) => deed("injected page fault")
            .with("linear", fault.linear)
            .with("code", u64::from(fault.code))
            .says("The fault at {linear:x} is the guest's own: KVM injects it, error code {code:x}.", source),
        MmuEvent::Resolved { address, outcome: Outcome::Fixed } => deed("hidden fault")
            .with("address", address)
            .says("The guest's own tables allow {address:x}: the fault stays hidden from it.", source),
        MmuEvent::RootLoaded { pgd, cached } => deed("root")
            .with("pgd", pgd)
            .with("cached", u64::from(cached))
            .says("KVM puts the root of the tables for guest CR3 {pgd:x} in force.", source),
        _ => return None,
    })
}
