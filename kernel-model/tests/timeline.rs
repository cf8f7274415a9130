//! Histories: whatever is done, every step can be taken back and comes out the same again.

use kernel_model::action::Action;
use kernel_model::event::{EventKind, Family, Granularity};
use kernel_model::pv_ops::NoMachine;
use kernel_model::syscall::{Call, Sysno, Value};
use kernel_model::task::TaskId;
use kernel_model::timeline::{Direction, Session, Stride, Timeline};
use kernel_model::world::Config;

/// The first process, which makes no calls of its own.
const INIT: TaskId = TaskId(1);

fn call(nr: Sysno, args: Vec<Value>) -> Action {
    Action::Syscall { task: INIT, call: Call { nr, args } }
}

fn sethostname(name: &str) -> Action {
    call(Sysno::SETHOSTNAME, vec![name.into(), name.len().into()])
}

fn booted() -> Timeline<NoMachine> {
    Timeline::new(Config::default(), NoMachine)
}

fn nodename(timeline: &Timeline<NoMachine>) -> String {
    let world = timeline.world();
    world.uts_namespaces[world.tasks[INIT].nsproxy.uts].nodename.clone()
}

/// A short life: names, namespaces, a child that is born, killed and waited for.
fn lived() -> Timeline<NoMachine> {
    let mut timeline = booted();
    let actions = [
        sethostname("one"),
        call(Sysno::UNSHARE, vec![0x0400_0000.into()]),
        sethostname("two"),
        call(Sysno::UNSHARE, vec![0x2000_0000.into()]),
        call(Sysno::CLONE, vec![17.into()]),
        call(Sysno::KILL, vec![30_001.into(), 9.into()]),
        call(Sysno::WAIT4, vec![(-1).into(), Value::Null, 0.into(), Value::Null]),
        sethostname("three"),
    ];
    for action in actions {
        timeline.act(action);
        timeline.run(1000);
    }
    timeline
}

#[test]
fn stepping_back_takes_a_change_away_and_forward_brings_it_again() {
    let mut timeline = booted();
    timeline.act(sethostname("box"));
    timeline.run(1000);
    assert_eq!(nodename(&timeline), "box");
    timeline.seek(0);
    assert_eq!(nodename(&timeline), "lab");
    timeline.seek(timeline.len());
    assert_eq!(nodename(&timeline), "box");
}

#[test]
fn the_world_in_the_middle_of_a_call_shows_what_has_happened_so_far() {
    let mut timeline = booted();
    let before = timeline.len();
    timeline.act(sethostname("box"));
    timeline.run(1000);
    let set = (before..timeline.len())
        .find(|i| matches!(timeline.event(*i).map(|e| e.kind), Some(EventKind::NodenameSet { .. })))
        .expect("the name was set");
    timeline.seek(set);
    assert_eq!(nodename(&timeline), "lab", "just before the event");
    timeline.seek(set + 1);
    assert_eq!(nodename(&timeline), "box", "just after it, while the call still runs");
    assert!(timeline.position() < timeline.len());
}

#[test]
fn back_and_forward_is_identity_at_every_step() {
    let mut timeline = lived();
    for position in 0..timeline.len() {
        timeline.seek(position);
        let here = timeline.world().clone();
        let event = timeline.current_event();
        assert!(timeline.step(Granularity::Micro, Direction::Forward));
        assert!(timeline.step(Granularity::Micro, Direction::Back));
        assert_eq!(timeline.position(), position);
        assert!(*timeline.world() == here, "the world at event {position} is another one after forward and back");
        assert_eq!(timeline.current_event(), event);
    }
}

#[test]
fn the_same_actions_give_the_same_world_and_the_same_events() {
    let (mut one, two) = (lived(), lived());
    assert!(one.head() == two.head());
    let mut again = Timeline::replay(&one.session(), NoMachine, 1_000_000);
    assert!(one.head() == again.head());
    let all = one.len() as usize;
    assert_eq!(one.events_in(0, all), again.events_in(0, all));
}

#[test]
fn acting_in_the_past_starts_a_branch_and_keeps_the_old_one() {
    let mut timeline = booted();
    let start = timeline.len();
    timeline.act(sethostname("first"));
    timeline.run(1000);
    let first: Session = timeline.session();
    timeline.seek(start);
    timeline.act(sethostname("second"));
    timeline.run(1000);
    assert_eq!(nodename(&timeline), "second");
    assert_eq!(timeline.branches(), [first.actions]);
    timeline.switch_branch(0, 1_000_000);
    assert_eq!(nodename(&timeline), "first");
    assert_eq!(timeline.branches().len(), 1, "the branch that was left is kept in its place");
    timeline.switch_branch(0, 1_000_000);
    assert_eq!(nodename(&timeline), "second");
}

#[test]
fn steps_are_coarse_or_fine() {
    let mut timeline = lived();
    let micro = count_steps(&mut timeline, Granularity::Micro);
    let calls = count_steps(&mut timeline, Granularity::Syscall);
    let commands = count_steps(&mut timeline, Granularity::Command);
    assert_eq!(micro, timeline.len());
    assert!(commands < calls && calls < micro, "{commands} commands, {calls} calls, {micro} steps");
}

fn count_steps(timeline: &mut Timeline<NoMachine>, granularity: Granularity) -> u64 {
    timeline.seek(0);
    let mut forward = Vec::new();
    while timeline.step(granularity, Direction::Forward) {
        forward.push(timeline.position());
    }
    let mut back = Vec::new();
    while timeline.step(granularity, Direction::Back) {
        back.push(timeline.position());
    }
    back.reverse();
    // Going back ends at 0 and begins before the end; the stops between are the same.
    assert_eq!(back.first(), Some(&0));
    assert_eq!(back[1..], forward[..forward.len() - 1]);
    forward.len() as u64
}

#[test]
fn over_goes_to_the_end_of_a_call_and_out_leaves_it() {
    let mut timeline = booted();
    timeline.act(sethostname("box"));
    timeline.run(1000);
    timeline.seek(0);
    assert!(timeline.run_until(Family::Call, Direction::Forward));
    while !matches!(timeline.current_event().map(|e| e.kind), Some(EventKind::CallEntered { call }) if call.nr == Sysno::SETHOSTNAME)
    {
        assert!(timeline.run_until(Family::Call, Direction::Forward));
    }
    let entered = timeline.position();
    timeline.stride(Stride::Over, Direction::Forward);
    assert!(matches!(timeline.current_event().map(|e| e.kind), Some(EventKind::CallReturned { .. })));
    let returned = timeline.position();
    timeline.stride(Stride::Over, Direction::Back);
    assert_eq!(timeline.position(), entered);
    timeline.stride(Stride::Into, Direction::Forward);
    assert!(timeline.position() < returned);
    timeline.stride(Stride::Out, Direction::Forward);
    assert_eq!(timeline.position(), returned);
}

#[test]
fn run_until_finds_the_next_and_the_previous_event_of_a_family() {
    let mut timeline = lived();
    timeline.seek(0);
    let mut found = Vec::new();
    while timeline.run_until(Family::Namespace, Direction::Forward) {
        assert_eq!(timeline.current_event().map(|e| e.kind.family()), Some(Family::Namespace));
        found.push(timeline.position());
    }
    assert!(found.len() >= 5, "{found:?}");
    timeline.seek(timeline.len());
    let mut back = Vec::new();
    while timeline.run_until(Family::Namespace, Direction::Back) {
        back.push(timeline.position());
    }
    back.reverse();
    assert_eq!(back, found);
}

#[test]
fn a_world_survives_being_written_and_read() {
    let timeline = lived();
    let bytes = postcard::to_allocvec(timeline.head()).expect("a world can be written");
    let read: kernel_model::world::World = postcard::from_bytes(&bytes).expect("and read");
    assert!(read == *timeline.head());
}

#[test]
fn the_world_is_consistent_after_every_event() {
    let mut timeline = lived();
    for position in 0..=timeline.len() {
        // In the middle of a call counts may be on their way; at the end of one they must be right.
        timeline.seek(position);
        if matches!(timeline.current_event().map(|e| e.kind), Some(EventKind::CallReturned { .. })) {
            timeline.world().check().unwrap_or_else(|e| panic!("at event {position}: {e}"));
        }
    }
}
