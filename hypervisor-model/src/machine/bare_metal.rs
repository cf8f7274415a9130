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
    /// The address space that CR3 names.
    pub address_space: u32,
    /// How often the processor halted.
    pub halts: u64,
}

impl PvOps for BareMetal {
    fn execute(&mut self, op: PvOp) {
        match op {
            PvOp::WriteCr3 { address_space } => {
                self.cr3_writes += 1;
                self.address_space = address_space;
            }
            PvOp::SafeHalt => self.halts += 1,
            PvOp::SyscallEntry | PvOp::ReturnToUser => self.ring_crossings += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_call_crosses_the_ring_boundary_twice() {
        let mut machine = BareMetal::default();
        machine.execute(PvOp::SyscallEntry);
        machine.execute(PvOp::ReturnToUser);
        assert_eq!(machine.ring_crossings, 2);
    }
}
