//! The views of the stage: what each of them is, and what it is handed.
//!
//! A view is a file here with a `VIEW` in it and a line in [`VIEWS`]. Its picture is made only while it can be
//! seen: a [`View::picture`] computes the projection of a moment once and keeps it for as long as that moment is
//! looked at; drawing it again, because another process is pointed at, computes nothing.

mod below;
mod cgroup_strip;
pub mod cgroups;
pub mod channels;
pub mod compare;
pub mod cost;
pub mod coverage;
pub mod exits;
pub mod frames;
pub mod hypercalls;
pub mod instructions;
pub mod lending;
pub mod machine_frames;
pub mod mounts;
pub mod network;
pub mod ns_graph;
pub mod pid_views;
pub mod privileges;
pub mod proc_views;
pub mod process_tree;
pub mod pv_ops;
pub mod rings;
pub mod strace_log;
pub mod through_eyes;
pub mod tlb;
pub mod vmcs;
pub mod walks;
mod xen;
pub mod xenstore;

use std::collections::BTreeSet;
use std::fmt;
use std::rc::Rc;

use hypervisor_model::projection::comparison::Comparison;
use kernel_model::event::{Event, EventKind};
use kernel_model::projection::process_index::ProcessIndex;
use kernel_model::task::TaskId;
use kernel_model::world::World;
use yew::{Callback, Html};

use crate::lab::Machine;
use crate::state::Msg;
use crate::widget::seat::Seats;

/// All views, in the order of their tabs. A step that concerns several is shown by the first of them.
pub const VIEWS: &[&View] = &[
    &pid_views::VIEW,
    &process_tree::VIEW,
    &ns_graph::VIEW,
    &mounts::VIEW,
    &cgroups::VIEW,
    &network::VIEW,
    &privileges::VIEW,
    &through_eyes::VIEW,
    &proc_views::VIEW,
    &rings::VIEW,
    &instructions::VIEW,
    &exits::VIEW,
    &vmcs::VIEW,
    &walks::VIEW,
    &tlb::VIEW,
    &frames::VIEW,
    &cost::VIEW,
    &channels::VIEW,
    &lending::VIEW,
    &xenstore::VIEW,
    &machine_frames::VIEW,
    &hypercalls::VIEW,
    &pv_ops::VIEW,
    &compare::VIEW,
    &coverage::VIEW,
];

/// What a view is about. The tabs of a subject stand together, after its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Subject {
    /// What the kernel gives to processes.
    Linux,
    /// Rings, memory and what hypervisors make of them.
    Processor,
    /// What Xen gives to domains.
    Xen,
    /// All platforms side by side, and how far the model goes.
    Model,
}

impl Subject {
    /// All of them, in the order of their tabs.
    pub const ALL: [Subject; 4] = [Subject::Linux, Subject::Processor, Subject::Xen, Subject::Model];

    /// Its name before the tabs, in the language that is spoken.
    pub fn title(self) -> &'static str {
        match self {
            Subject::Linux => "Linux",
            Subject::Processor => t!("Processor"),
            Subject::Xen => "Xen",
            Subject::Model => t!("Model"),
        }
    }
}

/// A view of the stage.
pub struct View {
    /// Its name in `data-testid=view-NAME`, in the id of its tab and in what is remembered.
    pub name: &'static str,
    /// Its name on the tab.
    pub title: &'static str,
    /// What it is about.
    pub subject: Subject,
    /// What it shows, in one line.
    pub about: &'static str,
    /// Whether it is the view to look at when this has happened.
    pub concerns: fn(&EventKind) -> bool,
    /// It shows what has happened lately, not only the step: [`Moment::lately`] is there.
    pub looks_back: bool,
    /// Its picture of a moment.
    pub picture: fn(&Moment) -> Picture,
}

/// What a picture is made of.
#[derive(Clone, Copy)]
pub struct Moment<'a> {
    /// The world before the step that is shown. The same as `after` when there is no step: at the beginning and
    /// while the machine runs.
    pub before: &'a World,
    /// The world after it.
    pub after: &'a World,
    /// Who is below whom and like whom in it: for views of all processes.
    pub index: &'a ProcessIndex,
    /// The machine below, before the step and after it.
    pub machines: (&'a Machine, &'a Machine),
    /// The number of the platform; 0 when nobody looks at the machine.
    pub platform: u8,
    /// The events of the step, the last ones when there are many.
    pub events: &'a [Event],
    /// What has happened to processor time and limits lately, for a view that looks back.
    pub lately: &'a [Event],
    /// Tasks at which folded rows have been unfolded.
    pub unfolded: &'a BTreeSet<TaskId>,
    /// The process where one stands, for views that show the world as it is seen from somewhere: the one that
    /// was chosen, else the one that has taken the step, else the shell of the console.
    pub stand: Option<TaskId>,
}

/// What may change while the same moment is looked at.
#[derive(Clone, PartialEq)]
pub struct Look {
    /// Where one can stand, and where one has chosen to.
    pub seats: Seats,
    /// The process that is pointed at.
    pub picked: Option<TaskId>,
    /// What was compared last.
    pub compared: Rc<Comparison>,
    /// How much of another comparison is done, in percent.
    pub comparing: Option<u32>,
    /// Where messages go.
    pub dispatch: Callback<Msg>,
}

/// A picture: a projection that waits to be drawn.
#[derive(Clone)]
pub struct Picture(Rc<dyn Fn(&Look) -> Html>);

impl Picture {
    /// A picture that is drawn so. What it draws from is computed before.
    pub fn new(draw: impl Fn(&Look) -> Html + 'static) -> Picture {
        Picture(Rc::new(draw))
    }

    /// Draws it.
    pub fn draw(&self, look: &Look) -> Html {
        (self.0)(look)
    }
}

impl PartialEq for Picture {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Picture")
    }
}

impl PartialEq for View {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// The view with this name.
pub fn named(name: &str) -> Option<&'static View> {
    VIEWS.iter().copied().find(|view| view.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lessons_know_the_views_by_their_names() {
        let names: Vec<&str> = VIEWS.iter().map(|view| view.name).collect();
        assert_eq!(names, lessons::views::VIEWS, "a view is named in lessons/src/views.rs, too");
    }

    #[test]
    fn the_views_of_a_subject_stand_together() {
        let subjects: Vec<Subject> = VIEWS.iter().map(|view| view.subject).collect();
        assert!(subjects.is_sorted_by_key(|s| Subject::ALL.iter().position(|other| other == s)), "{subjects:?}");
    }

    #[test]
    fn names_are_unique_and_fit_into_ids() {
        for (i, view) in VIEWS.iter().enumerate() {
            assert!(view.name.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{}", view.name);
            assert!(VIEWS[i + 1..].iter().all(|other| other.name != view.name), "{} is there twice", view.name);
        }
    }
}
