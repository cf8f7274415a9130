//! What a processor reaches beyond its registers: memory by linear address, ports, translations to be dropped.
//!
//! Execution knows segments and linear addresses; what is behind a linear address (page walk, TLB, second-level
//! translation, device) is the bus's. Implementors: `memory` and `paging` for a whole machine, [`FlatMemory`] for
//! tests and the instruction console.

use super::control::ControlRegister;
use super::sensitive::Stop;
use super::{Cpu, Exception};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is done to memory.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum AccessKind {
    /// A load.
    Read,
    /// A store.
    Write,
    /// The fetch of an instruction.
    Fetch,
}

/// One access to linear memory.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Access {
    /// Linear address; canonical, the processor has looked.
    pub linear: u64,
    /// How many bytes: 1, 2, 4 or 8.
    pub size: u8,
    /// Load, store or fetch.
    pub kind: AccessKind,
    /// Whether the processor makes it for itself, to a descriptor table or a TSS: then it is a supervisor access
    /// whatever the CPL is (SDM vol. 3, 4.6 "Access Rights").
    pub is_implicit: bool,
}

impl Access {
    /// Whether the access counts as one of user mode for the U/S bit.
    #[must_use]
    pub fn is_user(&self, cpu: &Cpu) -> bool {
        cpu.cpl == 3 && !self.is_implicit
    }
}

/// What may make cached translations invalid. The rules of what is dropped belong to `paging`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Flush {
    /// A load of a control register; CR3's value with its bit 63 as it was written.
    ControlRegister {
        /// Which.
        register: ControlRegister,
        /// What it held.
        old: u64,
        /// What was written.
        new: u64,
    },
    /// INVLPG.
    Invlpg {
        /// Linear address.
        address: u64,
    },
    /// INVPCID.
    Invpcid {
        /// Type 0 to 3.
        kind: u64,
        /// The PCID of the descriptor.
        pcid: u16,
        /// The linear address of the descriptor.
        address: u64,
    },
    /// INVLPGA (AMD).
    Invlpga {
        /// Linear address.
        address: u64,
        /// Address-space identifier.
        asid: u32,
    },
}

/// What a processor reaches beyond its registers.
pub trait Bus {
    /// Loads from linear memory; also fetches.
    ///
    /// # Errors
    /// A page fault, or the exit that the access makes (second-level translation, device, APIC page).
    fn read(&mut self, cpu: &Cpu, access: Access) -> Result<u64, Stop>;

    /// Stores to linear memory.
    ///
    /// # Errors
    /// As [`Bus::read`].
    fn write(&mut self, cpu: &Cpu, access: Access, value: u64) -> Result<(), Stop>;

    /// What comes before the load of an instruction that loads, changes and stores: a processor may ask for the right to
    /// write at once, so that such an instruction faults as a write.
    ///
    /// # Errors
    /// As [`Bus::read`].
    fn before_modify(&mut self, _cpu: &Cpu, _access: Access) -> Result<(), Stop> {
        Ok(())
    }

    /// Reads a port; the exit that a port may make has been decided before.
    fn port_in(&mut self, cpu: &Cpu, port: u16, size: u8) -> u32;

    /// Writes a port.
    fn port_out(&mut self, cpu: &Cpu, port: u16, size: u8, value: u32);

    /// Drops cached translations; the register that it is about holds its new value already.
    fn flush(&mut self, cpu: &Cpu, flush: Flush);
}

/// Memory without paging: every linear address up to a size is there, what was never written reads 0.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct FlatMemory {
    bytes: BTreeMap<u64, u8>,
    /// Addresses from here on give `#PF`; 0 for no end.
    pub end: u64,
    /// What ports read.
    pub ports: BTreeMap<u16, u32>,
    /// What was dropped, in order.
    pub flushes: Vec<Flush>,
}

impl FlatMemory {
    /// Reads without asking anybody.
    #[must_use]
    pub fn peek(&self, address: u64, size: u8) -> u64 {
        (0..u64::from(size)).rev().fold(0, |value, byte| {
            value << 8 | u64::from(self.bytes.get(&address.wrapping_add(byte)).copied().unwrap_or(0))
        })
    }

    /// Writes without asking anybody.
    pub fn poke(&mut self, address: u64, size: u8, value: u64) {
        for (byte, part) in value.to_le_bytes().into_iter().take(usize::from(size)).enumerate() {
            self.bytes.insert(address.wrapping_add(byte as u64), part);
        }
    }

    fn check(&self, cpu: &Cpu, access: Access) -> Result<(), Stop> {
        if self.end == 0 || access.linear < self.end {
            return Ok(());
        }
        let write = if access.kind == AccessKind::Write { 2 } else { 0 };
        let user = if access.is_user(cpu) { 4 } else { 0 };
        Err(Stop::Fault(Exception::page_fault(write | user, access.linear)))
    }
}

impl Bus for FlatMemory {
    fn read(&mut self, cpu: &Cpu, access: Access) -> Result<u64, Stop> {
        self.check(cpu, access)?;
        Ok(self.peek(access.linear, access.size))
    }

    fn write(&mut self, cpu: &Cpu, access: Access, value: u64) -> Result<(), Stop> {
        self.check(cpu, access)?;
        self.poke(access.linear, access.size, value);
        Ok(())
    }

    fn port_in(&mut self, _cpu: &Cpu, port: u16, size: u8) -> u32 {
        let all = self.ports.get(&port).copied().unwrap_or(u32::MAX);
        if size >= 4 { all } else { all & ((1 << (8 * size)) - 1) }
    }

    fn port_out(&mut self, _cpu: &Cpu, port: u16, _size: u8, value: u32) {
        self.ports.insert(port, value);
    }

    fn flush(&mut self, _cpu: &Cpu, flush: Flush) {
        self.flushes.push(flush);
    }
}
