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
                    if let (Some(number), true) = (deed.number("domain"), deed.from != Who::Hypervisor) {
                        domain = number;
                    }
                    if deed.name == "schedule" {
                        domain = deed.number("domain").unwrap_or(domain);
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
        format!("{calls} hypercalls are shown of this step{refused}; domain 0's kernel has made {all} since it booted.")
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use kernel_model::time::Nanos;
    use kernel_model::world::Config;

    use crate::xen::deeds::Deeds;
    use crate::xen::domain::{DomId, VcpuId};
    use crate::xen::io::blkif;
    use crate::xen::io::xenbus::DeviceKind;
    use crate::xen::toolstack::XenSystem;
    use crate::xen::toolstack::config::DomainConfig;

    fn event_of(deed: Deed) -> Event {
        Event { task: None, at: Nanos(0), kind: EventKind::Machine(Report::Did(Arc::new(deed))) }
    }

    /// A write of one sector, from the frontend's ring to the disk and back: no step is missing.
    #[test]
    fn a_write_can_be_followed_to_the_disk_and_back() {
        let mut system = XenSystem::new(24 << 8, 2 << 8);
        let config =
            DomainConfig::parse("name='g'\nmemory=2\ndisk=['vdev=xvda,target=/dev/loop0']").expect("it is right");
        let id = system.create(&config).expect("there is room");
        system.connect(id);
        system.host.xen.deeds = Deeds::heard();
        let (_, disk) = system.disks.iter_mut().find(|(d, _)| d.kind == DeviceKind::Vbd).expect("there is one");
        let front = disk.front.as_mut().expect("it is connected");
        front.submit(&mut system.host, blkif::WRITE, 3, 512, b"text").expect("there is room");
        let for_backend = system.host.xen.take_events(VcpuId::first(DomId(0)));
        assert_eq!(for_backend, [disk.back.port().expect("it is connected")]);
        for io in disk.back.interrupt(&mut system.host) {
            let data = disk.content.serve(&io);
            disk.back.done(&mut system.host, io.cookie, Some(&data));
        }
        let for_frontend = system.host.xen.take_events(VcpuId::first(id));
        assert_eq!(for_frontend, [front.port().expect("it is connected")]);
        front.interrupt(&mut system.host);
        assert_eq!(&disk.content.sector(3)[..4], b"text");
        let events: Vec<Event> = system.host.xen.deeds.take().into_iter().map(event_of).collect();
        let nothing = BTreeMap::new();
        let lanes = HypercallLanes::of_step(&events, &World::boot(Config::default()), &nothing, &nothing);
        assert_eq!(
            lanes.text(),
            "2 hypercalls are shown of this step; domain 0's kernel has made 0 since it booted.\n\
             guest kernel d1: blkfront puts request 1 for sector 3 into entry 1 of its ring.\n\
             guest kernel d1 -> Xen: The kernel of domain 1 makes hypercall 32, command 4.\n  \
             Xen: An event arrives at port 20 of domain 0.\n\
             domain 0: blkback has taken request 1 off the ring, 1 segments at sector 3, and gives it to the disk.\n\
             domain 0: blkback puts the response to request 1 onto the ring: it is done.\n\
             domain 0 -> Xen: The kernel of domain 0 makes hypercall 32, command 4.\n  \
             Xen: An event arrives at port 8 of domain 1.\n\
             guest kernel d1: blkfront takes the response to request 1 off its ring: the block layer is told.\n"
        );
    }
}
