//! What QEMU asks of `/dev/kvm`, and what its threads know of the virtual machine (`accel/kvm/kvm-all.c`).

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::Role;
use super::migration::incoming::Incoming;
use super::migration::precopy::Outgoing;
use crate::errno::Errno;
use crate::program::Sys;
use crate::syscall::{Ret, Sysno, Value};

pub const GET_API_VERSION: i64 = 0xae00;
pub const CREATE_VM: i64 = 0xae01;
pub const GET_DIRTY_LOG: i64 = 0x4010_ae42;
pub const CREATE_VCPU: i64 = 0xae41;
pub const SET_USER_MEMORY_REGION: i64 = 0x4020_ae46;
pub const CREATE_IRQCHIP: i64 = 0xae60;
pub const IRQ_LINE: i64 = 0x4008_ae61;
pub const IRQFD: i64 = 0x4020_ae76;
pub const IOEVENTFD: i64 = 0x4040_ae79;
pub const RUN: i64 = 0xae80;
pub const GET_REGS: i64 = 0x8090_ae81;
pub const SET_REGS: i64 = 0x4090_ae82;
pub const TCSETS: i64 = 0x5402;
/// What mmap(2) of a virtual processor takes.
pub const VCPU_MMAP_SIZE: i64 = 3 * 4096;

/// What a thread must know to go on.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Context {
    /// Which thread it is.
    pub role: Role,
    /// The thread of the virtual processor, as the first thread knows it.
    pub thread: i32,
    /// `/dev/kvm`.
    pub system: i32,
    /// The virtual machine.
    pub vm: i32,
    /// Its processor.
    pub vcpu: i32,
    /// Memory that the threads share: the lock, then the devices.
    pub state: u64,
    /// The guest's memory.
    pub ram: u64,
    /// How much of it.
    pub memory: u64,
    /// Files of disks, in the order of the options.
    pub disks: Vec<i32>,
    /// TAP devices of network cards, in the order of the cards.
    pub taps: Vec<i32>,
    /// Counters that are doorbells: descriptors, one for each queue of the virtio devices.
    pub doorbells: Vec<i32>,
    /// Counters that raise interrupts, those of each device behind each other.
    pub interrupts: Vec<i32>,
    /// The answer to what the processor asked last.
    pub answer: Value,
    /// Standard input has come to its end.
    pub input_ended: bool,
    /// Who has the terminal: the serial port or the monitor.
    pub monitor: MonitorState,
    /// A guest that comes from elsewhere.
    pub incoming: Incoming,
    /// What the thread knows that sends the guest elsewhere.
    pub outgoing: Outgoing,
    /// Frames that devices have written since the devices were loaded.
    pub written: RefCell<BTreeSet<u64>>,
}

/// Who has the terminal.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct MonitorState {
    /// The monitor.
    pub is_active: bool,
    /// Ctrl-A came last.
    pub is_escaped: bool,
    /// What is typed to the monitor.
    pub line: String,
    /// It waits for the end of a migration.
    pub is_waiting: bool,
}

fn ints(list: &[i32]) -> Value {
    Value::List(list.iter().map(|n| (*n).into()).collect())
}

fn list(value: Option<&Value>) -> Vec<i32> {
    let items = value.and_then(Value::as_list).unwrap_or_default();
    items.iter().filter_map(Value::as_int).map(|n| n as i32).collect()
}

impl Context {
    /// Where an address of the guest is in the memory of QEMU (`address_space_map`).
    ///
    /// # Errors
    /// EFAULT when some of the bytes are not memory of the guest.
    pub fn at(&self, gpa: u64, bytes: u64) -> Result<u64, Errno> {
        let end = gpa.checked_add(bytes).filter(|end| *end <= self.memory);
        end.map(|_| self.ram + gpa).ok_or(Errno::EFAULT)
    }

    /// Writes to the guest's memory, for a device (`address_space_write`).
    ///
    /// # Errors
    /// EFAULT when some of the bytes are not memory of the guest.
    pub async fn store(&self, sys: &Sys, gpa: u64, bytes: &[u8]) -> Result<(), Errno> {
        let at = self.at(gpa, bytes.len() as u64)?;
        self.written.borrow_mut().extend(gpa >> 12..(gpa + bytes.len() as u64).div_ceil(4096));
        sys.store_bytes(at, bytes).await
    }

    /// As it is saved.
    pub fn to_value(&self) -> Value {
        Value::record([
            ("role", (self.role as i32).into()),
            ("thread", self.thread.into()),
            ("system", self.system.into()),
            ("vm", self.vm.into()),
            ("vcpu", self.vcpu.into()),
            ("state", self.state.into()),
            ("ram", self.ram.into()),
            ("memory", self.memory.into()),
            ("disks", ints(&self.disks)),
            ("taps", ints(&self.taps)),
            ("doorbells", ints(&self.doorbells)),
            ("interrupts", ints(&self.interrupts)),
            ("answer", self.answer.clone()),
            ("input_ended", i32::from(self.input_ended).into()),
            ("in_monitor", i32::from(self.monitor.is_active).into()),
            ("escaped", i32::from(self.monitor.is_escaped).into()),
            ("line", Value::str(self.monitor.line.as_str())),
            ("waiting", i32::from(self.monitor.is_waiting).into()),
            ("incoming", self.incoming.to_value()),
            ("outgoing", if self.role == Role::Migration { self.outgoing.to_value() } else { Value::Null }),
        ])
    }

    /// The reverse.
    pub fn from_value(value: &Value) -> Context {
        let int = |name: &str| value.field(name).and_then(Value::as_int).unwrap_or(0);
        Context {
            role: match int("role") {
                1 => Role::Vcpu,
                2 => Role::Migration,
                _ => Role::Main,
            },
            thread: int("thread") as i32,
            system: int("system") as i32,
            vm: int("vm") as i32,
            vcpu: int("vcpu") as i32,
            state: int("state") as u64,
            ram: int("ram") as u64,
            memory: int("memory") as u64,
            disks: list(value.field("disks")),
            taps: list(value.field("taps")),
            doorbells: list(value.field("doorbells")),
            interrupts: list(value.field("interrupts")),
            answer: value.field("answer").cloned().unwrap_or_default(),
            input_ended: int("input_ended") != 0,
            monitor: MonitorState {
                is_active: int("in_monitor") != 0,
                is_escaped: int("escaped") != 0,
                line: value.field("line").and_then(Value::as_str).unwrap_or_default().to_owned(),
                is_waiting: int("waiting") != 0,
            },
            incoming: value.field("incoming").map(Incoming::from_value).unwrap_or_default(),
            outgoing: value.field("outgoing").map(Outgoing::from_value).unwrap_or_default(),
            written: RefCell::default(),
        }
    }
}

/// Calls to the files of KVM.
pub struct Kvm<'a> {
    /// The process.
    pub sys: &'a Sys,
}

impl Kvm<'_> {
    /// A call whose result is a number.
    ///
    /// # Errors
    /// The call's own.
    pub async fn ioctl(&self, fd: i32, request: i64, argument: Value) -> Result<i64, Errno> {
        Ok(self.call(fd, request, argument).await?.value)
    }

    /// A call.
    ///
    /// # Errors
    /// The call's own.
    pub async fn call(&self, fd: i32, request: i64, argument: Value) -> Result<Ret, Errno> {
        self.sys.call(Sysno::IOCTL, vec![fd.into(), request.into(), argument]).await
    }

    /// Gives the guest memory of the process.
    ///
    /// # Errors
    /// The call's own.
    pub async fn set_memory(&self, vm: i32, gpa: u64, hva: u64, size: u64, flags: u32) -> Result<i64, Errno> {
        let region = Value::record([
            ("slot", 0.into()),
            ("flags", flags.into()),
            ("guest_phys_addr", gpa.into()),
            ("memory_size", size.into()),
            ("userspace_addr", hva.into()),
        ]);
        self.ioctl(vm, SET_USER_MEMORY_REGION, region).await
    }

    /// Makes a line of the interrupt controller high or low.
    ///
    /// # Errors
    /// The call's own.
    pub async fn set_irq(&self, vm: i32, irq: u32, level: bool) -> Result<i64, Errno> {
        let argument = Value::record([("irq", irq.into()), ("level", i32::from(level).into())]);
        self.ioctl(vm, IRQ_LINE, argument).await
    }
}
