//! What the machine tells, in words.

use crate::event::{Event, EventKind};
use crate::machine::report::Report;
use crate::pv_ops::PvOps;
use crate::world::World;

/// An event and the world that its numbers are from: an event of another kernel is unwrapped, as deep as it is, and the
/// names of the kernels on the way, the innermost last. The machine is asked for their worlds.
pub fn seen<'a>(event: &'a Event, world: &'a World, machine: &'a dyn PvOps) -> (&'a Event, &'a World, Vec<&'a str>) {
    let (mut event, mut world, mut names) = (event, world, Vec::new());
    while let EventKind::Machine(Report::Elsewhere { system, name, event: inner }) = &event.kind {
        let Some(theirs) = machine.world_of(*system) else { break };
        (event, world) = (inner, theirs);
        names.push(&**name);
    }
    (event, world, names)
}

/// A few words for a line of the timeline.
pub(super) fn label(report: &Report) -> String {
    match report {
        Report::Did(deed) => deed.name.to_owned(),
        Report::Elsewhere { name, event, .. } => format!("{name}: {}", event.kind.family().label()),
    }
}

/// One sentence, and its source. What happened in another kernel is told with that kernel's own world:
/// [`seen`].
pub(super) fn explain(report: &Report) -> (String, &'static str) {
    match report {
        Report::Did(deed) => (deed.text(), deed.source),
        Report::Elsewhere { name, event, .. } => {
            (format!("In {name}, another kernel on this machine: {}.", event.kind.family().label()), "")
        }
    }
}
