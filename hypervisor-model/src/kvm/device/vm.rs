//! A virtual machine: its memory slots, its processor, and the ways past user space.
//!
//! Checks and errors are those of `virt/kvm/kvm_main.c`, `virt/kvm/eventfd.c` and `arch/x86/kvm/x86.c`, in their order.

use std::collections::{BTreeMap, BTreeSet};

use imbl::OrdSet;
use kernel_model::errno::Errno;
use kernel_model::machine::SystemId;
use kernel_model::machine::interrupt::Interrupt;
use kernel_model::mm::{MmId, PAGE_SIZE};
use kernel_model::syscall::Value;

use super::ioctl;
use crate::guest::Guest;
use crate::guest::memory::{LOG_DIRTY_PAGES, READONLY, UserSlot};

/// A write of the guest that signals a counter instead of going to user space (`struct _ioeventfd`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IoEventFd {
    /// Port or guest-physical address.
    pub addr: u64,
    /// How many bytes are written; 0 for any.
    pub len: u64,
    /// It is a port.
    pub is_port: bool,
    /// Only this value counts.
    pub datamatch: Option<u64>,
    /// The counter.
    pub event: u64,
}

/// A counter that raises an interrupt (`struct kvm_kernel_irqfd`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IrqFd {
    /// The counter.
    pub event: u64,
    /// The interrupt.
    pub gsi: u32,
}

/// What `KVM_RUN` has asked of user space and was not told yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Asked {
    /// It is a read: the answer has so many bytes.
    pub bytes: usize,
}

/// A virtual machine.
#[derive(Clone)]
pub struct Vm {
    /// Its number among the kernels of the machine.
    pub system: SystemId,
    /// Whose memory its memory is.
    pub mm: MmId,
    /// Its memory.
    pub slots: BTreeMap<u32, UserSlot>,
    /// There are a PIC, an IOAPIC and local APICs in the kernel.
    pub has_irqchip: bool,
    /// Its processor has been made.
    pub has_vcpu: bool,
    /// The open file of its processor, for those who sleep in it.
    pub vcpu_handle: u64,
    /// Where its processor is to begin.
    pub rip: u64,
    /// Doorbells.
    pub ioeventfds: Vec<IoEventFd>,
    /// Interrupts by counters.
    pub irqfds: Vec<IrqFd>,
    /// Its kernel, when it has begun.
    pub guest: Option<Box<Guest>>,
    /// Interrupts that its processor has not taken.
    pub(super) pending: BTreeSet<u32>,
    /// Lines of the interrupt controller that are high.
    pub(super) high: BTreeSet<u32>,
    /// What user space is doing for it.
    pub(super) asked: Option<Asked>,
    /// Pages of the process behind which the host has put memory for it.
    pub(super) backed: OrdSet<u64>,
    /// Pages of the process that it needs now.
    pub(super) needed: Vec<u64>,
    /// Exits by reason, and how many of them went on to user space.
    pub exits: BTreeMap<&'static str, (u64, u64)>,
}

/// The first interrupt that is not a pin of the IOAPIC.
const FIRST_MSI: u32 = 24;
/// Interrupts of devices on ISA, which are edges.
fn is_edge(gsi: u32) -> bool {
    gsi >= FIRST_MSI || matches!(gsi, 0..=4 | 6..=8 | 12..=15)
}

impl Vm {
    /// A virtual machine without anything.
    pub fn new(system: SystemId, mm: MmId) -> Vm {
        Vm {
            system,
            mm,
            slots: BTreeMap::new(),
            has_irqchip: false,
            has_vcpu: false,
            vcpu_handle: 0,
            rip: 0xfff0,
            ioeventfds: Vec::new(),
            irqfds: Vec::new(),
            guest: None,
            pending: BTreeSet::new(),
            high: BTreeSet::new(),
            asked: None,
            backed: OrdSet::new(),
            needed: Vec::new(),
            exits: BTreeMap::new(),
        }
    }

    /// `__kvm_set_memory_region`.
    pub(super) fn set_memory_region(&mut self, region: &Value) -> Result<(), Errno> {
        let field = |name: &str| region.field(name).and_then(Value::as_int).unwrap_or(0) as u64;
        let (id, flags) = (field("slot") as u32, field("flags") as u32);
        let (gpa, size, hva) = (field("guest_phys_addr"), field("memory_size"), field("userspace_addr"));
        if flags & !(LOG_DIRTY_PAGES | READONLY) != 0 {
            return Err(Errno::EINVAL);
        }
        let is_aligned = |n: u64| n.is_multiple_of(PAGE_SIZE);
        if !is_aligned(size) || !is_aligned(gpa) || !is_aligned(hva) || id >= ioctl::USER_MEM_SLOTS {
            return Err(Errno::EINVAL);
        }
        if gpa.checked_add(size).is_none() {
            return Err(Errno::EINVAL);
        }
        let old = self.slots.get(&id);
        if size == 0 {
            if old.is_none() {
                return Err(Errno::EINVAL);
            }
            self.slots.remove(&id);
            return Ok(());
        }
        if let Some(old) = old {
            if old.hva != hva || old.size != size || (old.flags ^ flags) & READONLY != 0 {
                return Err(Errno::EINVAL);
            }
            if old.gpa == gpa && old.flags == flags {
                return Ok(());
            }
        }
        let overlaps = |(other, s): (&u32, &UserSlot)| *other != id && gpa < s.gpa + s.size && s.gpa < gpa + size;
        if self.slots.iter().any(overlaps) {
            return Err(Errno::EEXIST);
        }
        let dirty = OrdSet::new();
        if let Some(guest) = &mut self.guest {
            guest.kernel.running.machine.computer.hardware.log_writes(flags & LOG_DIRTY_PAGES != 0);
        }
        self.slots.insert(id, UserSlot { gpa, size, hva, flags, dirty });
        Ok(())
    }

    /// `KVM_CREATE_IRQCHIP`.
    pub(super) fn create_irqchip(&mut self) -> Result<(), Errno> {
        if self.has_irqchip {
            return Err(Errno::EEXIST);
        }
        if self.has_vcpu {
            return Err(Errno::EINVAL);
        }
        self.has_irqchip = true;
        Ok(())
    }

    /// `kvm_vm_ioctl_create_vcpu`.
    pub(super) fn create_vcpu(&mut self, id: i64) -> Result<(), Errno> {
        if id != 0 {
            // One is all that this model's guests have (KVM_CAP_MAX_VCPUS).
            return Err(Errno::EINVAL);
        }
        if self.has_vcpu {
            return Err(Errno::EEXIST);
        }
        self.has_vcpu = true;
        Ok(())
    }

    /// `KVM_IRQ_LINE`.
    pub(super) fn irq_line(&mut self, gsi: u32, level: bool, interrupts: &mut Vec<Interrupt>) -> Result<(), Errno> {
        if !self.has_irqchip {
            return Err(Errno::ENXIO);
        }
        if !level {
            self.high.remove(&gsi);
        } else if self.high.insert(gsi) {
            self.raise(gsi, interrupts);
        }
        Ok(())
    }

    /// An interrupt is pending; a processor that halts is woken (`kvm_vcpu_kick`).
    pub(super) fn raise(&mut self, gsi: u32, interrupts: &mut Vec<Interrupt>) {
        self.pending.insert(gsi);
        interrupts.push(Interrupt::Answer(self.vcpu_handle));
    }

    /// The guest is done with an interrupt: a line that is still high interrupts again (`kvm_ioapic_update_eoi`).
    pub(super) fn end_of_interrupt(&mut self) {
        self.pending.extend(self.high.iter().filter(|gsi| !is_edge(**gsi)));
    }

    /// `kvm_ioeventfd`.
    pub(super) fn ioeventfd(&mut self, args: &Value, event: Option<u64>) -> Result<(), Errno> {
        let field = |name: &str| args.field(name).and_then(Value::as_int).unwrap_or(0) as u64;
        let flags = field("flags");
        let (addr, len) = (field("addr"), field("len"));
        let datamatch = (flags & ioctl::IOEVENTFD_FLAG_DATAMATCH != 0).then(|| field("datamatch"));
        let is_port = flags & ioctl::IOEVENTFD_FLAG_PIO != 0;
        if flags & ioctl::IOEVENTFD_FLAG_DEASSIGN != 0 {
            let event = event.ok_or(Errno::EBADF)?;
            let wanted = IoEventFd { addr, len, is_port, datamatch, event };
            let place = self.ioeventfds.iter().position(|known| *known == wanted).ok_or(Errno::ENOENT)?;
            self.ioeventfds.remove(place);
            return Ok(());
        }
        if !matches!(len, 0 | 1 | 2 | 4 | 8) || addr.checked_add(len).is_none() {
            return Err(Errno::EINVAL);
        }
        if flags & !(ioctl::IOEVENTFD_FLAG_DATAMATCH | ioctl::IOEVENTFD_FLAG_PIO) != 0 {
            return Err(Errno::EINVAL);
        }
        if len == 0 && datamatch.is_some() {
            return Err(Errno::EINVAL);
        }
        let event = event.ok_or(Errno::EBADF)?;
        let collides = |known: &IoEventFd| {
            known.is_port == is_port
                && known.addr == addr
                && (known.len == 0
                    || len == 0
                    || (known.len == len
                        && (known.datamatch.is_none() || datamatch.is_none() || known.datamatch == datamatch)))
        };
        if self.ioeventfds.iter().any(collides) {
            return Err(Errno::EEXIST);
        }
        self.ioeventfds.push(IoEventFd { addr, len, is_port, datamatch, event });
        Ok(())
    }

    /// `kvm_irqfd`.
    pub(super) fn irqfd(&mut self, args: &Value, event: Option<u64>) -> Result<(), Errno> {
        let field = |name: &str| args.field(name).and_then(Value::as_int).unwrap_or(0) as u64;
        let (flags, gsi) = (field("flags"), field("gsi") as u32);
        if flags & !IRQFD_FLAGS != 0 {
            return Err(Errno::EINVAL);
        }
        let event = event.ok_or(Errno::EBADF)?;
        if flags & ioctl::IRQFD_FLAG_DEASSIGN != 0 {
            self.irqfds.retain(|known| known.event != event || known.gsi != gsi);
            return Ok(());
        }
        if !self.has_irqchip {
            return Err(Errno::EINVAL);
        }
        if self.irqfds.iter().any(|known| known.event == event) {
            return Err(Errno::EBUSY);
        }
        self.irqfds.push(IrqFd { event, gsi });
        Ok(())
    }

    /// `kvm_vm_ioctl_get_dirty_log`: a bit a frame, and the log is empty again.
    pub(super) fn dirty_log(&mut self, slot: u32) -> Result<Vec<u8>, Errno> {
        if slot >= ioctl::USER_MEM_SLOTS {
            return Err(Errno::EINVAL);
        }
        let hardware = self.guest.as_mut().map(|guest| &mut guest.kernel.running.machine.computer.hardware);
        let written = hardware.map(|hardware| hardware.take_written()).unwrap_or_default();
        let slot = self.slots.get_mut(&slot).filter(|s| s.flags & LOG_DIRTY_PAGES != 0).ok_or(Errno::ENOENT)?;
        let frames = slot.size / PAGE_SIZE;
        let first = slot.gpa / PAGE_SIZE;
        slot.dirty.extend(written.iter().map(|gfn| gfn.0).filter(|n| *n >= first && n - first < frames));
        let mut bitmap = vec![0; (frames.div_ceil(64) * 8) as usize];
        for frame in std::mem::take(&mut slot.dirty) {
            let n = frame - slot.gpa / PAGE_SIZE;
            bitmap[(n / 8) as usize] |= 1 << (n % 8);
        }
        Ok(bitmap)
    }

    /// The host takes pages away.
    pub(super) fn invalidate(&mut self, first: u64, pages: u64) {
        let gone: Vec<u64> = self.backed.range(first..first.saturating_add(pages)).copied().collect();
        for page in gone {
            self.backed.remove(&page);
        }
    }

    /// The host must have memory behind a page.
    pub(super) fn need(&mut self, page: u64) {
        if self.backed.insert(page).is_none() {
            self.needed.push(page);
        }
    }
}

const IRQFD_FLAGS: u64 = ioctl::IRQFD_FLAG_DEASSIGN;
