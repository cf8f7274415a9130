//! KVM's instruction emulator: an instruction done by the kernel on the guest's registers and memory
//! (`x86_emulate_instruction`, `arch/x86/kvm/emulate.c`).
//!
//! The instruction runs on the same [`cpu::execute`](crate::cpu::execute), on the registers as the guest sees them, with
//! memory through the guest's own tables and the memory slots. What is no memory goes to a device in the kernel or to
//! user space; a read from user space ends the attempt, and the instruction is emulated again with what was read.

use super::device::{Devices, IoAccess, MmioAccess};
use super::guest::Halt;
use super::run::Handled;
use super::{Completion, Machine, Trace};
use crate::cpu::bus::{Access, AccessKind, Bus, Flush};
use crate::cpu::control::ControlRegister;
use crate::cpu::execute::{Step, execute};
use crate::cpu::instruction::{Instruction, Opcode};
use crate::cpu::register::General;
use crate::cpu::sensitive::{Missing, Nothing, Outcome, Stop};
use crate::cpu::{Cpu, Exception, Rflags, Vector};
use crate::kvm::mmu::{Emulated, Mmu};
use crate::kvm::user_exit::UserExit;
use crate::memory::PAGE_SIZE;
use crate::paging::fault::{Attempt, PageFault};

/// How many accesses of INS are asked of user space at once.
const STRING_MAX: u64 = 1024;
/// Bit 14 of DR6: single step.
const DR6_BS: u64 = 1 << 14;

/// Memory as the emulator reaches it.
struct EmulatorBus<'a> {
    mmu: Mmu<'a>,
    devices: &'a mut Devices,
    apic: Option<u64>,
    /// What user space has read.
    supplied: Option<u64>,
    /// What user space is asked for.
    wanted: Option<MmioAccess>,
    requests_event: bool,
    task_priority: Option<u8>,
    flushes: Vec<Flush>,
}

impl EmulatorBus<'_> {
    fn fault(fault: PageFault) -> Stop {
        Stop::Fault(Exception::page_fault(fault.code, fault.linear))
    }
}

impl Bus for EmulatorBus<'_> {
    fn read(&mut self, cpu: &Cpu, access: Access) -> Result<u64, Stop> {
        let attempt = Attempt::of(&access, cpu);
        match self.mmu.emulated_read(access.linear, access.size, attempt).map_err(EmulatorBus::fault)? {
            Emulated::Memory(value) => Ok(value),
            Emulated::Mmio(gpa) => {
                if let Some(value) = self.devices.read_mmio(gpa, self.apic, cpu.cr8) {
                    return Ok(value);
                }
                if let Some(value) = self.supplied {
                    return Ok(value);
                }
                self.wanted = Some(MmioAccess { gpa, size: access.size, is_write: false, value: 0 });
                Err(Stop::NotModelled(Missing::Virtualization))
            }
        }
    }

    fn write(&mut self, cpu: &Cpu, access: Access, value: u64) -> Result<(), Stop> {
        let attempt = Attempt::of(&access, cpu);
        let (linear, size) = (access.linear, access.size);
        let Emulated::Mmio(gpa) = self.mmu.emulated_write(linear, size, value, attempt).map_err(EmulatorBus::fault)?
        else {
            return Ok(());
        };
        match self.devices.write_mmio(gpa, size, value, self.apic) {
            Some(written) => {
                self.requests_event |= written.requests_event;
                self.task_priority = written.task_priority.or(self.task_priority);
            }
            None => self.wanted = Some(MmioAccess { gpa, size, is_write: true, value }),
        }
        Ok(())
    }

    fn port_in(&mut self, _cpu: &Cpu, _port: u16, _size: u8) -> u32 {
        u32::MAX
    }

    fn port_out(&mut self, _cpu: &Cpu, _port: u16, _size: u8, _value: u32) {}

    fn flush(&mut self, _cpu: &Cpu, flush: Flush) {
        self.flushes.push(flush);
    }
}

impl Machine {
    /// Emulates the instruction at RIP.
    pub(super) fn emulate(&mut self) -> Result<Handled, Halt> {
        let instruction = self.instruction()?;
        self.trace.push(Trace::Emulated { rip: self.vcpu.cpu.rip });
        if matches!(instruction.opcode, Opcode::Ins | Opcode::Outs) {
            return self.emulate_string(&instruction);
        }
        let mut view = self.vcpu.as_guest_sees_it();
        let is_stepped = view.rflags.contains(Rflags::TF);
        let apic = self.apic_base();
        let supplied = self.vcpu.mmio_read;
        let mut bus = EmulatorBus {
            mmu: Mmu { memory: &mut self.memory, vm: &mut self.mmu, vcpu: &mut self.vcpu.mmu },
            devices: &mut self.devices,
            apic,
            supplied,
            wanted: None,
            requests_event: false,
            task_priority: None,
            flushes: Vec::new(),
        };
        let mut events = Vec::new();
        let mut step = Step { cpu: &mut view, bus: &mut bus, intercepts: &Nothing, events: &mut events };
        let outcome = execute(&mut step, &instruction);
        let (wanted, requests_event, priority, flushes) =
            (bus.wanted, bus.requests_event, bus.task_priority, bus.flushes);
        if let Some(access) = wanted.filter(|access| !access.is_write) {
            self.vcpu.run.mmio = Some(access);
            self.vcpu.completion = Some(Completion::MmioRead);
            return Ok(Handled::User(UserExit::Mmio));
        }
        self.vcpu.mmio_read = None;
        self.vcpu.events.is_requested |= requests_event;
        match outcome {
            Outcome::Executed | Outcome::Ignored(_) => {}
            Outcome::Fault(exception) => return Ok(self.raise(exception)),
            Outcome::Exit(_) => return Ok(Handled::Resume),
            Outcome::NotModelled(missing) => return Err(Halt::NotModelled(missing.to_string())),
        }
        if let Some(priority) = priority {
            view.cr8 = priority;
        }
        self.take_over(view, &flushes);
        if let Some(access) = wanted {
            self.vcpu.run.mmio = Some(access);
            return Ok(Handled::User(UserExit::Mmio));
        }
        if is_stepped {
            return Ok(self.raise(Exception { address: Some(DR6_BS), ..Exception::plain(Vector::DB) }));
        }
        Ok(Handled::Resume)
    }

    /// The registers after an emulated instruction; what it did to control registers and translations has
    /// consequences.
    fn take_over(&mut self, view: Cpu, flushes: &[Flush]) {
        let vcpu = &mut self.vcpu;
        let (cr0, cr3, cr4, efer) = (vcpu.cpu.cr0, vcpu.cpu.cr3, vcpu.cpu.cr4, vcpu.cpu.efer);
        let operation = vcpu.cpu.operation;
        let efer_before = vcpu.efer;
        (vcpu.cr0, vcpu.cr3, vcpu.cr4, vcpu.efer) = (view.cr0, view.cr3, view.cr4, view.efer);
        let new = Cpu { cr0, cr3, cr4, efer, operation, ..view };
        vcpu.cpu = new;
        let (cr0, cr4, efer) = (vcpu.cr0, vcpu.cr4, vcpu.efer);
        if efer != efer_before {
            self.mmu().set_efer(efer);
        }
        for flush in flushes {
            match *flush {
                Flush::ControlRegister { register: ControlRegister::Cr0, .. } => self.mmu().set_cr0(cr0),
                Flush::ControlRegister { register: ControlRegister::Cr3, new, .. } => self.mmu().set_cr3(new),
                Flush::ControlRegister { register: ControlRegister::Cr4, .. } => self.mmu().set_cr4(cr4),
                Flush::ControlRegister { .. } | Flush::Invlpga { .. } => {}
                Flush::Invlpg { address } => self.mmu().invlpg(address),
                Flush::Invpcid { kind, pcid, address } => self.mmu().invpcid(kind, pcid, address),
            }
        }
        self.vcpu.update_hardware();
    }

    /// INS and OUTS. Accesses that go to user space are made one by one (OUTS), or asked for together (INS); with REP
    /// the guest is entered again when there is nothing left, and finds out itself that RCX is 0.
    fn emulate_string(&mut self, instruction: &Instruction) -> Result<Handled, Halt> {
        let is_repeated = instruction.rep.is_some();
        let count = self.string_count(is_repeated);
        if count == 0 {
            return Ok(self.skip());
        }
        let (port, size) = self.string_port(instruction);
        if instruction.opcode == Opcode::Ins {
            let index = self.vcpu.cpu.registers.get(General::Rdi);
            let room = if self.vcpu.cpu.rflags.contains(Rflags::DF) {
                1
            } else {
                ((PAGE_SIZE - (index & (PAGE_SIZE - 1))) / u64::from(size)).max(1)
            };
            let count = count.min(room).min(STRING_MAX);
            if let Some(value) = self.devices.read_port(port, size) {
                return self.store_string(instruction, count, value);
            }
            let io = IoAccess { port, size, is_input: true, count: count as u32, value: 0 };
            self.vcpu.run.io = Some(io);
            self.vcpu.completion = Some(Completion::StringRead);
            return Ok(Handled::User(UserExit::Io));
        }
        for done in 1..=count.min(STRING_MAX) {
            let value = match self.string_element(AccessKind::Read, size, 0) {
                Ok(value) => value as u32,
                Err(fault) => return Ok(self.raise(Exception::page_fault(fault.code, fault.linear))),
            };
            self.advance_string(General::Rsi, size, is_repeated);
            let is_last = done == count.min(STRING_MAX);
            if !self.write_port(port, size, value) {
                if !is_repeated {
                    self.skip();
                }
                self.vcpu.run.io = Some(IoAccess { port, size, is_input: false, count: 1, value });
                return Ok(Handled::User(UserExit::Io));
            }
            if is_last && !is_repeated {
                return Ok(self.skip());
            }
        }
        Ok(Handled::Resume)
    }

    fn string_count(&self, is_repeated: bool) -> u64 {
        let mask = self.address_mask();
        if is_repeated { self.vcpu.cpu.registers.get(General::Rcx) & mask } else { 1 }
    }

    /// The bits of RCX, RSI and RDI that count.
    fn address_mask(&self) -> u64 {
        use crate::cpu::Mode;
        match self.vcpu.as_guest_sees_it().mode() {
            Mode::Long => u64::MAX,
            Mode::Real | Mode::Virtual8086 => 0xffff,
            Mode::Protected | Mode::Compatibility => 0xffff_ffff,
        }
    }

    fn string_port(&self, instruction: &Instruction) -> (u16, u8) {
        let size = instruction.width_suffix().map_or(1, |width| width.bytes());
        (self.vcpu.cpu.registers.get(General::Rdx) as u16, size)
    }

    /// One element of a string in memory: at DS:RSI, or at ES:RDI.
    fn string_element(&mut self, kind: AccessKind, size: u8, value: u64) -> Result<u64, PageFault> {
        let (index, segment) = match kind {
            AccessKind::Write => (General::Rdi, self.vcpu.cpu.segments.es),
            _ => (General::Rsi, self.vcpu.cpu.segments.ds),
        };
        let mask = self.address_mask();
        let offset = self.vcpu.cpu.registers.get(index) & mask;
        let linear = if mask == u64::MAX { offset } else { segment.descriptor.base.wrapping_add(offset) & 0xffff_ffff };
        let attempt = Attempt { kind, is_user: self.vcpu.cpu.cpl == 3, is_implicit: false };
        let mut mmu = self.mmu();
        let done = match kind {
            AccessKind::Write => mmu.emulated_write(linear, size, value, attempt)?,
            _ => mmu.emulated_read(linear, size, attempt)?,
        };
        Ok(match done {
            Emulated::Memory(value) => value,
            Emulated::Mmio(_) => u64::MAX,
        })
    }

    fn advance_string(&mut self, index: General, size: u8, is_repeated: bool) {
        let cpu = &mut self.vcpu.cpu;
        let stride = u64::from(size);
        let back = cpu.rflags.contains(Rflags::DF);
        let at = cpu.registers.get(index);
        cpu.registers.set(index, if back { at.wrapping_sub(stride) } else { at.wrapping_add(stride) });
        if is_repeated {
            let left = cpu.registers.get(General::Rcx).wrapping_sub(1);
            cpu.registers.set(General::Rcx, left);
        }
    }

    /// Stores what INS has read.
    fn store_string(&mut self, instruction: &Instruction, count: u64, value: u32) -> Result<Handled, Halt> {
        let is_repeated = instruction.rep.is_some();
        let (_, size) = self.string_port(instruction);
        for _ in 0..count {
            if let Err(fault) = self.string_element(AccessKind::Write, size, u64::from(value)) {
                return Ok(self.raise(Exception::page_fault(fault.code, fault.linear)));
            }
            self.advance_string(General::Rdi, size, is_repeated);
        }
        Ok(if is_repeated { Handled::Resume } else { self.skip() })
    }

    /// Goes on where the kernel had to wait for user space.
    pub(super) fn complete(&mut self, completion: Completion) -> Result<Handled, Halt> {
        match completion {
            Completion::Skip => Ok(self.skip()),
            Completion::PortRead => {
                if let Some(io) = self.vcpu.run.io {
                    self.set_accumulator(io.size, io.value);
                }
                Ok(self.skip())
            }
            Completion::StringRead => {
                let instruction = self.instruction()?;
                let io = self.vcpu.run.io;
                let (count, value) = io.map_or((1, 0), |io| (u64::from(io.count), io.value));
                self.store_string(&instruction, count, value)
            }
            Completion::MmioRead => {
                self.vcpu.mmio_read = self.vcpu.run.mmio.map(|mmio| mmio.value);
                self.emulate()
            }
        }
    }
}
