//! The table `pv_ops`: what each operation is on whom, and which of them the kernel used in a step.

use std::fmt::Write;

use kernel_model::event::{Event, EventKind};
use kernel_model::pv_ops::PvOp;

use crate::machine::Platform;
use crate::paravirt::pv_ops::{Becomes, Below, PV_OPS, PvOpInfo};

/// The picture.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PvTable {
    /// The operations with how often the kernel has used each in the step.
    pub rows: Vec<PvRow>,
    /// The column of the machine below, where it has one.
    pub here: Option<Below>,
}

/// An operation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PvRow {
    /// It.
    pub op: &'static PvOpInfo,
    /// How often in the step.
    pub used: u32,
}

/// The entries of the table that one operation of this kernel goes through.
fn entries(op: PvOp) -> &'static [&'static str] {
    match op {
        PvOp::WriteCr3 { .. } => &["write_cr3"],
        PvOp::SetPte { .. } | PvOp::ProtectPte { .. } | PvOp::ClearPte { .. } => &["set_pte"],
        PvOp::FlushTlb { .. } => &["flush_tlb_user"],
        PvOp::ExitMmap { .. } => &["exit_mmap"],
        PvOp::SafeHalt => &["safe_halt"],
        PvOp::ReturnToUser => &["iret"],
        // What the hardware does has no entry, and `pgd_alloc` none among these.
        PvOp::PgdAlloc { .. } | PvOp::SyscallEntry | PvOp::PageFault { .. } => &[],
    }
}

/// In a word: how an entry is reached.
pub fn how(becomes: Becomes) -> &'static str {
    match becomes {
        Becomes::Inline(..) => "inline",
        Becomes::Call(_) => "call",
        Becomes::Memory(_) => "memory",
        Becomes::Hypercall(_) => "hypercall",
        Becomes::Rom(_) => "ROM call",
        Becomes::Nothing(_) => "nothing",
    }
}

/// What an entry points to.
pub fn what(becomes: Becomes) -> &'static str {
    match becomes {
        Becomes::Inline(what, _)
        | Becomes::Call(what)
        | Becomes::Memory(what)
        | Becomes::Hypercall(what)
        | Becomes::Rom(what)
        | Becomes::Nothing(what) => what,
    }
}

/// Bytes in hexadecimal; `··` stands for one of an address.
pub fn hex(bytes: impl IntoIterator<Item = Option<u8>>) -> String {
    let byte = |byte: Option<u8>| byte.map_or_else(|| "··".to_owned(), |byte| format!("{byte:02x}"));
    bytes.into_iter().map(byte).collect::<Vec<_>>().join(" ")
}

impl PvTable {
    /// The table on a platform, and what a step used of it.
    pub fn of_step(events: &[Event], platform: Option<Platform>) -> PvTable {
        let used = |name: &str| {
            let through = |event: &&Event| match event.kind {
                EventKind::Privileged { op } => entries(op).contains(&name),
                _ => false,
            };
            events.iter().filter(through).count() as u32
        };
        let here = match platform {
            Some(Platform::XenPv32 | Platform::XenPv64) => Some(Below::Xen),
            Some(_) => Some(Below::Native),
            None => None,
        };
        PvTable { rows: PV_OPS.iter().map(|op| PvRow { op, used: used(op.name) }).collect(), here }
    }

    /// One sentence.
    pub fn summary(&self) -> String {
        let used = self.rows.iter().filter(|row| row.used > 0).count();
        let here = match self.here {
            Some(Below::Xen) => "The kernel was patched for Xen",
            Some(_) => "The kernel was patched for the bare processor",
            None => "Nobody looks at the machine",
        };
        format!("{here}; the step went through {used} of these {} entries.", self.rows.len())
    }

    /// The text twin.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n", self.summary());
        for PvRow { op, used } in &self.rows {
            let times = if *used > 0 { format!("  Δ {used} times in the step") } else { String::new() };
            let before = op.site_before().map(Some);
            let _ = writeln!(text, "\n{}.{}{times}\n  before patching    {}", op.group, op.name, hex(before));
            for below in Below::ALL {
                let becomes = op.on(below);
                let here = if self.here == Some(below) { ">" } else { "" };
                let site = hex(op.site_after(below));
                let name = below.name();
                let _ = writeln!(text, "{here:<1} {name:<8} {:<10} {site}  {}", how(becomes), what(becomes));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_column_of_the_machine_is_marked_and_the_sites_are_shown() {
        let table = PvTable::of_step(&[], Some(Platform::XenPv64));
        let text = table.text();
        assert!(text.starts_with("The kernel was patched for Xen; the step went through 0 of these 24 entries.\n"));
        assert!(text.contains("irq.irq_disable\n  before patching    ff 14 25 00 00 40 82\n"), "{text}");
        assert!(text.contains("\n  native   inline     fa 90 90 90 90 90 90  cli\n"), "{text}");
        assert!(text.contains("\n> Xen      memory     e8 ·· ·· ·· ·· 90 90  evtchn_upcall_mask = 1\n"), "{text}");
    }
}
