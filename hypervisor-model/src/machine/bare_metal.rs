//! The bare machine: privileged operations run as they are, and are counted.

use kernel_model::pv_ops::{PvOp, PvOps};
use serde::{Deserialize, Serialize};

/// A machine with nothing between it and the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct BareMetal {
    /// Passages from ring 3 to ring 0 and back.
    pub ring_crossings: u64,
    /// Loads of CR3.
    pub cr3_writes: u64,
    /// How often the processor halted.
    pub halts: u64,
}

impl PvOps for BareMetal {
    fn execute(&mut self, _cpu: u32, op: PvOp) {
        match op {
            PvOp::WriteCr3 { .. } => self.cr3_writes += 1,
            PvOp::SafeHalt => self.halts += 1,
            PvOp::SyscallEntry | PvOp::ReturnToUser => self.ring_crossings += 1,
            PvOp::PageFault { at, .. } => self.ring_crossings += 2 * at.pages,
            PvOp::PgdAlloc { .. }
            | PvOp::SetPte { .. }
            | PvOp::ProtectPte { .. }
            | PvOp::ClearPte { .. }
            | PvOp::FlushTlb { .. }
            | PvOp::ExitMmap { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_call_crosses_the_ring_boundary_twice() {
        let mut machine = BareMetal::default();
        machine.execute(0, PvOp::SyscallEntry);
        machine.execute(0, PvOp::ReturnToUser);
        assert_eq!(machine.ring_crossings, 2);
    }
}
