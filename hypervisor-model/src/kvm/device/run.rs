//! `KVM_RUN`: the guest runs until something must be done that only user space can do (`vcpu_run`, `vcpu_enter_guest`).
//!
//! An access to a device is an exit. KVM answers it itself if it has something there: a doorbell that is a counter, the local
//! APIC. Everything else ends `KVM_RUN` with the access in `kvm_run`, and goes on when the program calls again.

use std::sync::Arc;

use kernel_model::errno::Errno;
use kernel_model::machine::device::{DeviceAnswer, DeviceCall};
use kernel_model::machine::interrupt::Interrupt;
use kernel_model::machine::report::{Deed, DeedKind, Lane, Report};
use kernel_model::mm::PAGE_SIZE;
use kernel_model::syscall::Value;
use kernel_model::time::Nanos;

use super::vm::{Asked, Vm};
use super::{KvmModule, pages_of};
use crate::cpu::sensitive::NestedFault;
use crate::cpu::{AccessKind, Cause, Msr, Vector};
use crate::guest::driver::{Access, Drivers};
use crate::guest::machine::GuestMachine;
use crate::guest::memory::GuestMemory;
use crate::guest::{Did, Guest};
use crate::kvm::user_exit::UserExit;
use crate::vmx::exit_reason::ExitReason;

/// How long a guest runs before the host's timer interrupts it.
const TICK: Nanos = Nanos(1_000_000);
/// How many things a guest's kernel does at most in one turn of its host.
const MOST_TURNS: u32 = 64;
/// An exit that KVM handles, and the entry after it: what `vmcall` takes on recent processors, with KVM's work.
const EXIT: Nanos = Nanos(600);
/// Where a kernel begins that is loaded by the boot protocol (Documentation/arch/x86/boot.rst).
pub const KERNEL_ENTRY: u64 = 0x10_0000;
/// Where QEMU puts the kernel's command line.
pub const COMMAND_LINE: u64 = 0x2_0000;

/// The timer of the host's processor (`LOCAL_TIMER_VECTOR`).
const LOCAL_TIMER: Vector = Vector(0xec);
/// The end-of-interrupt register of the x2APIC (SDM 10.12.1.2).
const X2APIC_EOI: Msr = Msr(0x80b);

/// A guest and its memory, taken apart.
macro_rules! memory_of {
    ($vm:expr, $bytes:expr, $written:expr) => {
        GuestMemory { mm: $vm.mm, slots: &mut $vm.slots, bytes: $bytes, written: $written }
    };
}

impl KvmModule {
    /// `KVM_RUN` of the processor of a virtual machine.
    pub(super) fn run(&mut self, call: DeviceCall<'_>, id: u32, answer: &Value) -> DeviceAnswer {
        let Some(mut vm) = self.vms.remove(&id) else { return DeviceAnswer::Failed(Errno::EIO) };
        let answer = self.run_vm(&mut vm, call, answer);
        if let Some(guest) = &mut vm.guest {
            self.reports.extend(guest.reports());
        }
        self.vms.insert(id, vm);
        answer
    }

    fn run_vm(&mut self, vm: &mut Vm, call: DeviceCall<'_>, answer: &Value) -> DeviceAnswer {
        if let Some(fault) = next_fault(vm) {
            return fault;
        }
        let mut guest = match vm.guest.take() {
            Some(guest) => guest,
            None => match self.begin(vm, call.now) {
                Ok(guest) => guest,
                Err(exit) => return exit,
            },
        };
        let mut written = Vec::new();
        {
            let mut memory = memory_of!(vm, &mut self.memory, &mut written);
            guest.advance_to(call.now, &mut memory);
            if let Some(asked) = vm.asked.take() {
                let mut data = answer.as_bytes().unwrap_or_default().to_vec();
                data.resize(asked.bytes, 0xff);
                guest.drivers.answered(&data, &mut memory);
            }
        }
        self.reports.extend(guest.reports());
        self.reports.push(entry());
        guest.entered();
        let (what, spent) = self.go(vm, &mut guest, &mut written);
        for (addr, bytes) in written {
            pages_of(addr, bytes).for_each(|page| vm.need(page));
        }
        let elapsed = (guest.world().clock.max(call.now) - call.now).max(spent);
        self.reports.extend(guest.reports());
        vm.guest = Some(guest);
        DeviceAnswer::After(elapsed, Box::new(what))
    }

    /// The first entry: a kernel is where user space has put it, or there is nothing.
    fn begin(&mut self, vm: &Vm, now: Nanos) -> Result<Box<Guest>, DeviceAnswer> {
        let nothing = || DeviceAnswer::Done(0, Some(exited(UserExit::InternalError, ("suberror", 1.into()))));
        let size: u64 = vm.slots.values().map(|slot| slot.size).sum();
        if vm.rip != KERNEL_ENTRY || size < 16 << 20 {
            return Err(nothing());
        }
        let machine = GuestMachine::new(size / PAGE_SIZE, self.paging).ok_or_else(nothing)?;
        let hva = vm.slots.values().find(|s| s.gpa <= COMMAND_LINE && COMMAND_LINE < s.gpa + s.size);
        let line = hva.map(|s| self.memory.load(vm.mm, s.hva + (COMMAND_LINE - s.gpa), 256)).unwrap_or_default();
        let line = String::from_utf8_lossy(line.split(|b| *b == 0).next().unwrap_or_default()).into_owned();
        let name = line.split_whitespace().find_map(|word| word.strip_prefix("hostname=")).unwrap_or("guest");
        let mut drivers = Drivers::new(size);
        drivers.start();
        Ok(Box::new(Guest::boot(vm.system, name, machine, (drivers, size), now)))
    }

    /// Runs the guest until user space is needed, its time is over, or it waits.
    fn go(&mut self, vm: &mut Vm, guest: &mut Guest, written: &mut Vec<(u64, u64)>) -> (DeviceAnswer, Nanos) {
        let start = guest.world().clock;
        let mut spent = Nanos(0);
        let mut turns = 0;
        loop {
            let mut memory = memory_of!(vm, &mut self.memory, written);
            guest.take_in(&mut memory);
            if let Some(access) = guest.drivers.next().cloned() {
                spent += EXIT;
                match self.access(vm, guest, &access, written) {
                    None => {
                        guest.entered();
                        continue;
                    }
                    Some(exit) => return (exit, guest.world().clock - start + spent),
                }
            }
            if let Some(gsi) = vm.pending.pop_first() {
                self.reports.push(injected(gsi));
                guest.drivers.interrupt(gsi, &mut memory_of!(vm, &mut self.memory, written));
                continue;
            }
            let did = guest.turn(&mut memory_of!(vm, &mut self.memory, written));
            self.reports.extend(guest.reports());
            for gfn in guest.kernel.running.machine.take_mapped() {
                if let Some(page) = page_behind(vm, gfn.0) {
                    vm.need(page);
                }
            }
            match did {
                Did::Ran => turns += 1,
                Did::Halted(until) => {
                    self.exit(vm, guest, Cause::Hlt, None, &[]);
                    let sleep = DeviceAnswer::Sleep(vm.vcpu_handle, until);
                    return (sleep, guest.world().clock - start + spent + EXIT);
                }
            }
            let elapsed = guest.world().clock - start + spent;
            if !vm.needed.is_empty() || turns >= MOST_TURNS || elapsed >= TICK {
                if elapsed >= TICK {
                    self.exit(vm, guest, Cause::ExternalInterrupt { vector: LOCAL_TIMER }, None, &[]);
                }
                return (DeviceAnswer::Again(Nanos(0)), elapsed);
            }
        }
    }

    /// An access of a driver. `None` when KVM has answered it.
    fn access(
        &mut self,
        vm: &mut Vm,
        guest: &mut Guest,
        access: &Access,
        written: &mut Vec<(u64, u64)>,
    ) -> Option<DeviceAnswer> {
        let mut done = |kvm: &mut Self, vm: &mut Vm, guest: &mut Guest| {
            guest.drivers.answered(&[], &mut memory_of!(vm, &mut kvm.memory, written));
        };
        match *access {
            Access::Eoi | Access::Deadline => {
                let msr = if *access == Access::Eoi { X2APIC_EOI } else { Msr::TSC_DEADLINE };
                self.exit(vm, guest, Cause::WrMsr { msr, value: 0 }, None, &[]);
                if *access == Access::Eoi {
                    vm.end_of_interrupt();
                }
                done(self, vm, guest);
                None
            }
            Access::Out(port, size, value) => {
                if let Some(event) = doorbell(vm, u64::from(port), size, value.into(), true) {
                    self.ring(vm, guest, port_access(port, size, false, false), (port.into(), event));
                    done(self, vm, guest);
                    return None;
                }
                let cause = port_access(port, size, false, false);
                self.exit(vm, guest, cause, Some(UserExit::Io), &[("port", port.into())]);
                vm.asked = Some(Asked { bytes: 0 });
                Some(io(port, size, 1, Some(&value.to_le_bytes()[..usize::from(size)])))
            }
            Access::In(port, size) => {
                let cause = port_access(port, size, true, false);
                self.exit(vm, guest, cause, Some(UserExit::Io), &[("port", port.into())]);
                vm.asked = Some(Asked { bytes: size.into() });
                Some(io(port, size, 1, None))
            }
            Access::Ins(port, size, count) => {
                let cause = port_access(port, size, true, true);
                self.exit(vm, guest, cause, Some(UserExit::Io), &[("port", port.into())]);
                vm.asked = Some(Asked { bytes: usize::from(size) * count as usize });
                Some(io(port, size, count, None))
            }
            Access::Write(gpa, size, value) => {
                if let Some(event) = doorbell(vm, gpa, size, value, false) {
                    self.ring(vm, guest, device_memory(gpa, AccessKind::Write), (gpa, event));
                    done(self, vm, guest);
                    return None;
                }
                let cause = device_memory(gpa, AccessKind::Write);
                self.exit(vm, guest, cause, Some(UserExit::Mmio), &[("gpa", gpa)]);
                vm.asked = Some(Asked { bytes: 0 });
                Some(mmio(gpa, size, Some(&value.to_le_bytes()[..usize::from(size)])))
            }
            Access::Read(gpa, size) => {
                let cause = device_memory(gpa, AccessKind::Read);
                self.exit(vm, guest, cause, Some(UserExit::Mmio), &[("gpa", gpa)]);
                vm.asked = Some(Asked { bytes: size.into() });
                Some(mmio(gpa, size, None))
            }
        }
    }

    /// Counts an exit and reports it: where it is handled, and what it was about.
    fn exit(
        &mut self,
        vm: &mut Vm,
        guest: &mut Guest,
        cause: Cause,
        to: Option<UserExit>,
        numbers: &[(&'static str, u64)],
    ) {
        guest.exited(cause);
        let reason = ExitReason::reported(&cause);
        let count = vm.exits.entry(reason.linux_name()).or_default();
        count.0 += 1;
        count.1 += u64::from(to.is_some());
        let (lane, sentence) = match (reason, to) {
            (_, Some(UserExit::Io)) => (
                Lane::DeviceModel,
                "The guest uses port {port:x}: no device in the host's kernel answers there, so KVM_RUN ends and the process does it.",
            ),
            (_, Some(_)) => (
                Lane::DeviceModel,
                "The guest reaches for {gpa:x}, where it has no memory: KVM_RUN ends, and the process does what the register means.",
            ),
            (ExitReason::Hlt, None) => {
                (Lane::Hypervisor, "The guest has nothing to do: KVM lets the thread of its processor sleep.")
            }
            (ExitReason::Wrmsr, None) => {
                (Lane::Hypervisor, "The guest writes a register of its local APIC, which KVM has in the kernel.")
            }
            (ExitReason::ExternalInterrupt, None) => {
                (Lane::Hypervisor, "An interrupt of the host: its kernel handles it, and schedules.")
            }
            _ => (Lane::Hypervisor, "The guest exited; KVM handles it in the host's kernel."),
        };
        let mut all = vec![("reason", u64::from(reason.number()))];
        all.extend_from_slice(numbers);
        self.reports.push(Report::Did(Arc::new(Deed {
            kind: DeedKind::Exit,
            name: reason.linux_name(),
            from: Lane::GuestKernel,
            to: lane,
            cpu: 0,
            depth: 0,
            cycles: 0,
            numbers: all,
            parts: Vec::new(),
            sentence,
            source: "arch/x86/kvm/vmx/vmx.c vmx_handle_exit()",
        })));
    }

    /// The guest has rung a doorbell that is a counter: KVM signals it and the guest goes on.
    fn ring(&mut self, vm: &mut Vm, guest: &mut Guest, cause: Cause, (addr, event): (u64, u64)) {
        guest.exited(cause);
        let reason = ExitReason::reported(&cause);
        let count = vm.exits.entry(reason.linux_name()).or_default();
        count.0 += 1;
        self.interrupts.push(Interrupt::Event(event));
        self.reports.push(Report::Did(Arc::new(Deed {
            kind: DeedKind::Exit,
            name: reason.linux_name(),
            from: Lane::GuestKernel,
            to: Lane::Hypervisor,
            cpu: 0,
            depth: 0,
            cycles: 0,
            numbers: vec![("reason", u64::from(reason.number())), ("addr", addr), ("event", event)],
            parts: Vec::new(),
            sentence: "The guest rings the doorbell at {addr:x}: KVM signals eventfd {event}, and the guest goes on at once.",
            source: "virt/kvm/eventfd.c ioeventfd_write()",
        })));
    }
}

/// IN, OUT or REP INS with the port in DX, as Linux's drivers do it.
fn port_access(port: u16, size: u8, is_input: bool, is_string: bool) -> Cause {
    Cause::Io { port, size, is_input, is_string, is_rep: is_string, is_immediate: false }
}

/// An access where no memory slot is: KVM has made the entry of EPT so that it always exits.
fn device_memory(gpa: u64, kind: AccessKind) -> Cause {
    let fault =
        NestedFault { guest_physical: gpa, linear: None, kind, rights: 0, is_final: true, is_misconfigured: true };
    Cause::NestedFault(fault)
}

/// The page of the process behind a guest's frame.
fn page_behind(vm: &Vm, gfn: u64) -> Option<u64> {
    let gpa = gfn * PAGE_SIZE;
    let slot = vm.slots.values().find(|s| gpa >= s.gpa && gpa - s.gpa < s.size)?;
    Some((slot.hva + gpa - slot.gpa) / PAGE_SIZE)
}

/// Memory that the host must get first: pages that follow each other at once.
fn next_fault(vm: &mut Vm) -> Option<DeviceAnswer> {
    vm.needed.sort_unstable();
    let first = *vm.needed.first()?;
    let run = vm.needed.iter().zip(first..).take_while(|(page, n)| **page == *n).count();
    vm.needed.drain(..run);
    Some(DeviceAnswer::Fault(first * PAGE_SIZE, run as u64 * PAGE_SIZE))
}

fn doorbell(vm: &Vm, addr: u64, size: u8, value: u64, is_port: bool) -> Option<u64> {
    let rings = vm.ioeventfds.iter().find(|known| {
        known.is_port == is_port
            && known.addr == addr
            && (known.len == 0 || known.len == u64::from(size))
            && known.datamatch.is_none_or(|wanted| wanted == value)
    });
    rings.map(|known| known.event)
}

fn exited(reason: UserExit, detail: (&'static str, Value)) -> Value {
    Value::record([("exit_reason", reason.number().into()), detail])
}

fn io(port: u16, size: u8, count: u32, out: Option<&[u8]>) -> DeviceAnswer {
    let detail = Value::record([
        ("direction", u32::from(out.is_some()).into()),
        ("size", u32::from(size).into()),
        ("port", u32::from(port).into()),
        ("count", count.into()),
        ("data", out.map_or(Value::Null, Value::bytes)),
    ]);
    DeviceAnswer::Done(0, Some(exited(UserExit::Io, ("io", detail))))
}

fn mmio(gpa: u64, size: u8, written: Option<&[u8]>) -> DeviceAnswer {
    let detail = Value::record([
        ("phys_addr", gpa.into()),
        ("len", u32::from(size).into()),
        ("is_write", u32::from(written.is_some()).into()),
        ("data", written.map_or(Value::Null, Value::bytes)),
    ]);
    DeviceAnswer::Done(0, Some(exited(UserExit::Mmio, ("mmio", detail))))
}

fn entry() -> Report {
    Report::Did(Arc::new(Deed {
        kind: DeedKind::Entry,
        name: "VM entry",
        from: Lane::Hypervisor,
        to: Lane::GuestKernel,
        cpu: 0,
        depth: 0,
        cycles: 0,
        numbers: Vec::new(),
        parts: Vec::new(),
        sentence: "KVM enters the guest.",
        source: "arch/x86/kvm/x86.c vcpu_enter_guest()",
    }))
}

fn injected(gsi: u32) -> Report {
    Report::Did(Arc::new(Deed {
        kind: DeedKind::Interrupt,
        name: "interrupt injected",
        from: Lane::Hypervisor,
        to: Lane::GuestKernel,
        cpu: 0,
        depth: 0,
        cycles: 0,
        numbers: vec![("gsi", gsi.into())],
        parts: Vec::new(),
        sentence: "With the entry the guest gets the interrupt of line {gsi}.",
        source: "arch/x86/kvm/vmx/vmx.c vmx_inject_irq()",
    }))
}
