//! Hypercalls as a sequence between lanes: who had the processor, who got it, and what was said.
//!
//! Domain 0 has one lane for its kernel and its programs: what is looked at is how a guest gets something done by it.

use std::collections::BTreeMap;
use std::fmt::Write;

use kernel_model::event::{Event, EventKind};
use kernel_model::machine::report::{Deed, DeedKind, Lane as Who, Report};
use kernel_model::projection::label;
use kernel_model::world::World;

use crate::projection::exit_lanes::Count;

/// Most arrows that are made: the last ones of a step.
pub const MAX_ARROWS: usize = 200;

/// Hypercalls by name.
type Calls = BTreeMap<&'static str, u64>;

/// A lane.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Lane {
    /// Programs of a guest.
    GuestUser,
    /// A guest's kernel.
    GuestKernel,
    /// The hypervisor.
    Xen,
    /// Domain 0, kernel and programs.
    Domain0,
}

impl Lane {
    /// All of them.
    pub const ALL: [Lane; 4] = [Lane::GuestUser, Lane::GuestKernel, Lane::Xen, Lane::Domain0];

    /// What it is called above its lane.
    pub fn label(self) -> &'static str {
        match self {
            Lane::GuestUser => "guest user",
            Lane::GuestKernel => "guest kernel",
            Lane::Xen => "Xen",
            Lane::Domain0 => "domain 0",
        }
    }
}

/// An arrow between two lanes, or a mark in one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Arrow {
    /// From which lane.
    pub from: Lane,
    /// To which lane; the same for something that happens in one.
    pub to: Lane,
    /// Whose: the domain that is at work, or that it is about.
    pub domain: u64,
    /// What it is called.
    pub name: String,
    /// In how many others it lies.
    pub depth: u8,
    /// It is a hypercall.
    pub is_hypercall: bool,
    /// Xen refused.
    pub is_refused: bool,
    /// One sentence.
    pub text: String,
}

/// The picture.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct HypercallLanes {
    /// What happened in the step, in order.
    pub arrows: Vec<Arrow>,
    /// Arrows before these.
    pub left_out: usize,
    /// Hypercalls of domain 0's kernel by name, the most frequent first.
    pub histogram: Vec<Count>,
}

impl HypercallLanes {
    /// The lanes of a step: its events, the world after it, and domain 0's hypercalls by name before and after.
    pub fn of_step(events: &[Event], world: &World, before: &Calls, after: &Calls) -> HypercallLanes {
        let mut arrows = Vec::new();
        // Who is at work: what a machine tells does not always say so.
        let mut domain = 0;
        for event in events {
            match &event.kind {
                EventKind::Machine(Report::Did(deed)) => {
                    let is_within_xen = deed.from == Who::Hypervisor && deed.to == Who::Hypervisor;
                    if let (Some(number), false) = (deed.number("domain"), is_within_xen) {
                        domain = number;
                    }
                    if !matches!(deed.kind, DeedKind::Walk | DeedKind::Flush | DeedKind::Table) {
                        arrows.push(of_deed(deed, domain));
                    }
                }
                EventKind::Machine(Report::Elsewhere { system, event, .. }) => {
                    domain = u64::from(system.0);
                    arrows.extend(of_call(&event.kind, domain, world));
                }
                kind => {
                    if event.task.is_some() {
                        domain = 0;
                    }
                    arrows.extend(of_call(kind, 0, world));
                }
            }
        }
        let left_out = arrows.len().saturating_sub(MAX_ARROWS);
        arrows.drain(..left_out);
        let count = |(name, all): (&&'static str, &u64)| Count {
            name: (*name).to_owned(),
            now: all - before.get(name).copied().unwrap_or(0).min(*all),
            all: *all,
        };
        let mut histogram: Vec<Count> = after.iter().map(count).collect();
        histogram.sort_by(|a, b| b.all.cmp(&a.all).then_with(|| a.name.cmp(&b.name)));
        HypercallLanes { arrows, left_out, histogram }
    }

    /// One sentence.
    pub fn summary(&self) -> String {
        let count = |wanted: fn(&Arrow) -> bool| self.arrows.iter().filter(|arrow| wanted(arrow)).count();
        let (calls, refused) = (count(|arrow| arrow.is_hypercall), count(|arrow| arrow.is_refused));
        let all: u64 = self.histogram.iter().map(|count| count.all).sum();
        let refused = if refused > 0 { format!(", {refused} refused") } else { String::new() };
        let shown = if calls == 1 { "1 hypercall is shown".into() } else { format!("{calls} hypercalls are shown") };
        format!("{shown} of this step{refused}; domain 0's kernel has made {all} since it booted.")
    }

    /// The text twin.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n", self.summary());
        if self.left_out > 0 {
            let _ = writeln!(text, "({} before these)", self.left_out);
        }
        for arrow in &self.arrows {
            let indent = "  ".repeat(arrow.depth.into());
            let (from, to) = (place(arrow.from, arrow.domain), place(arrow.to, arrow.domain));
            let way = if arrow.from == arrow.to { to } else { format!("{from} -> {to}") };
            let _ = writeln!(text, "{indent}{way}: {}", arrow.text);
        }
        if !self.histogram.is_empty() {
            let _ = writeln!(text, "\n{:<28} {:>8} {:>8}", "hypercall of domain 0", "step", "all");
        }
        for count in &self.histogram {
            let _ = writeln!(text, "{:<28} {:>8} {:>8}", count.name, count.now, count.all);
        }
        text
    }
}

fn place(lane: Lane, domain: u64) -> String {
    match lane {
        Lane::GuestUser | Lane::GuestKernel => format!("{} d{domain}", lane.label()),
        lane => lane.label().to_owned(),
    }
}

/// Something that the machine did, while this domain was at work.
fn of_deed(deed: &Deed, domain: u64) -> Arrow {
    let is_refused = deed.kind == DeedKind::Hypercall && deed.name == "refused";
    let text = if is_refused { format!("refused: {}", deed.text()) } else { deed.text() };
    Arrow {
        from: lane(deed.from, domain),
        to: lane(deed.to, domain),
        domain,
        name: deed.name.to_owned(),
        depth: deed.depth,
        is_hypercall: deed.kind == DeedKind::Hypercall && !is_refused && deed.number("number").is_some(),
        is_refused,
        text,
    }
}

/// A system call of a domain's program, and its end.
fn of_call(kind: &EventKind, domain: u64, world: &World) -> Option<Arrow> {
    let (user, kernel) = (lane(Who::GuestUser, domain), lane(Who::GuestKernel, domain));
    let (from, to) = match kind {
        EventKind::CallEntered { .. } => (user, kernel),
        EventKind::CallReturned { .. } => (kernel, user),
        _ => return None,
    };
    let name = match kind {
        EventKind::CallEntered { call } | EventKind::CallReturned { call, .. } => call.nr.name().to_owned(),
        _ => String::new(),
    };
    let text = label::label(kind, world);
    Some(Arrow { from, to, domain, name, depth: 0, is_hypercall: false, is_refused: false, text })
}

/// Under Xen whoever works for guests' devices is domain 0.
fn lane(who: Who, domain: u64) -> Lane {
    match who {
        Who::Hypervisor => Lane::Xen,
        Who::DeviceModel | Who::Device => Lane::Domain0,
        Who::GuestUser if domain != 0 => Lane::GuestUser,
        Who::GuestKernel if domain != 0 => Lane::GuestKernel,
        Who::GuestUser | Who::GuestKernel => Lane::Domain0,
    }
}
