//! The emulated machine: which device answers at which port or address, and what devices want done.
//!
//! A device is a set of registers as a plain value; an access changes it and may have [`Effect`]s, which the thread carries
//! out by system calls.

pub mod ide;
pub mod pci;
pub mod serial;
pub mod virtio;

use super::kvm::{self, Context, Kvm};
use super::options::{Drive, Options};
use crate::errno::Errno;
use crate::program::Sys;
use crate::program::libc::o;
use crate::syscall::{Sysno, Value};
use ide::Ide;
use pci::Function;
use serial::Serial;
use virtio::Virtio;

/// Something that a device wants done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Bytes go to the terminal.
    Print(Vec<u8>),
    /// A line of the interrupt controller changes.
    Irq(u32, bool),
    /// Work that needs calls.
    Later(Work),
}

/// Work that a device cannot do by its registers alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Work {
    /// Something was typed.
    Typed(Vec<u8>),
    /// The doorbell of the queue of a virtio device was rung.
    Queue(usize),
    /// The DMA engine of the IDE controller was started.
    Dma,
}

/// The devices.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Machine {
    /// ttyS0.
    pub serial: Serial,
    /// The register by which configuration space is addressed.
    pub pci_address: u32,
    /// The IDE controller.
    pub ide: Ide,
    /// Virtio devices, in the order of their places on the bus.
    pub virtio: Vec<Virtio>,
}

/// The first interrupt that is a message and no line.
const FIRST_MESSAGE: u32 = 24;
/// `EFD_CLOEXEC | EFD_NONBLOCK`.
const EVENT_FLAGS: i64 = 0o2_004_000;

impl Machine {
    /// Where the lock is in the memory that threads share.
    pub const LOCK: u64 = 0;
    /// Where the devices are.
    pub const AT: u64 = 64;

    /// Reads the devices from where the threads share them.
    pub async fn load(sys: &Sys, context: &Context) -> Machine {
        Machine::from_value(&sys.load(context.state + Machine::AT).await.unwrap_or_default())
    }

    /// Writes them there.
    pub async fn save(&self, sys: &Sys, context: &Context) {
        let _ = sys.store(context.state + Machine::AT, self.to_value()).await;
    }

    /// As they are stored.
    pub fn to_value(&self) -> Value {
        Value::record([
            ("serial", self.serial.to_value()),
            ("pci_address", self.pci_address.into()),
            ("ide", self.ide.to_value()),
            ("virtio", Value::List(self.virtio.iter().map(Virtio::to_value).collect())),
        ])
    }

    /// The reverse.
    pub fn from_value(value: &Value) -> Machine {
        let virtio = value.field("virtio").and_then(Value::as_list).unwrap_or_default();
        Machine {
            serial: value.field("serial").map(Serial::from_value).unwrap_or_default(),
            pci_address: value.field("pci_address").and_then(Value::as_int).unwrap_or(0) as u32,
            ide: value.field("ide").map(Ide::from_value).unwrap_or_default(),
            virtio: virtio.iter().map(Virtio::from_value).collect(),
        }
    }

    /// The virtio devices as functions of the bus.
    fn functions(&self) -> Vec<Function> {
        (0..self.virtio.len()).map(|place| pci::virtio(place, 0x1001, 0x0100_0000)).collect()
    }

    /// OUT.
    pub fn port_write(&mut self, port: u16, bytes: &[u8], effects: &mut Vec<Effect>) {
        let Some(byte) = bytes.first().copied() else { return };
        match port {
            0x3f8..=0x3ff => self.serial.write(port - 0x3f8, byte, effects),
            0xcf8 => self.pci_address = number(bytes) as u32,
            0x1f1..=0x1f7 | 0x3f6 => self.ide.write(port, byte, effects),
            _ if port & !0xf == pci::IDE_DMA => self.ide.dma_write(port & 0xf, bytes, effects),
            _ => {}
        }
    }

    /// IN. Where nothing answers all bits are set.
    pub fn port_read(&mut self, port: u16, size: usize, count: usize, effects: &mut Vec<Effect>) -> Vec<u8> {
        match port {
            0x3f8..=0x3ff => vec![self.serial.read(port - 0x3f8, effects)],
            0xcfc => pci::read(self.pci_address, &self.functions()).to_le_bytes()[..size.min(4)].to_vec(),
            0x1f0 => self.ide.data(size * count),
            0x1f1..=0x1f7 | 0x3f6 => vec![self.ide.read(port, effects)],
            _ if port & !0xf == pci::IDE_DMA => vec![self.ide.dma_read(port & 0xf)],
            _ => vec![0xff; size * count],
        }
    }

    fn virtio_at(&self, addr: u64) -> Option<(usize, u64)> {
        let place = addr.checked_sub(pci::VIRTIO)? / pci::VIRTIO_SIZE;
        ((place as usize) < self.virtio.len()).then_some((place as usize, addr % pci::VIRTIO_SIZE))
    }

    /// A write to where there is no memory.
    pub fn memory_write(&mut self, addr: u64, bytes: &[u8], effects: &mut Vec<Effect>) {
        if let Some((place, register)) = self.virtio_at(addr) {
            self.virtio[place].write(place, register, number(bytes), effects);
        }
    }

    /// A read from there.
    pub fn memory_read(&mut self, addr: u64, len: usize, _effects: &mut [Effect]) -> Vec<u8> {
        match self.virtio_at(addr) {
            Some((place, register)) => self.virtio[place].read(register).to_le_bytes()[..len.min(8)].to_vec(),
            None => vec![0xff; len],
        }
    }
}

/// The number that bytes are, the lowest first.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |all, b| all << 8 | u64::from(*b))
}

/// Makes the devices that the options ask for.
///
/// # Errors
/// The exit status, after a message.
pub async fn make(sys: &Sys, options: &Options, context: &mut Context) -> Result<Machine, i32> {
    let mut machine = Machine::default();
    for (i, drive) in options.drives.iter().enumerate() {
        let bytes = open(sys, drive, context).await?;
        // The last sector may be there in part only (bdrv_nb_sectors).
        let sectors = bytes.div_ceil(512);
        if drive.is_virtio && machine.virtio.len() == pci::FREE_SLOTS {
            let what = "PCI: no slot/function available for virtio-blk-pci, all in use or reserved";
            sys.eprint(format!("{}: {}: {what}\n", super::SELF, drive.text)).await;
            return Err(1);
        }
        if drive.is_virtio {
            machine.virtio.push(Virtio::new(i, sectors));
        } else if machine.ide.disk == 0 {
            machine.ide = Ide::new(i + 1, sectors);
        } else {
            let text = format!("{}: {}: more than one IDE disk is not modelled here\n", super::SELF, drive.text);
            sys.eprint(text).await;
            return Err(1);
        }
    }
    doorbells(sys, &machine, context).await.map_err(|_| 1)?;
    Ok(machine)
}

async fn open(sys: &Sys, drive: &Drive, context: &mut Context) -> Result<u64, i32> {
    let access = if drive.readonly { o::RDONLY } else { o::RDWR };
    let opened = match sys.open(&drive.file, access | o::CLOEXEC, 0).await {
        Ok(fd) => {
            context.disks.push(fd);
            sys.fstat(fd).await
        }
        Err(e) => Err(e),
    };
    match opened {
        Ok(stat) => Ok(stat.st_size),
        Err(e) => {
            let text = format!("{}: {}: Could not open '{}': {e}\n", super::SELF, drive.text, drive.file);
            sys.eprint(text).await;
            Err(1)
        }
    }
}

/// Two counters for each device, which has one queue: its doorbell, and its interrupt (`virtio_pci_ioeventfd_assign`,
/// `kvm_virtio_pci_irqfd_use`).
async fn doorbells(sys: &Sys, machine: &Machine, context: &mut Context) -> Result<(), Errno> {
    let kvm = Kvm { sys };
    for place in 0..machine.virtio.len() {
        let bell = sys.call_int(Sysno::EVENTFD2, vec![0.into(), EVENT_FLAGS.into()]).await? as i32;
        let addr = pci::VIRTIO + place as u64 * pci::VIRTIO_SIZE + 0x3000;
        let ring = Value::record([
            ("datamatch", 0.into()),
            ("addr", addr.into()),
            ("len", 0.into()),
            ("fd", bell.into()),
            ("flags", 0.into()),
        ]);
        kvm.ioctl(context.vm, kvm::IOEVENTFD, ring).await?;
        let interrupt = sys.call_int(Sysno::EVENTFD2, vec![0.into(), EVENT_FLAGS.into()]).await? as i32;
        let gsi = FIRST_MESSAGE + place as u32;
        let irqfd = Value::record([("fd", interrupt.into()), ("gsi", gsi.into()), ("flags", 0.into())]);
        kvm.ioctl(context.vm, kvm::IRQFD, irqfd).await?;
        context.doorbells.push(bell);
        context.interrupts.push(interrupt);
    }
    Ok(())
}

/// Does work that needs calls.
pub async fn work(sys: &Sys, context: &Context, machine: &mut Machine, work: Work, effects: &mut Vec<Effect>) {
    match work {
        Work::Typed(bytes) => machine.serial.receive(&bytes, effects),
        Work::Dma => {
            let mut ide = machine.ide.clone();
            let _ = ide::run(sys, context, &mut ide, effects).await;
            machine.ide = ide;
        }
        Work::Queue(place) => {
            let Some(mut device) = machine.virtio.get(place).cloned() else { return };
            if virtio::serve(sys, context, &mut device).await == Ok(true)
                && let Some(fd) = context.interrupts.get(place)
            {
                let _ = sys.write(*fd, &1u64.to_le_bytes()).await;
            }
            machine.virtio[place] = device;
        }
    }
}

/// Bytes of a disk into the guest's memory (`blk_aio_preadv`); what lies behind the end of the file is zero.
async fn disk_read(sys: &Sys, context: &Context, fd: i32, pos: u64, (gpa, len): (u64, usize)) -> Result<(), Errno> {
    let to = context.at(gpa, len as u64)?;
    let args = vec![fd.into(), Value::Null, len.into(), pos.into()];
    let ret = sys.call(Sysno::PREAD64, args).await?;
    let mut bytes = ret.output(1).as_bytes().unwrap_or_default().to_vec();
    bytes.resize(len, 0);
    sys.store_bytes(to, &bytes).await
}

/// Bytes of the guest's memory to a disk.
async fn disk_write(sys: &Sys, context: &Context, fd: i32, pos: u64, (gpa, len): (u64, usize)) -> Result<(), Errno> {
    let from = context.at(gpa, len as u64)?;
    let bytes = sys.load_bytes(from, len).await?;
    let args = vec![fd.into(), Value::bytes(bytes), len.into(), pos.into()];
    sys.call(Sysno::PWRITE64, args).await.map(drop)
}

/// What was written is safe.
async fn disk_flush(sys: &Sys, fd: i32) -> Result<(), Errno> {
    sys.call(Sysno::FDATASYNC, vec![fd.into()]).await.map(drop)
}

/// Numbers as a list.
pub(super) fn numbers(items: &[u64]) -> Value {
    Value::List(items.iter().map(|n| (*n).into()).collect())
}

/// The reverse, with so many of them.
pub(super) fn of_numbers<const N: usize>(value: &Value) -> [u64; N] {
    let items = value.as_list().unwrap_or_default();
    std::array::from_fn(|i| items.get(i).and_then(Value::as_int).unwrap_or(0) as u64)
}
