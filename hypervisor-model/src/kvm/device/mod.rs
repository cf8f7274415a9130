//! `/dev/kvm`: virtual machines and processors as open files, and what ioctl(2) does to them.
//!
//! The module is part of the host's kernel; it lies here because it is the hypervisor. Its open files come and go through
//! the seam ([`kernel_model::machine::device`]). [`vm`] a virtual machine; [`run`] what `KVM_RUN` does; [`migration`] how a guest comes
//! from another; [`ioctl`] the numbers.
//! `struct kvm_run`, which the kernel and the program share by mmap(2), goes with the call here: the answer to an exit is the
//! argument of the next `KVM_RUN`, the exit is its output.

pub mod ioctl;
mod migration;
pub mod run;
#[cfg(test)]
mod tests;
pub mod vm;

use std::collections::BTreeMap;

use kernel_model::errno::Errno;
use kernel_model::machine::SystemId;
use kernel_model::machine::device::{DeviceAnswer, DeviceCall, DeviceNode, DeviceOp};
use kernel_model::machine::interrupt::Interrupt;
use kernel_model::machine::report::Report;
use kernel_model::mm::PAGE_SIZE;
use kernel_model::mm::user_data::UserMemory;
use kernel_model::pv_ops::{PageRange, PvOp};
use kernel_model::syscall::Value;
use kernel_model::world::World;

use crate::kvm::mmu::Paging;
use vm::Vm;

/// The node.
pub const NODE: DeviceNode = DeviceNode { name: "kvm", dev: (10, 232), mode: 0o660 };

/// What an open file is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Handle {
    /// `/dev/kvm` itself.
    System,
    /// A virtual machine.
    Vm(u32),
    /// Its processor.
    Vcpu(u32),
}

/// KVM of a host.
#[derive(Clone)]
pub struct KvmModule {
    /// How guests get memory.
    paging: Paging,
    handles: BTreeMap<u64, Handle>,
    last_handle: u64,
    vms: BTreeMap<u32, Vm>,
    last_vm: u32,
    /// Exits of machines that have ended, by reason.
    ended: BTreeMap<&'static str, u64>,
    /// The bytes of programs' memory.
    pub(crate) memory: UserMemory,
    /// What has been done and not reported.
    pub(crate) reports: Vec<Report>,
    /// What the host's kernel is to be told.
    pub(crate) interrupts: Vec<Interrupt>,
}

impl KvmModule {
    /// KVM on a host whose processors have this.
    pub fn new(paging: Paging) -> KvmModule {
        KvmModule {
            paging,
            handles: BTreeMap::new(),
            last_handle: 0,
            vms: BTreeMap::new(),
            last_vm: 0,
            ended: BTreeMap::new(),
            memory: UserMemory::default(),
            reports: Vec::new(),
            interrupts: Vec::new(),
        }
    }

    /// The virtual machines, by number.
    pub fn vms(&self) -> impl Iterator<Item = (u32, &Vm)> {
        self.vms.iter().map(|(id, vm)| (*id, vm))
    }

    /// The world of a guest.
    pub fn world_of(&self, system: SystemId) -> Option<&World> {
        self.vms.get(&system.0)?.guest.as_ref().map(|guest| guest.world())
    }

    /// Answers a call to one of the files.
    pub fn call(&mut self, call: DeviceCall<'_>) -> DeviceAnswer {
        if let DeviceOp::Open(_) = call.op {
            let handle = self.new_handle(Handle::System);
            return DeviceAnswer::Opened(handle, "kvm".to_owned());
        }
        let Some(handle) = self.handles.get(&call.handle).copied() else { return DeviceAnswer::Failed(Errno::EBADF) };
        let answer = match call.op {
            DeviceOp::Close => {
                self.handles.remove(&call.handle);
                self.release(handle);
                Ok(DeviceAnswer::Done(0, None))
            }
            DeviceOp::Mmap(offset, length) => match handle {
                Handle::Vcpu(_) if offset.saturating_add(length) <= ioctl::VCPU_MMAP_SIZE as u64 => {
                    Ok(DeviceAnswer::Done(0, None))
                }
                Handle::Vcpu(_) => Err(Errno::EINVAL),
                Handle::System | Handle::Vm(_) => Err(Errno::ENODEV),
            },
            DeviceOp::Poll => Ok(DeviceAnswer::Done(0, None)),
            DeviceOp::Ioctl(request, argument) => match handle {
                Handle::System => self.system_ioctl(call, request, argument),
                Handle::Vm(vm) => self.vm_ioctl(call, vm, request, argument),
                Handle::Vcpu(vm) => self.vcpu_ioctl(call, vm, request, argument),
            },
            DeviceOp::Open(_) | DeviceOp::Read(_) | DeviceOp::Write(_) => Err(Errno::EINVAL),
        };
        answer.unwrap_or_else(DeviceAnswer::Failed)
    }

    /// What the host's kernel does with page tables: KVM is told where it must not use pages any more (the MMU notifier,
    /// `kvm_mmu_notifier_invalidate_range_start`).
    pub fn observe(&mut self, op: PvOp) {
        match op {
            PvOp::ClearPte { at } => self.invalidate(at),
            PvOp::ExitMmap { mm } => self.invalidate(PageRange { mm, first: 0, pages: u64::MAX }),
            _ => {}
        }
    }

    fn invalidate(&mut self, at: PageRange) {
        self.memory.drop_range(at);
        for vm in self.vms.values_mut().filter(|vm| vm.mm == at.mm) {
            vm.invalidate(at.first, at.pages);
        }
    }

    /// A program has signalled a counter. Whether it is one of a guest's interrupts (`irqfd_wakeup`).
    pub fn event_signalled(&mut self, event: u64) -> bool {
        let mut was_taken = false;
        for vm in self.vms.values_mut() {
            for gsi in vm.irqfds.iter().filter(|irqfd| irqfd.event == event).map(|irqfd| irqfd.gsi).collect::<Vec<_>>()
            {
                vm.raise(gsi, &mut self.interrupts);
                was_taken = true;
            }
        }
        was_taken
    }

    fn new_handle(&mut self, handle: Handle) -> u64 {
        self.last_handle += 1;
        self.handles.insert(self.last_handle, handle);
        self.last_handle
    }

    /// A file is closed; a virtual machine ends with its last one (`kvm_put_kvm`).
    fn release(&mut self, handle: Handle) {
        let (Handle::Vm(vm) | Handle::Vcpu(vm)) = handle else { return };
        if !self.handles.values().any(|h| matches!(h, Handle::Vm(other) | Handle::Vcpu(other) if *other == vm)) {
            let ended = self.vms.remove(&vm);
            add_exits(&mut self.ended, ended.iter());
        }
    }

    /// Exits of all guests since the host booted, by reason.
    pub fn exits(&self) -> BTreeMap<&'static str, u64> {
        let mut exits = self.ended.clone();
        add_exits(&mut exits, self.vms.values());
        exits
    }

    fn system_ioctl(&mut self, call: DeviceCall<'_>, request: u64, argument: &Value) -> Result<DeviceAnswer, Errno> {
        let number = argument.as_int().unwrap_or(0);
        match request {
            ioctl::GET_API_VERSION if number == 0 => Ok(DeviceAnswer::Done(ioctl::API_VERSION, None)),
            ioctl::GET_VCPU_MMAP_SIZE if number == 0 => Ok(DeviceAnswer::Done(ioctl::VCPU_MMAP_SIZE, None)),
            ioctl::CHECK_EXTENSION => Ok(DeviceAnswer::Done(extension(number), None)),
            ioctl::CREATE_VM if number == 0 => {
                let mm = call.mm.ok_or(Errno::ENOMEM)?;
                self.last_vm += 1;
                self.vms.insert(self.last_vm, Vm::new(SystemId(self.last_vm), mm));
                let handle = self.new_handle(Handle::Vm(self.last_vm));
                Ok(DeviceAnswer::Opened(handle, "anon_inode:kvm-vm".to_owned()))
            }
            ioctl::GET_API_VERSION | ioctl::GET_VCPU_MMAP_SIZE | ioctl::CREATE_VM => Err(Errno::EINVAL),
            _ => Err(Errno::ENOTTY),
        }
    }

    fn vm_ioctl(
        &mut self,
        call: DeviceCall<'_>,
        id: u32,
        request: u64,
        argument: &Value,
    ) -> Result<DeviceAnswer, Errno> {
        let number = argument.as_int().unwrap_or(0);
        let field = |name: &str| argument.field(name).and_then(Value::as_int).unwrap_or(0);
        let vm = self.vms.get_mut(&id).ok_or(Errno::EIO)?;
        if call.mm != Some(vm.mm) {
            return Err(Errno::EIO);
        }
        let event = |fd: i64| call.eventfds.iter().find(|(known, _)| i64::from(*known) == fd).map(|(_, id)| *id);
        match request {
            ioctl::CHECK_EXTENSION => return Ok(DeviceAnswer::Done(extension(number), None)),
            ioctl::SET_USER_MEMORY_REGION => vm.set_memory_region(argument)?,
            ioctl::SET_TSS_ADDR | ioctl::SET_IDENTITY_MAP_ADDR | ioctl::SET_GSI_ROUTING => {}
            ioctl::CREATE_IRQCHIP => vm.create_irqchip()?,
            ioctl::CREATE_VCPU => {
                vm.create_vcpu(number)?;
                let handle = self.new_handle(Handle::Vcpu(id));
                if let Some(vm) = self.vms.get_mut(&id) {
                    vm.vcpu_handle = handle;
                }
                return Ok(DeviceAnswer::Opened(handle, format!("anon_inode:kvm-vcpu:{number}")));
            }
            ioctl::IRQ_LINE => vm.irq_line(field("irq") as u32, field("level") != 0, &mut self.interrupts)?,
            ioctl::IOEVENTFD => vm.ioeventfd(argument, event(field("fd")))?,
            ioctl::IRQFD => vm.irqfd(argument, event(field("fd")))?,
            ioctl::GET_DIRTY_LOG => {
                let bitmap = vm.dirty_log(field("slot") as u32)?;
                let pages = bitmap.iter().map(|byte| u64::from(byte.count_ones())).sum();
                self.reports.push(migration::log_read(pages));
                return Ok(DeviceAnswer::Done(0, Some(Value::bytes(bitmap))));
            }
            _ => return Err(Errno::ENOTTY),
        }
        Ok(DeviceAnswer::Done(0, None))
    }

    fn vcpu_ioctl(
        &mut self,
        call: DeviceCall<'_>,
        id: u32,
        request: u64,
        argument: &Value,
    ) -> Result<DeviceAnswer, Errno> {
        let vm = self.vms.get_mut(&id).ok_or(Errno::EIO)?;
        if call.mm != Some(vm.mm) {
            return Err(Errno::EIO);
        }
        match request {
            ioctl::SET_REGS if argument.field("state").is_some() => {
                let from = argument.field("state").and_then(Value::as_int).unwrap_or(0);
                self.adopt(u32::try_from(from).unwrap_or(0), id)?;
                Ok(DeviceAnswer::Done(0, None))
            }
            ioctl::SET_REGS => {
                vm.rip = argument.field("rip").and_then(Value::as_int).unwrap_or(0) as u64;
                Ok(DeviceAnswer::Done(0, None))
            }
            ioctl::GET_REGS => {
                let regs = Value::record([("rip", vm.rip.into()), ("state", id.into())]);
                Ok(DeviceAnswer::Done(0, Some(regs)))
            }
            ioctl::RUN => Ok(self.run(call, id, argument)),
            _ => Err(Errno::EINVAL),
        }
    }
}

fn extension(number: i64) -> i64 {
    ioctl::EXTENSIONS.iter().find(|(known, _)| *known == number).map_or(0, |(_, answer)| *answer)
}

/// The pages of a range of bytes.
fn pages_of(addr: u64, bytes: u64) -> std::ops::Range<u64> {
    addr / PAGE_SIZE..(addr + bytes.max(1)).div_ceil(PAGE_SIZE)
}

fn add_exits<'a>(sum: &mut BTreeMap<&'static str, u64>, vms: impl Iterator<Item = &'a Vm>) {
    for (reason, (count, _)) in vms.flat_map(|vm| &vm.exits) {
        *sum.entry(reason).or_default() += count;
    }
}
