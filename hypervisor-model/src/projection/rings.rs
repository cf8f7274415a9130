//! Rings and modes: where the processor is, and the path that it took.

use crate::cpu::{CpuEvent, Operation};
use crate::machine::console::{Row, Setting};
use std::fmt::Write;

/// A place of a processor: on which side of the hypervisor, in which ring.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Place {
    /// Whether it is the hypervisor's side (VMX root operation), or there is no hypervisor.
    pub is_host: bool,
    /// The ring.
    pub ring: u8,
}

/// One passage from place to place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Passage {
    /// From where.
    pub from: Place,
    /// To where.
    pub to: Place,
    /// The instruction that made it, or the name of the exit or entry.
    pub how: String,
    /// Which row of the console it belongs to.
    pub row: usize,
}

/// The picture: every place that can be, the passages, the place now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rings {
    /// Whether there is a hypervisor that the processor knows of.
    pub has_guest: bool,
    /// Where the processor began.
    pub start: Place,
    /// The passages in their order.
    pub path: Vec<Passage>,
    /// Where it is.
    pub now: Place,
}

impl Rings {
    /// The path of a processor through the rows of a console.
    #[must_use]
    pub fn of(rows: &[Row], setting: &Setting) -> Rings {
        let has_guest = setting.platform.is_hardware_assisted();
        let side = |ring| Place { is_host: !has_guest, ring };
        let start = side(rows.first().map_or(setting.ring, |row| row.ring));
        let mut rings = Rings { has_guest, start, path: Vec::new(), now: start };
        for (index, row) in rows.iter().enumerate() {
            // Between two rows a handler that is not shown has returned.
            rings.go(side(row.ring), "return", index);
            for event in &row.events {
                match *event {
                    CpuEvent::RingChanged { to, .. } => rings.go(side(to), &row.instruction, index),
                    CpuEvent::Exited(_) => rings.exit(row, index),
                    _ => {}
                }
            }
            // An exception that the hypervisor wants to know of.
            let exits =
                row.exit_reason.is_some() && !row.events.iter().any(|event| matches!(event, CpuEvent::Exited(_)));
            if has_guest && exits {
                rings.exit(row, index);
            }
        }
        rings
    }

    fn go(&mut self, to: Place, how: &str, row: usize) {
        if self.now != to {
            self.path.push(Passage { from: self.now, to, how: how.to_owned(), row });
            self.now = to;
        }
    }

    /// Out to the hypervisor, and in again.
    fn exit(&mut self, row: &Row, index: usize) {
        let guest = self.now;
        let reason = row.exit_reason.as_deref().unwrap_or("exit");
        self.go(Place { is_host: true, ring: 0 }, &format!("exit {reason}"), index);
        self.go(guest, "entry", index);
    }

    /// How often the processor changed its ring or its side.
    #[must_use]
    pub fn crossings(&self) -> usize {
        self.path.len()
    }

    /// The text twin.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::from("where   ring 0  ring 1  ring 2  ring 3\n");
        let sides: &[bool] = if self.has_guest { &[true, false] } else { &[true] };
        for is_host in sides {
            let name = match (self.has_guest, is_host) {
                (true, true) => "host",
                (true, false) => "guest",
                _ => "machine",
            };
            let cells: Vec<String> = (0..4)
                .map(|ring| {
                    let place = Place { is_host: *is_host, ring };
                    let visits = self.path.iter().filter(|passage| passage.to == place).count();
                    let mark = match (place == self.now, visits + usize::from(place == self.start)) {
                        (true, _) => "now".to_owned(),
                        (false, 0) => "-".to_owned(),
                        (false, visits) => format!("{visits}x"),
                    };
                    format!("{mark:<6}")
                })
                .collect();
            let _ = writeln!(text, "{name:<7} {}", cells.join("  ").trim_end());
        }
        for passage in &self.path {
            let place = |place: Place| match (self.has_guest, place.is_host) {
                (true, true) => format!("host {}", place.ring),
                (true, false) => format!("guest {}", place.ring),
                _ => format!("{}", place.ring),
            };
            let _ = writeln!(text, "{} -> {}: {}", place(passage.from), place(passage.to), passage.how);
        }
        text
    }
}

/// The side of the hypervisor that a processor is on, for pictures of one processor alone.
#[must_use]
pub fn is_host(operation: Operation) -> bool {
    operation != Operation::NonRoot
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::instruction::parse::parse;
    use crate::machine::console::platform::ConsolePlatform;
    use crate::machine::console::run;

    fn text(program: &str, platform: ConsolePlatform, ring: u8) -> String {
        let setting = Setting { ring, ..Setting::of(platform) };
        let rows = run(&parse(program).expect("a program").lines, &setting).expect("a setting");
        Rings::of(&rows, &setting).text()
    }

    #[test]
    fn nothing_crossed() {
        assert_eq!(
            text("nop; add rax, rbx", ConsolePlatform::Native, 3),
            "where   ring 0  ring 1  ring 2  ring 3\nmachine -       -       -       now\n"
        );
    }

    #[test]
    fn a_system_call_and_its_return() {
        assert_eq!(
            text("syscall { swapgs; sysretq }; int 0x80; nop", ConsolePlatform::Native, 3),
            "\
where   ring 0  ring 1  ring 2  ring 3
machine 2x      -       -       now
3 -> 0: syscall
0 -> 3: sysretq
3 -> 0: int 0x80
0 -> 3: return
"
        );
    }

    #[test]
    fn an_exit_goes_to_the_host_and_back() {
        assert_eq!(
            text("cpuid; ud2", ConsolePlatform::KvmEpt, 0),
            "\
where   ring 0  ring 1  ring 2  ring 3
host    2x      -       -       -
guest   now     -       -       -
guest 0 -> host 0: exit CPUID
host 0 -> guest 0: entry
guest 0 -> host 0: exit EXCEPTION_NMI
host 0 -> guest 0: entry
"
        );
    }
}
