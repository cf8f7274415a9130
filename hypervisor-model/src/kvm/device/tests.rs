//! Sessions at the console of a host with `/dev/kvm`.

use kernel_model::action::Action;
use kernel_model::console::ConsoleId;
use kernel_model::event::{Event, EventKind};
use kernel_model::kernel::Trace;
use kernel_model::machine::report::{DeedKind, Report};
use kernel_model::step::Running;
use kernel_model::world::Config;

use crate::machine::{BareMetal, Host};

mod memory;
mod migration;
mod network;

const CONSOLE: ConsoleId = ConsoleId(1);

/// A host at whose console one types.
struct Session {
    running: Running<Host<BareMetal>>,
    events: Vec<Event>,
}

impl Session {
    fn new() -> Session {
        let config = Config { terminal: true, ..Config::default() };
        let mut running = Running::boot(config, Host::default());
        assert!(running.run(100_000, &mut Trace::silent()));
        Session { running, events: Vec::new() }
    }

    /// What appears after a line was typed.
    fn line(&mut self, text: &str) -> String {
        let mut trace = Trace::new();
        self.running.inject(&Action::Line { console: CONSOLE, text: text.to_owned() }, &mut trace);
        let ended = self.running.run(400_000, &mut trace);
        assert_eq!(self.running.world.check(), Ok(()), "after {text}");
        let mut shown = String::new();
        for event in &trace.events {
            if let EventKind::Output { bytes, .. } = &event.kind {
                shown.push_str(&String::from_utf8_lossy(bytes));
            }
        }
        if !ended {
            shown.push_str("[does not end]");
        }
        self.events = trace.events;
        shown
    }

    /// How many exits of this reason the last line caused.
    fn exits(&self, reason: &str) -> usize {
        let is_one = |event: &&Event| match &event.kind {
            EventKind::Machine(Report::Did(deed)) => deed.kind == DeedKind::Exit && deed.name == reason,
            _ => false,
        };
        self.events.iter().filter(is_one).count()
    }
}

#[test]
fn a_guest_boots_in_the_foreground_of_a_console_and_its_shell_answers() {
    let mut host = Session::new();
    let q = "qemu-system-x86_64 -enable-kvm -m 64 -nographic";
    assert_eq!(host.line(q), "root@guest:~# ");
    assert_eq!(host.line("echo $((6 * 7)); hostname"), "echo $((6 * 7)); hostname\n42\nguest\nroot@guest:~# ");
    assert!(host.exits("IO_INSTRUCTION") > 30, "{}", host.exits("IO_INSTRUCTION"));
    assert_eq!(host.line("sleep 3; echo slept"), "sleep 3; echo slept\nslept\nroot@guest:~# ");
    assert_eq!(host.line("\u{1}x"), "QEMU: Terminated\n");
    assert_eq!(host.line("hostname"), "lab\n");
}

#[test]
fn what_cannot_be_done_is_said_in_qemus_words() {
    let mut host = Session::new();
    assert_eq!(
        host.line("qemu-system-x86_64 -enable-kvm -nographic -drive file=none.img,if=virtio"),
        "qemu-system-x86_64: -drive file=none.img,if=virtio: Could not open 'none.img': No such file or directory\n"
    );
}

#[test]
fn a_guest_goes_on_when_nobody_can_type_to_it_any_more() {
    let mut host = Session::new();
    host.line("qemu-system-x86_64 -enable-kvm -m 64 -nographic < /dev/null > /tmp/out &");
    assert_eq!(
        host.line("sleep 2; pidof qemu-system-x86_64 | wc -w; tail -c 14 /tmp/out; echo"),
        "1\nroot@guest:~# \n"
    );
    host.line("kill %1; wait");
    host.line("mkfifo /tmp/in; qemu-system-x86_64 -enable-kvm -m 64 -nographic < /tmp/in > /tmp/out &");
    host.line("(sleep 3; echo hostname) > /tmp/in; sleep 2");
    assert_eq!(host.line("pidof qemu-system-x86_64 | wc -w; tail -c 20 /tmp/out; echo"), "1\nguest\nroot@guest:~# \n");
}

#[test]
fn the_bus_has_so_many_slots() {
    let mut host = Session::new();
    host.line("head -c 1M /dev/zero > /tmp/d");
    let drives = " -drive file=/tmp/d,if=virtio".repeat(30);
    assert_eq!(
        host.line(&format!("qemu-system-x86_64 -enable-kvm -m 64 -nographic{drives}")),
        "qemu-system-x86_64: -drive file=/tmp/d,if=virtio: PCI: no slot/function available for virtio-blk-pci, all in use or \
         reserved\n"
    );
}
