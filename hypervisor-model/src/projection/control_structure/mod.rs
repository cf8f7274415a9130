//! The control structure of a guest, for eyes: a VMCS or a VMCB in its groups, field by field, and what the last exit wrote.
//!
//! How to get it: [`ControlStructure::of`] with the [`Hardware`] of a virtual processor; [`ControlStructures`] is those of a
//! machine before and after a step, by the names of both vendors. The text twins leave fields out that hold 0 and were not
//! written by the last exit.

mod vmcb;
mod vmcs;

use std::fmt::Write;

use crate::cpu::Vendor;
use crate::kvm::vcpu::hardware::Hardware;
use crate::machine::virtual_processor::VirtualProcessor;
use crate::vmx::interruption::{EventType, Interruption, exception_name};

/// A field.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FieldRow {
    /// What the manual calls it.
    pub name: String,
    /// Its encoding in a VMCS, its offset in a VMCB.
    pub place: String,
    /// What it holds; none where this model does not know.
    pub value: Option<u64>,
    /// That in words; empty where the number says all.
    pub meaning: String,
    /// The last exit wrote it.
    pub is_written: bool,
    /// What it held at the entry before, where that was something else.
    pub before: Option<u64>,
}

impl FieldRow {
    fn new(name: &str, place: String, value: u64) -> FieldRow {
        let name = name.to_owned();
        FieldRow { name, place, value: Some(value), meaning: String::new(), is_written: false, before: None }
    }

    fn written(self, is_written: bool) -> FieldRow {
        FieldRow { is_written, ..self }
    }

    fn means(self, meaning: impl Into<String>) -> FieldRow {
        FieldRow { meaning: meaning.into(), ..self }
    }

    /// Whether there is something to be seen: it holds something, or the last exit wrote it.
    #[must_use]
    pub fn is_shown(&self) -> bool {
        self.value.is_some_and(|value| value != 0) || self.is_written && self.value.is_some()
    }
}

/// Fields that belong together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    /// What the manual calls the area.
    pub title: String,
    /// Its fields.
    pub fields: Vec<FieldRow>,
}

impl Group {
    /// The fields of which this model does not know what they hold here.
    pub fn unknown(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().filter(|field| field.value.is_none()).map(|field| field.name.as_str())
    }
}

/// A VMCS or a VMCB.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ControlStructure {
    /// `VMCS, launched`, `VMCB`.
    pub title: String,
    /// Its areas.
    pub groups: Vec<Group>,
}

impl ControlStructure {
    /// That of a virtual processor.
    #[must_use]
    pub fn of(hardware: &Hardware) -> ControlStructure {
        match hardware {
            Hardware::Vmx(vmx) => vmcs::structure(&vmx.vmcs),
            Hardware::Svm(svm) => vmcb::structure(&svm.vmcb),
        }
    }

    /// Notes in each field what it held at the entry before, where that was something else.
    fn since(mut self, entered: &ControlStructure) -> ControlStructure {
        for (group, before) in self.groups.iter_mut().zip(&entered.groups) {
            for (field, before) in group.fields.iter_mut().zip(&before.fields) {
                field.before = before.value.filter(|_| before.value != field.value);
            }
        }
        self
    }

    /// Forgets the values of all fields but these.
    fn knows_only(mut self, known: &[&str]) -> ControlStructure {
        for field in self.groups.iter_mut().flat_map(|group| &mut group.fields) {
            if !known.contains(&field.name.as_str()) {
                (field.value, field.before, field.is_written) = (None, None, false);
            }
        }
        self
    }

    /// The text twin.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{}\n", self.title);
        for group in &self.groups {
            let _ = writeln!(text, "{}", group.title);
            for row in group.fields.iter().filter(|row| row.is_shown()) {
                let mark = if row.is_written { '*' } else { ' ' };
                let before = row.before.map_or_else(String::new, |before| format!(" (was {before:#x})"));
                let (place, name, value) = (&row.place, &row.name, row.value.unwrap_or(0));
                let line = format!("{mark} {place} {name:42} {value:#x}{before}  {}", row.meaning);
                let _ = writeln!(text, "{}", line.trim_end());
            }
            match group.unknown().count() {
                0 => {}
                count => {
                    let _ = writeln!(text, "  not in this model here: {count} fields");
                }
            }
        }
        text
    }
}

/// The control structure of one virtual processor, by the names of both vendors.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Inspected {
    /// Whose processor it is.
    pub name: String,
    /// It has exited in the step.
    pub has_exited: bool,
    /// On a processor with VT-x.
    pub vmcs: ControlStructure,
    /// On one with AMD-V.
    pub vmcb: ControlStructure,
}

impl Inspected {
    /// By the names of a vendor.
    #[must_use]
    pub fn by(&self, vendor: Vendor) -> &ControlStructure {
        match vendor {
            Vendor::Intel => &self.vmcs,
            Vendor::Amd => &self.vmcb,
        }
    }
}

/// The control structures of a machine.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ControlStructures {
    /// Those of processors that have exited at least once.
    pub processors: Vec<Inspected>,
}

impl ControlStructures {
    /// What the control structures of the virtual processors hold after a step.
    #[must_use]
    pub fn of(before: &[(String, VirtualProcessor)], after: &[(String, VirtualProcessor)]) -> ControlStructures {
        let mut of_guest = (String::new(), 0);
        let mut processors = Vec::new();
        for (at, (guest, processor)) in after.iter().enumerate() {
            of_guest = if of_guest.0 == *guest { (of_guest.0, of_guest.1 + 1) } else { (guest.clone(), 0) };
            if processor.exit.is_none() {
                continue;
            }
            let structure = |vendor| {
                let (entered, exited) = processor.control_structures(vendor);
                ControlStructure::of(&exited).since(&ControlStructure::of(&entered)).knows_only(known(vendor))
            };
            processors.push(Inspected {
                name: format!("{guest}, processor {}", of_guest.1),
                has_exited: before.get(at).is_none_or(|(_, before)| before != processor),
                vmcs: structure(Vendor::Intel),
                vmcb: structure(Vendor::Amd),
            });
        }
        ControlStructures { processors }
    }

    /// The processor to look at first: one that has exited in the step, else the first.
    #[must_use]
    pub fn first(&self) -> usize {
        self.processors.iter().position(|processor| processor.has_exited).unwrap_or(0)
    }

    /// The text twin: every processor, by the names of a vendor.
    #[must_use]
    pub fn text(&self, vendor: Vendor) -> String {
        let mut text = String::new();
        for processor in &self.processors {
            let _ = write!(text, "{}: {}", processor.name, processor.by(vendor).text());
        }
        if text.is_empty() {
            text.push_str(NOTHING);
            text.push('\n');
        }
        text
    }
}

/// Said when there is nothing to inspect.
pub const NOTHING: &str = "No guest of KVM has exited: there is no control structure to look at. There is one on kvm-ept and \
                           kvm-shadow, and for each guest that a host runs with qemu-system-x86_64.";

/// Said where fields are left out.
pub const UNKNOWN: &str = "A kernel is operations in this model, not instructions: its RIP, RSP and flags are not known, nor \
                           are the registers of the host.";

/// The fields that are known of a guest whose kernel is operations.
fn known(vendor: Vendor) -> &'static [&'static str] {
    match vendor {
        Vendor::Intel => vmcs::KNOWN,
        Vendor::Amd => vmcb::KNOWN,
    }
}

fn event_words(event: Interruption) -> String {
    let code = event.error_code.map_or_else(String::new, |code| format!(", error code {code:#x}"));
    let name = match event.vector {
        vector @ 0..32 => exception_name(vector),
        vector => format!("vector {vector:#04x}"),
    };
    let kind = match event.kind {
        EventType::External => "external interrupt",
        EventType::Nmi => "NMI",
        EventType::HardwareException => "hardware exception",
        EventType::SoftwareInterrupt => "software interrupt",
        EventType::PrivilegedSoftwareException => "privileged software exception",
        EventType::SoftwareException => "software exception",
        EventType::Other => "other event",
    };
    format!("{kind} {name}{code}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kvm::probe::machine::{Column, finished};
    use crate::kvm::probe::{Mode, guest, sequence};

    fn text(column: Column) -> String {
        let guest = guest();
        let (code, sequence) =
            sequence::find(&guest, Mode::Long, "out 0x60, al").expect("a sequence of the recordings");
        let machine = finished(&code, &sequence, column).expect("it runs");
        ControlStructure::of(&machine.vcpu.hardware).text()
    }

    #[test]
    fn a_vmcs_shows_what_the_last_exit_wrote() {
        let text = text(Column::VmxEpt);
        assert!(text.starts_with("VMCS, launched\nVM-exit information fields\n"), "{text}");
        assert!(text.contains("* 0x4402 exit reason                                0x1e  I/O instruction\n"), "{text}");
        assert!(text.contains("0x100040  out, 1 byte, port 0x10\n"), "{text}");
    }

    #[test]
    fn a_vmcb_shows_code_and_information() {
        let text = text(Column::SvmNpt);
        assert!(text.contains("* 0x070 EXITCODE                                   0x7b  VMEXIT_IOIO\n"), "{text}");
        assert!(text.contains("NP_ENABLE"), "{text}");
    }

    #[test]
    fn what_is_known_are_fields() {
        let names = |structure: ControlStructure| -> Vec<String> {
            structure.groups.into_iter().flat_map(|group| group.fields).map(|field| field.name).collect()
        };
        let all = names(vmcs::structure(&crate::vmx::vmcs::Vmcs::default()));
        assert!(vmcs::KNOWN.iter().all(|known| all.iter().any(|name| name == known)));
        let all = names(vmcb::structure(&crate::svm::vmcb::Vmcb::default()));
        assert!(vmcb::KNOWN.iter().all(|known| all.iter().any(|name| name == known)));
    }
}
