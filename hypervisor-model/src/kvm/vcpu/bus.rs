//! What the guest's processor reaches: memory through the tables that KVM has given it.

use crate::cpu::bus::{Access, AccessKind, Bus, Flush};
use crate::cpu::control::ControlRegister;
use crate::cpu::sensitive::{Cause, Stop};
use crate::cpu::{Cpu, Exception};
use crate::kvm::mmu::{KvmMmu, MemoryExit, MemoryStop, Mmu, VcpuMmu};
use crate::memory::{Gpa, Hpa, PAGE_SIZE, PhysicalMemory};
use crate::paging::fault::Attempt;
use crate::paging::{FormatKind, PagingState, Silent};

/// Memory of a guest while it runs.
pub(super) struct GuestBus<'a> {
    pub memory: &'a mut PhysicalMemory,
    pub vm: &'a mut KvmMmu,
    pub mmu: &'a mut VcpuMmu,
    /// The processor asks for the right to write before it loads what it will store again.
    pub asks_before_modify: bool,
    /// The exit that the last access made.
    pub exit: Option<MemoryExit>,
    /// The page from which the last instruction was fetched: its translation is cached.
    fetched: Option<u64>,
}

impl<'a> GuestBus<'a> {
    pub fn new(memory: &'a mut PhysicalMemory, vm: &'a mut KvmMmu, mmu: &'a mut VcpuMmu, asks: bool) -> Self {
        GuestBus { memory, vm, mmu, asks_before_modify: asks, exit: None, fetched: None }
    }

    /// Where an access of the guest ends in the machine's memory.
    fn locate(&mut self, linear: u64, attempt: Attempt) -> Result<Hpa, Stop> {
        let mut mmu = Mmu { memory: self.memory, vm: self.vm, vcpu: self.mmu };
        match mmu.access(linear, attempt, &mut Silent) {
            Ok(leaf) => Ok(leaf.at(linear)),
            Err(MemoryStop::GuestFault(fault)) => Err(Stop::Fault(Exception::page_fault(fault.code, fault.linear))),
            Err(MemoryStop::Exit(exit)) => {
                self.exit = Some(exit);
                Err(match exit {
                    // It is an exception, and the exception bitmap makes it an exit.
                    MemoryExit::PageFault { fault, .. } => Stop::Fault(Exception::page_fault(fault.code, fault.linear)),
                    MemoryExit::Nested(fault) => Stop::Exit(Cause::NestedFault(fault)),
                    MemoryExit::PmlFull => Stop::Exit(Cause::MonitorTrap),
                })
            }
        }
    }

    /// The two parts of an access that runs on into the next page: address and size of each.
    fn parts(access: &Access) -> ((u64, u8), Option<(u64, u8)>) {
        let room = PAGE_SIZE - (access.linear & (PAGE_SIZE - 1));
        match u8::try_from(room) {
            Ok(room) if room < access.size => {
                ((access.linear, room), Some((access.linear.wrapping_add(u64::from(room)), access.size - room)))
            }
            _ => ((access.linear, access.size), None),
        }
    }

    /// Fetches an instruction; nothing comes of it but faults and exits.
    pub fn fetch(&mut self, cpu: &Cpu, linear: u64, length: u64) -> Result<(), Stop> {
        let (first, last) = (linear & !(PAGE_SIZE - 1), linear.wrapping_add(length.max(1) - 1) & !(PAGE_SIZE - 1));
        if self.fetched == Some(first) && first == last {
            return Ok(());
        }
        for page in [first, last] {
            let access = Access { linear: page.max(linear), size: 1, kind: AccessKind::Fetch, is_implicit: false };
            self.locate(access.linear, Attempt::of(&access, cpu))?;
        }
        self.fetched = Some(last);
        Ok(())
    }

    /// The four page-directory-pointer entries of PAE paging, which a load of CR3 caches.
    fn pdptes(&self, cpu: &Cpu) -> [u64; 4] {
        let mut entries = [0; 4];
        for (at, entry) in entries.iter_mut().enumerate() {
            let gpa = Gpa(cpu.cr3 & 0xffff_ffe0).plus(8 * at as u64);
            *entry = self.vm.hpa(gpa).map_or(0, |hpa| self.memory.read_u64(hpa));
        }
        entries
    }
}

impl Bus for GuestBus<'_> {
    fn read(&mut self, cpu: &Cpu, access: Access) -> Result<u64, Stop> {
        let attempt = Attempt::of(&access, cpu);
        let ((linear, size), rest) = GuestBus::parts(&access);
        let low = self.locate(linear, attempt)?;
        let Some((linear, more)) = rest else { return Ok(self.memory.read(low, size)) };
        let high = self.locate(linear, attempt)?;
        Ok(self.memory.read(low, size) | self.memory.read(high, more) << (8 * u32::from(size)))
    }

    fn write(&mut self, cpu: &Cpu, access: Access, value: u64) -> Result<(), Stop> {
        let attempt = Attempt::of(&access, cpu);
        let ((linear, size), rest) = GuestBus::parts(&access);
        let low = self.locate(linear, attempt)?;
        if let Some((linear, more)) = rest {
            let high = self.locate(linear, attempt)?;
            self.memory.write(high, more, value >> (8 * u32::from(size)));
        }
        self.memory.write(low, size, value);
        Ok(())
    }

    fn before_modify(&mut self, cpu: &Cpu, access: Access) -> Result<(), Stop> {
        if self.asks_before_modify {
            self.locate(access.linear, Attempt { kind: AccessKind::Write, ..Attempt::of(&access, cpu) })?;
        }
        Ok(())
    }

    fn port_in(&mut self, _cpu: &Cpu, _port: u16, _size: u8) -> u32 {
        u32::MAX
    }

    fn port_out(&mut self, _cpu: &Cpu, _port: u16, _size: u8, _value: u32) {}

    fn flush(&mut self, cpu: &Cpu, flush: Flush) {
        self.fetched = None;
        let is_paging = matches!(
            flush,
            Flush::ControlRegister { register: ControlRegister::Cr0 | ControlRegister::Cr3 | ControlRegister::Cr4, .. }
        );
        if is_paging && self.vm.config.is_tdp() {
            let mut state = PagingState::of(cpu, self.mmu.guest.pdptes, self.mmu.guest.features);
            if state.format() == Some(FormatKind::Pae) {
                state.pdptes = self.pdptes(cpu);
            }
            Mmu { memory: self.memory, vm: self.vm, vcpu: self.mmu }.observe(state);
        }
    }
}
