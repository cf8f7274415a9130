//! Histories that are restored, moved in and watched.

use super::*;

fn line(text: &str) -> Action {
    Action::Line { console: ConsoleId(1), text: text.to_owned() }
}

fn at_rest(lab: &mut Lab) {
    for _ in 0..1000 {
        lab.run(|| true);
        if lab.motion() == Motion::AtRest {
            return;
        }
    }
    panic!("it does not come to rest");
}

fn with(lines: &[&str]) -> Lab {
    let mut lab = Lab::new();
    for text in lines {
        lab.act(line(text));
        at_rest(&mut lab);
    }
    lab
}

fn typed(lab: &Lab) -> Vec<Action> {
    lab.session().0.actions.into_iter().map(|stamped| stamped.action).collect()
}

#[test]
fn what_is_typed_while_a_session_is_restored_comes_after_it() {
    let (session, cursor) = with(&["echo one", "echo two"]).session();
    let mut lab = Lab::restore(session, cursor);
    lab.act(line("echo three"));
    let all = [line("echo one"), line("echo two"), line("echo three")];
    assert_eq!(typed(&lab), all, "and is kept meanwhile");
    at_rest(&mut lab);
    assert_eq!((typed(&lab), lab.other_futures().len()), (all.to_vec(), 0));
}

#[test]
fn what_is_typed_while_a_session_is_restored_into_the_past_makes_a_branch_there() {
    let mut lab = with(&["echo one", "echo two"]);
    lab.step(Granularity::Command, Direction::Back);
    lab.step(Granularity::Command, Direction::Back);
    let (session, cursor) = lab.session();
    assert!(cursor.is_some());
    let mut again = Lab::restore(session, cursor);
    again.act(line("echo three"));
    at_rest(&mut again);
    assert_eq!(typed(&again).last(), Some(&line("echo three")));
    assert_eq!(again.other_futures().len(), 1, "the rest of the session is another future");
    assert_eq!(again.other_futures()[0].len(), 2);
}

#[test]
fn another_machine_shows_the_same_place_and_prints_the_same() {
    let mut lab = with(&["/bin/true; cat /proc/version | cut -c1-5", "echo two"]);
    lab.seek(lab.actions() as u64);
    lab.seek_action(1);
    for _ in 0..40 {
        lab.step(Granularity::Micro, Direction::Back);
    }
    let here = lab.timeline.current_event();
    let count = |lab: &mut Lab| {
        let all = lab.timeline.events_in(0, usize::MAX >> 1);
        all.iter().filter(|e| e.kind.family() == Family::Exit).count()
    };
    for platform in Platform::all() {
        let mut other = lab.on_machine(platform.code());
        at_rest(&mut other);
        let there = other.timeline.current_event();
        assert_eq!(here.as_ref().map(|e| &e.kind), there.as_ref().map(|e| &e.kind), "{platform}");
        let exits = count(&mut other);
        // Xen gives an HVM guest all its memory, in large pages, before it runs: nothing here makes that one leave.
        let leaves = platform.is_hardware_assisted() && platform != Platform::XenHvm;
        assert_eq!(exits > 0, leaves, "{platform}: {exits}");
        let mut back = other.on_machine(0);
        at_rest(&mut back);
        assert_eq!((back.position(), back.len()), (lab.position(), lab.len()), "{platform}");
        assert_eq!(back.session(), lab.session());
    }
}

#[test]
fn other_futures_are_there_after_restoring() {
    let branches = vec![with(&["echo other"]).session().0.actions];
    let (session, cursor) = with(&["echo one"]).session();
    let mut lab = Lab::restore(session, cursor).with_branches(branches.clone());
    at_rest(&mut lab);
    assert_eq!(lab.other_futures(), branches);
}

fn slices_of(lab: &mut Lab, count: u32) {
    let mut left = count;
    lab.run(|| {
        left -= 1;
        left > 0
    });
}

#[test]
fn what_was_typed_is_shown_of_each_of_several_long_commands() {
    let mut lab = Lab::new();
    at_rest(&mut lab);
    lab.transcript.follow(&mut lab.timeline, true);
    for _ in 0..3 {
        let before = lab.len();
        lab.act(line("i=0; while [ $i -lt 100 ]; do i=$((i + 1)); /bin/true; done"));
        // The page looks at once, when only the key has arrived.
        lab.timeline.to_end();
        lab.transcript.follow(&mut lab.timeline, false);
        while lab.motion() == Motion::Running {
            slices_of(&mut lab, 60);
            lab.timeline.to_end();
            let calm = lab.motion() != Motion::Running;
            lab.transcript.follow(&mut lab.timeline, calm);
        }
        assert!(lab.len() > before + 4500, "each does more than is read in one go: {}", lab.len() - before);
    }
    let (lines, _) = lab.transcript.lines(ConsoleId(1), lab.position());
    assert_eq!(lines.iter().filter(|l| l.prompt.is_some()).count(), 3);
}

#[test]
fn what_was_typed_stays_above_what_a_long_command_prints() {
    let mut lab = Lab::new();
    at_rest(&mut lab);
    lab.transcript.follow(&mut lab.timeline, true);
    lab.act(line("i=0; while [ $i -lt 400 ]; do i=$((i + 1)); done; echo $((500 + 5))"));
    while lab.motion() == Motion::Running {
        slices_of(&mut lab, 2);
        let calm = lab.motion() != Motion::Running;
        lab.transcript.follow(&mut lab.timeline, calm);
        let at = lab.position();
        lab.timeline.seek(at.saturating_sub(3));
        lab.timeline.seek(at);
    }
    let (lines, _) = lab.transcript.lines(ConsoleId(1), lab.position());
    let typed = lines.iter().filter(|l| l.prompt.is_some()).count();
    assert_eq!((typed, lines.last().map(|l| l.text.as_str())), (1, Some("505")));
}

#[test]
fn what_a_long_command_printed_on_its_way_is_there_when_it_is_done() {
    let mut lab = Lab::new();
    at_rest(&mut lab);
    lab.transcript.follow(&mut lab.timeline, true);
    lab.act(line("for n in 1 2 3 4; do i=0; while [ $i -lt 400 ]; do i=$((i + 1)); done; echo part $n; done"));
    while lab.motion() == Motion::Running {
        slices_of(&mut lab, 60);
        lab.timeline.to_end();
        let calm = lab.motion() != Motion::Running;
        lab.transcript.follow(&mut lab.timeline, calm);
    }
    for _ in 0..100 {
        lab.transcript.follow(&mut lab.timeline, true);
    }
    assert!(!lab.is_behind());
    let (lines, _) = lab.transcript.lines(ConsoleId(1), lab.position());
    let printed: Vec<_> = lines.iter().filter(|l| l.prompt.is_none()).map(|l| l.text.as_str()).collect();
    assert_eq!(printed, ["part 1", "part 2", "part 3", "part 4"]);
    assert_eq!(lines.iter().filter(|l| l.prompt.is_some()).count(), 1);
}
