//! Domain 0 and its guests, as sessions.

use kernel_model::action::Action;
use kernel_model::console::ConsoleId;
use kernel_model::event::{Event, EventKind};
use kernel_model::kernel::Trace;
use kernel_model::machine::report::Report;
use kernel_model::step::{Running, Turn};
use kernel_model::world::Config;

use super::XenHost;
use crate::machine::cost::{Costs, DEFAULT_PRESET};
use crate::machine::measured::Measured;
use crate::machine::xen::KernelRing;
use crate::projection::xen::channels::Channels;
use crate::projection::xen::frames::MachineFrames;
use crate::projection::xen::grants::Lending;
use crate::projection::xen::lanes::HypercallLanes;
use crate::projection::xen::store::Store;

const CONFIG: &str = r#"name="guest1"
type="pv"
kernel="/bin/true"
memory=192
vcpus=1
disk=['format=raw,vdev=xvda,access=rw,script=block-simple,target=/dev/vda']
vif=['mac=00:16:3e:00:00:01,script=vif-simple']
"#;

struct Session {
    running: Running<XenHost>,
    events: Vec<Event>,
}

impl Session {
    fn new() -> Session {
        let costs = Costs::preset(DEFAULT_PRESET).expect("it can be read");
        let mut machine = XenHost::new(KernelRing::Three, costs).expect("there is room");
        Measured::tell(&mut machine);
        let config = Config { terminal: true, ..Config::default() };
        let mut session = Session { running: Running::boot(config, machine), events: Vec::new() };
        assert!(session.running.run(10_000, &mut Trace::silent()));
        session
    }

    fn with_guest() -> Session {
        let mut session = Session::new();
        session.line("ip link add xenbr0 type bridge; ip addr add 10.0.0.1/24 dev xenbr0; ip link set xenbr0 up");
        session.line(&format!("cat > /g.cfg <<'END'\n{CONFIG}END"));
        assert_eq!(session.line("xl create /g.cfg"), "Parsing config from /g.cfg\n");
        session
    }

    /// Does something until everything is at rest.
    fn act(&mut self, action: &Action) {
        let mut trace = Trace::new();
        self.running.inject(action, &mut trace);
        let (ended, text) = (self.running.run(400_000, &mut trace), format!("{action:?}"));
        assert!(ended, "{text} does not come to rest");
        assert_eq!(self.running.world.check(), Ok(()), "after {text}");
        let parts = self.running.machine.parts_of_xen();
        assert_eq!((parts.xen().check(), parts.store().check()), (Ok(()), Ok(())), "after {text}");
        self.events = trace.events;
    }

    /// Makes a hypercall in the name of a domain; what was told of it, until it came back.
    fn hypercall(&mut self, who: u32, text: &str) -> String {
        self.act(&Action::CallBelow { who, text: text.to_owned() });
        let told = self.events.iter().filter_map(|e| match &e.kind {
            EventKind::Machine(Report::Did(deed)) => Some(deed),
            _ => None,
        });
        let mut lines = Vec::new();
        for deed in told {
            lines.push(format!("{}: {}", deed.name, deed.text()));
            if deed.name == "returns" {
                break;
            }
        }
        lines.join("\n")
    }

    /// Types a line; what came out at domain 0's terminal.
    fn line(&mut self, text: &str) -> String {
        self.act(&Action::Line { console: ConsoleId(1), text: text.to_owned() });
        let bytes = self.events.iter().filter_map(|e| match &e.kind {
            EventKind::Output { bytes, .. } => Some(String::from_utf8_lossy(bytes).into_owned()),
            _ => None,
        });
        bytes.collect()
    }
}

#[test]
fn a_domain_is_made_listed_attached_to_and_destroyed() {
    let mut session = Session::with_guest();
    let list = session.line("xl list");
    assert!(list.contains("Domain-0                                     0   640     2     r-----"), "{list}");
    assert!(list.contains("guest1                                       1   192     1     -b----"), "{list}");
    session.line("xl console guest1");
    assert_eq!(session.line("hostname; nproc"), "hostname; nproc\nguest1\n1\nroot@guest1:~# ");
    session.line("\u{1d}");
    assert_eq!(session.line("hostname"), "lab\n");
    session.line("xl destroy guest1");
    assert_eq!(session.line("xl list | wc -l"), "2\n");
}

#[test]
fn a_typed_hypercall_is_carried_out() {
    let mut session = Session::with_guest();
    let said = session.hypercall(0, "event_channel_op(EVTCHNOP_alloc_unbound, {dom=0, remote_dom=1})");
    let wanted = "event_channel_op: The kernel of domain 0 makes hypercall 32, command 6.\nreturns: Xen gives port 28.";
    assert_eq!(said, wanted);
}

#[test]
fn a_write_in_a_guest_is_in_every_view() {
    let mut session = Session::with_guest();
    session.line("xl console guest1");
    let before = session.running.machine.clone();
    session.line("dd if=/dev/zero of=/dev/xvda bs=4096 count=1 conv=fsync");
    let (before, after) = (before.parts_of_xen(), session.running.machine.parts_of_xen());

    let lanes =
        HypercallLanes::of_step(&session.events, &session.running.world, &Default::default(), &Default::default());
    let text = lanes.text();
    for step in [
        "blkfront puts request",
        "event_channel_op",
        "blkback has taken request",
        "blkback puts the response",
        "blkfront takes the response",
    ] {
        assert!(
            lanes.arrows.iter().any(|arrow| arrow.text.contains(step) || arrow.name == step),
            "{step} is not in\n{text}"
        );
    }
    assert!(lanes.arrows.iter().any(|arrow| arrow.name == "fsync" && arrow.domain == 1), "{text}");

    let lending = Lending::of_step(before, after);
    let ring = lending.rings.iter().find(|ring| ring.device == "vbd 51712 of d1").expect("the disk has a ring");
    assert_eq!((ring.waiting(), ring.in_work()), (0, 0), "{}", lending.text());
    assert!(ring.indices.iter().any(|index| index.name == "rsp_prod" && index.is_moved()), "{}", lending.text());

    let channels = Channels::of_step(before, after, &session.events);
    assert!(channels.domains[1].ports.iter().any(|port| port.arrived > 0), "{}", channels.text());
    let store = Store::of_step(before, after);
    let connected = |half: (usize, kernel_model::projection::Change)| half.0 == 4;
    assert!(store.handshakes.iter().all(|shake| connected(shake.front) && connected(shake.back)), "{}", store.text());
    assert!(store.seen_by(1).count() < store.seen_by(0).count());
    let frames = MachineFrames::of_step(before, after);
    assert!(frames.tables.iter().any(|table| table.owner == "d0" && table.is_pinned), "{}", frames.summary());
}

#[test]
fn a_machine_that_is_copied_at_every_turn_does_the_same() {
    let costs = Costs::preset(DEFAULT_PRESET).expect("it can be read");
    let mut machine = XenHost::new(KernelRing::Three, costs).expect("there is room");
    Measured::tell(&mut machine);
    let config = Config { terminal: true, ..Config::default() };
    let mut live = Running::boot(config, machine.clone());
    let mut copied = Running::boot(config, machine);
    let disk_only: String = CONFIG.lines().filter(|line| !line.starts_with("vif")).map(|l| format!("{l}\n")).collect();
    let lines = [
        "true".to_owned(),
        format!("cat > /g.cfg <<'END'\n{disk_only}END"),
        "xl create /g.cfg".to_owned(),
        "xl console guest1".to_owned(),
        "dd if=/dev/zero of=/dev/xvda bs=4096 count=1 conv=fsync".to_owned(),
    ];
    for text in lines {
        let line = Action::Line { console: ConsoleId(1), text };
        for running in [&mut live, &mut copied] {
            running.inject(&line, &mut Trace::silent());
        }
        loop {
            copied = copied.clone();
            let (mut one, mut other) = (Trace::new(), Trace::new());
            let turns = (live.turn(&mut one), copied.turn(&mut other));
            let differs = one.events.iter().zip(&other.events).position(|(a, b)| a != b);
            assert!(
                differs.is_none() && one.events.len() == other.events.len() && turns.0 == turns.1,
                "{line:?}: {:#?}\nand in the copy {:#?}",
                one.events,
                other.events,
            );
            if turns.0 == Turn::AtRest {
                break;
            }
        }
    }
}
