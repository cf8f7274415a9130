//! One write to a file and one ping from a process in a guest, to the device and back: every ring, page and event on the way.
//!
//! What is kept in `tests/xen/trace-*.txt` is what a session tells, none of it written by hand.

use std::fmt::Write;

use hypervisor_model::machine::Platform;
use hypervisor_model::machine::measured::{Measured, machine_of};
use kernel_model::action::Action;
use kernel_model::console::ConsoleId;
use kernel_model::event::{Event, EventKind};
use kernel_model::machine::report::{DeedKind, Lane, Report};
use kernel_model::projection::label::label;
use kernel_model::projection::machine::seen;
use kernel_model::timeline::{Session as Saved, Timeline};
use kernel_model::world::Config;
use lessons::permalink::Permalink;

use super::session::{GUEST, Session, must_be_kept};

/// Who is at work, and what happens; `None` for what is no step on the way: page tables, processors and their clocks.
fn step(session: &Session, event: &Event) -> Option<(String, String)> {
    let (inner, world, names) = seen(event, &session.running.world, &session.running.machine);
    if let EventKind::Machine(Report::Did(deed)) = &inner.kind {
        if matches!(deed.kind, DeedKind::Walk | DeedKind::Flush | DeedKind::Table) {
            return None;
        }
        let lane = |lane| match lane {
            Lane::GuestUser => "program",
            Lane::GuestKernel => "kernel",
            Lane::Hypervisor => "Xen",
            Lane::DeviceModel | Lane::Device => "domain 0",
        };
        let way = match (lane(deed.from), lane(deed.to)) {
            (from, to) if from == to => from.to_owned(),
            (from, to) => format!("{from} -> {to}"),
        };
        let name = if deed.kind == DeedKind::Hypercall { format!(" ({})", deed.name) } else { String::new() };
        return Some((way, format!("{}{name}", deed.text())));
    }
    let is_noise = matches!(
        inner.kind,
        EventKind::Privileged { .. }
            | EventKind::Switched { .. }
            | EventKind::Idled { .. }
            | EventKind::Migrated { .. }
            | EventKind::ClockAdvanced { .. }
            | EventKind::Output { .. }
    );
    let who = names.last().map_or_else(|| "domain 0".to_owned(), |name| (*name).to_owned());
    (!is_noise).then(|| (who, label(&inner.kind, world)))
}

/// The steps of the last line, from the first that contains one text to the first after it that contains the other.
fn steps(session: &Session, from: &str, to: &str) -> String {
    let all = session.events.iter().filter_map(|event| step(session, event));
    let mut text = String::new();
    let mut is_on_the_way = false;
    for (who, what) in all {
        is_on_the_way |= what.contains(from);
        if is_on_the_way {
            let _ = writeln!(text, "{who:<20} {what}");
            if what.contains(to) && !what.contains(from) {
                return text;
            }
        }
    }
    panic!("no way from {from} to {to}:\n{text}");
}

#[test]
fn one_write_is_followed_from_a_process_of_a_guest_to_domain_0s_disk_and_back() {
    let mut session = Session::with_guest(GUEST);
    session.line("xl console guest1");
    assert_eq!(session.guest_line("mkfs.ext4 -q /dev/xvda; mount /dev/xvda /mnt; sync"), "");
    assert_eq!(session.guest_line("echo 'once upon a time' > /tmp/story"), "");
    assert_eq!(session.guest_line("dd if=/tmp/story of=/mnt/story conv=fsync status=none"), "");
    let text = steps(&session, "\"once upon a time", "fsync = 0");
    // It is on domain 0's disk, in the sector that the request names.
    let sector = text.split("for sector ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or_default();
    session.line("\u{1d}");
    let read = format!("dd if=/dev/vda bs=512 skip={sector} count=1 status=none | head -1");
    assert_eq!(session.line(&read), "once upon a time\n");
    must_be_kept("trace-write.txt", &text);
}

#[test]
fn one_ping_is_followed_from_a_process_of_a_guest_to_domain_0_and_back() {
    let mut session = Session::with_guest(GUEST);
    session.line("xl console guest1");
    session.guest_line("ip addr add 10.0.0.2/24 dev eth0; ip link set eth0 up");
    let first = session.guest_line("ping -c 1 10.0.0.1");
    assert!(first.contains("1 packets transmitted, 1 received, 0% packet loss"), "{first}");
    // The addresses are known now: the second one shows the packet alone.
    session.guest_line("ping -c 1 10.0.0.1");
    let text = steps(&session, "sendto(", "recvfrom = 84");
    must_be_kept("trace-ping.txt", &text);
}

/// The configuration of the guest of the links: what is typed in domain 0.
const FILE: &str = "cat > guest1.cfg <<'END'\nname=\"guest1\"\ntype=\"pv\"\nkernel=\"/bin/true\"\nmemory=192\nvcpus=1\n\
                    disk=['format=raw,vdev=xvda,access=rw,script=block-simple,target=/dev/vda']\n\
                    vif=['mac=00:16:3e:00:00:01,script=vif-bridge']\nEND";

/// The session of a link, at rest.
fn made(session: Saved) -> Timeline<Box<dyn Measured>> {
    let mut timeline = Timeline::new(session.config, machine_of(&session.config));
    for stamped in session.actions {
        timeline.act(stamped.action);
        assert!(timeline.run(4_000_000), "it does not come to rest");
    }
    timeline
}

/// The link for a lecture is the one that is kept, and opens at this step of its last line.
fn opens_at(name: &str, lines: &[&str], step: &str) {
    let config = Config { terminal: true, machine: Platform::XenPv64.code(), ..Config::default() };
    let mut timeline = Timeline::new(config, machine_of(&config));
    for line in lines {
        timeline.act(Action::Line { console: ConsoleId(1), text: (*line).to_owned() });
        assert!(timeline.run(4_000_000), "{line} does not come to rest");
    }
    timeline.seek_step(step);
    let link = Permalink { cursor: Some(timeline.position()), session: timeline.session() };
    must_be_kept(name, &format!("#s={}\n", link.to_text()));
    let opened = Permalink::from_text(&link.to_text()).expect("it can be read");
    let mut again = made(opened.session);
    again.seek(opened.cursor.expect("it has a place"));
    let shown = again.current_event().expect("there is one");
    let (inner, world, names) = seen(&shown, again.head(), again.machine_at_head());
    assert!(label(&inner.kind, world).contains(step) && names == ["guest1"], "it opens at {shown:?}");
    assert!(again.position() < again.len(), "what follows is still to come");
}

#[test]
fn the_links_for_a_lecture_open_where_the_write_and_the_ping_begin() {
    let bridge = "ip link add xenbr0 type bridge; ip addr add 10.0.0.1/24 dev xenbr0; ip link set xenbr0 up";
    let begin = [bridge, FILE, "xl create guest1.cfg", "xl console guest1"];
    let written = ["mkfs.ext4 -q /dev/xvda; mount /dev/xvda /mnt; sync; echo 'once upon a time' > /tmp/story"];
    let write = [&begin[..], &written, &["dd if=/tmp/story of=/mnt/story conv=fsync status=none"]].concat();
    opens_at("link-write.txt", &write, "\"once upon a time");
    let pinged = ["ip addr add 10.0.0.2/24 dev eth0; ip link set eth0 up; ping -c 1 10.0.0.1"];
    let ping = [&begin[..], &pinged, &["ping -c 1 10.0.0.1"]].concat();
    opens_at("link-ping.txt", &ping, "sendto(");
}
