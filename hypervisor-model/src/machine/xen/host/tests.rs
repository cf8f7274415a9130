//! Domain 0 and its guests, as sessions.

use kernel_model::action::Action;
use kernel_model::console::ConsoleId;
use kernel_model::kernel::Trace;
use kernel_model::step::{Running, Turn};
use kernel_model::world::Config;

use super::XenHost;
use super::session::{CONFIG, Session};
use crate::machine::cost::{Costs, DEFAULT_PRESET};
use crate::machine::measured::Measured;
use crate::machine::xen::KernelRing;
use crate::projection::xen::channels::Channels;
use crate::projection::xen::frames::MachineFrames;
use crate::projection::xen::grants::Lending;
use crate::projection::xen::lanes::HypercallLanes;
use crate::projection::xen::store::Store;

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
fn a_wish_that_a_guest_does_not_know_is_answered_once() {
    let mut session = Session::with_guest();
    session.line("xenstore-write /local/domain/1/control/shutdown dance");
    session.line("xenstore-write /tool/one 1");
    session.line("xenstore-write /tool/two 2");
    let printed = session.line("xl console guest1");
    assert_eq!(printed.matches("xen:manage: Ignoring shutdown request: dance\n").count(), 1, "{printed}");
    session.line("\u{1d}");
    session.line("xl shutdown guest1; sleep 1");
    assert_eq!(session.line("xl list | wc -l"), "2\n");
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
    let way: Vec<&str> = text.lines().skip_while(|line| !line.contains("blkfront puts request")).collect();
    let end = way.iter().position(|line| line.contains("blkfront takes the response")).expect("it comes back");
    assert_eq!(
        way[..=end].join("\n"),
        "guest kernel d1: blkfront puts request 1 for sector 0 into entry 1 of its ring.\n\
         guest kernel d1 -> Xen: The kernel of domain 1 makes hypercall 32, command 4.\n  \
         Xen: An event arrives at port 25 of domain 0.\n\
         Xen -> domain 0: Xen is entered and bounces the event upcall to the kernel of domain 0: it loads that kernel's page \
         table, pushes a frame on its stack and goes on at the handler that was registered.\n\
         domain 0 -> Xen: The kernel of domain 0 makes hypercall 23, command 0.\n\
         domain 0: blkback has taken request 1 off the ring, 1 segments at sector 0, and gives it to the disk.\n\
         domain 0: blkback puts the response to request 1 onto the ring: it is done.\n\
         domain 0 -> Xen: The kernel of domain 0 makes hypercall 32, command 4.\n  \
         Xen: An event arrives at port 8 of domain 1.\n\
         Xen -> guest kernel d1: Xen gives a processor to domain 1.\n\
         Xen -> guest kernel d1: Xen is entered and bounces the event upcall to the kernel of domain 1: it loads that \
         kernel's page table, pushes a frame on its stack and goes on at the handler that was registered.\n\
         guest kernel d1 -> Xen: The kernel of domain 1 makes hypercall 23, command 0.\n\
         guest kernel d1: blkfront takes the response to request 1 off its ring: the block layer is told."
    );
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
