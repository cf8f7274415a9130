//! A session on each platform: what is told, and that it can be made again.

use hypervisor_model::machine::Platform;
use hypervisor_model::machine::measured::{Measured, machine_of};
use kernel_model::action::Action;
use kernel_model::console::ConsoleId;
use kernel_model::event::{EventKind, Family, Granularity};
use kernel_model::machine::report::Report;
use kernel_model::timeline::{Direction, Timeline};
use kernel_model::world::Config;

fn session(platform: Platform, lines: &[&str]) -> Timeline<Box<dyn Measured>> {
    let config = Config { terminal: true, machine: platform.code(), ..Config::default() };
    let mut timeline = Timeline::new(config, machine_of(&config));
    for line in lines {
        timeline.act(Action::Line { console: ConsoleId(1), text: (*line).to_owned() });
        assert!(timeline.run(1_000_000), "{line} does not come to rest");
    }
    timeline
}

#[test]
fn what_is_told_adds_up_to_what_is_counted() {
    for platform in Platform::all() {
        let mut timeline = session(platform, &["ls / | head -n 2; /bin/true"]);
        let (mut exits, mut references, mut flushes) = (0, 0, 0);
        for event in timeline.events_in(0, usize::MAX >> 1) {
            let EventKind::Machine(Report::Did(deed)) = &event.kind else { continue };
            assert!(!deed.text().contains(['{', '}']) && !deed.source.is_empty(), "{deed:?}");
            match event.kind.family() {
                Family::Exit => exits += 1,
                Family::Walk => references += deed.number("references").unwrap_or(0),
                Family::Tlb => flushes += 1,
                _ => {}
            }
        }
        let counters = timeline.machine().counters();
        assert_eq!(exits, counters.exits(), "{platform}");
        assert_eq!(references, counters.walk_references, "{platform}");
        assert_eq!(flushes, counters.tlb.flushes.values().sum::<u64>(), "{platform}");
    }
}

#[test]
fn the_machine_is_the_same_by_every_way_to_a_place() {
    let mut timeline = session(Platform::KvmShadow, &["/bin/true", "/bin/true"]);
    let end = timeline.len();
    let counters = timeline.machine().counters().clone();
    timeline.seek(end / 2);
    let middle = timeline.machine().counters().clone();
    for _ in 0..60 {
        timeline.step(Granularity::Micro, Direction::Back);
    }
    for _ in 0..60 {
        timeline.step(Granularity::Micro, Direction::Forward);
    }
    assert!(middle == *timeline.machine().counters());
    timeline.seek(end);
    assert!(counters == *timeline.machine().counters());
}
