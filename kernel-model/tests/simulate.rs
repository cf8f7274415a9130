//! Random sessions: whatever is typed, the world stays consistent, every step can be taken back, and the
//! same session gives the same bytes.

use kernel_model::action::Action;
use kernel_model::console::ConsoleId;
use kernel_model::event::Granularity;
use kernel_model::pv_ops::NoMachine;
use kernel_model::syscall::{Call, Sysno};
use kernel_model::task::TaskId;
use kernel_model::time::Nanos;
use kernel_model::timeline::{Direction, Timeline};
use kernel_model::world::Config;
use proptest::prelude::*;

/// Turns that one action may take.
const BUDGET: u64 = 600;

/// Command lines that touch everything that there is.
const LINES: &[&str] = &[
    "echo one; echo two | cat > /tmp/f; cat /tmp/f",
    "unshare -p -f --mount-proc sh -c 'sleep 3 & ps -o pid,ppid,args; echo $$'",
    "unshare -p sh -c '/bin/true; /bin/echo never'",
    "unshare -U -r sh -c 'id -u; hostname x'",
    "unshare -u sh -c 'hostname box; hostname'",
    "unshare -m sh -c 'mount -t tmpfs t /mnt; touch /mnt/x; ls /mnt'",
    "sleep 20 & kill -9 $!; wait",
    "sleep 30 &",
    "kill %1",
    "mkdir -p /srv/a /srv/b; mount --bind /srv/a /srv/b",
    "umount /srv/b",
    "mount -t tmpfs more /srv/a",
    "umount -l /srv/a",
    "su student -c 'kill -9 1; unshare -m true'",
    "exec 5< /proc/self/ns/uts",
    "nsenter --uts=/proc/self/fd/5 hostname",
    "exec 5<&-",
    "for i in 1 2 3; do (exit $i) || echo $?; done",
    "while :; do :; done",
    "f() { f | f & }; f",
    "cat <<END | wc -l\na\nb\nEND",
    "sh -c 'kill -STOP $$; echo on' & sleep 0.1; kill -CONT $!; wait",
    "trap 'echo caught' USR1; kill -USR1 $$",
    "cd /tmp; pwd; cd nowhere",
    "setsid sh -c 'sleep 1 & exit 0'",
    "nosuchcommand; echo $?",
    "echo 'open",
];

fn action() -> impl Strategy<Value = Action> {
    let console = ConsoleId(1);
    prop_oneof![
        8 => prop::sample::select(LINES).prop_map(move |text| Action::Line { console, text: text.to_owned() }),
        1 => Just(Action::Interrupt { console }),
        1 => (1u64..5).prop_map(|s| Action::Wait { span: Nanos::from_timespec(s, 0) }),
        1 => Just(Action::OpenConsole),
        2 => (any::<prop::sample::Index>(), 0u32..4).prop_map(|(flag, task)| {
            let flags = [0x0400_0000i64, 0x2000_0000, 0x1000_0000, 0x0002_0000, 0x0800_0000, 0x4000_0000];
            let nr = if task == 0 { Sysno::CLONE } else { Sysno::UNSHARE };
            let bits = *flag.get(&flags) | if task == 0 { 17 } else { 0 };
            Action::Syscall { task: TaskId(1 + task), call: Call { nr, args: vec![bits.into()] } }
        }),
    ]
}

/// Takes the actions one after the other; an endless one is interrupted.
fn live(actions: &[Action]) -> Timeline<NoMachine> {
    let mut timeline = Timeline::new(Config::default(), NoMachine);
    for action in actions {
        timeline.act(action.clone());
        if !timeline.run(BUDGET) {
            timeline.act(Action::Interrupt { console: ConsoleId(1) });
            timeline.run(BUDGET);
        }
    }
    timeline
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 40, ..ProptestConfig::default() })]

    #[test]
    fn a_world_at_rest_is_consistent(actions in prop::collection::vec(action(), 1..8)) {
        let mut timeline = Timeline::new(Config::default(), NoMachine);
        for action in actions {
            timeline.act(action.clone());
            timeline.run(BUDGET);
            prop_assert_eq!(timeline.head().check(), Ok(()), "after {:?}", action);
        }
    }

    #[test]
    fn a_session_replayed_gives_the_same_bytes(actions in prop::collection::vec(action(), 1..6)) {
        let mut one = live(&actions);
        // What never comes to rest has no end at which two runs could be compared.
        prop_assume!(one.is_at_rest());
        let mut two = Timeline::replay(&one.session(), NoMachine, 100 * BUDGET);
        prop_assert_eq!(one.len(), two.len());
        let bytes = |t: &Timeline<NoMachine>| postcard::to_allocvec(t.head()).expect("a world can be written");
        prop_assert!(bytes(&one) == bytes(&two));
        let last = one.len().saturating_sub(500);
        prop_assert_eq!(one.events_in(last, 500), two.events_in(last, 500));
    }

    #[test]
    fn every_step_can_be_taken_back(actions in prop::collection::vec(action(), 1..4), start in any::<prop::sample::Index>()) {
        let mut timeline = live(&actions);
        let first = start.index(timeline.len() as usize) as u64;
        for position in first..(first + 60).min(timeline.len()) {
            timeline.seek(position);
            let here = timeline.world().clone();
            for granularity in [Granularity::Micro, Granularity::Syscall] {
                prop_assert!(timeline.step(granularity, Direction::Forward));
                timeline.seek(position);
                prop_assert!(*timeline.world() == here, "the world at {} differs after a step and back", position);
            }
        }
    }
}
