//! The emulated machine: which device answers at which port or address, and what devices want done.
//!
//! A device is a set of registers as a plain value; an access changes it and may have [`Effect`]s, which the thread carries
//! out by system calls.

pub mod e1000;
pub mod ide;
pub mod pci;
pub mod serial;
mod tap;
pub mod virtio;

use std::collections::BTreeSet;

use super::kvm::{self, Context, Kvm};
use super::options::{Drive, Model, Options};
use crate::errno::Errno;
use crate::program::Sys;
use crate::program::libc::o;
use crate::syscall::{Sysno, Value};
use e1000::E1000;
use ide::Ide;
use pci::Function;
use serial::Serial;
use virtio::balloon::Balloon;
use virtio::{Kind, Virtio};

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
    /// The doorbell with this number was rung: that of a queue of a virtio device.
    Queue(usize),
    /// The driver of an e1000 card has frames to be sent: which card of the command line.
    Send(usize),
    /// A frame has come in for this card, or there is room for one again.
    Frames(usize),
    /// The host wants another size of the balloon: so many pages in it.
    Balloon(u32),
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
    /// E1000 cards.
    pub e1000: Vec<E1000>,
    /// Frames for which a driver had no room, with the card (`qemu_net_queue_append`).
    pub waiting: Vec<(usize, Vec<u8>)>,
    /// While the guest is being sent elsewhere: frames of its memory that devices have written.
    pub written: Option<BTreeSet<u64>>,
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
    pub async fn save(&mut self, sys: &Sys, context: &Context) {
        let written = context.written.take();
        if let Some(log) = &mut self.written {
            log.extend(written);
        }
        let _ = sys.store(context.state + Machine::AT, self.to_value()).await;
    }

    /// As they are stored.
    pub fn to_value(&self) -> Value {
        Value::record([
            ("serial", self.serial.to_value()),
            ("pci_address", self.pci_address.into()),
            ("ide", self.ide.to_value()),
            ("virtio", Value::List(self.virtio.iter().map(Virtio::to_value).collect())),
            ("e1000", Value::List(self.e1000.iter().map(E1000::to_value).collect())),
            ("waiting", Value::List(self.waiting.iter().map(waiting_value).collect())),
            ("written", self.written.as_ref().map_or(Value::Null, written_value)),
        ])
    }

    /// The reverse.
    pub fn from_value(value: &Value) -> Machine {
        let list = |name: &str| value.field(name).and_then(Value::as_list).unwrap_or_default();
        Machine {
            serial: value.field("serial").map(Serial::from_value).unwrap_or_default(),
            pci_address: value.field("pci_address").and_then(Value::as_int).unwrap_or(0) as u32,
            ide: value.field("ide").map(Ide::from_value).unwrap_or_default(),
            virtio: list("virtio").iter().map(Virtio::from_value).collect(),
            e1000: list("e1000").iter().map(E1000::from_value).collect(),
            waiting: list("waiting").iter().filter_map(waiting_from_value).collect(),
            written: value.field("written").and_then(Value::as_list).map(written_from_value),
        }
    }

    /// What was plugged into the bus, as its functions.
    fn functions(&self) -> Vec<Function> {
        let virtio = self.virtio.iter().enumerate().map(|(place, device)| {
            let (id, class, _) = device.kind.identity();
            pci::virtio(place, id, class)
        });
        virtio.chain((0..self.e1000.len()).map(|card| pci::e1000(self.virtio.len() + card, card))).collect()
    }

    fn e1000_at(&self, addr: u64) -> Option<(usize, u64)> {
        let card = addr.checked_sub(pci::E1000)? / e1000::REGISTERS;
        ((card as usize) < self.e1000.len()).then_some((card as usize, addr % e1000::REGISTERS))
    }

    /// The virtio device that a doorbell belongs to, and which of its queues.
    fn queue(&self, bell: usize) -> Option<(usize, usize)> {
        let place = self.virtio.iter().rposition(|device| device.first <= bell)?;
        Some((place, bell - self.virtio[place].first))
    }

    /// The interrupt of a queue of a virtio device, or behind the last that of its configuration.
    fn vector(&self, place: usize, queue: usize) -> usize {
        self.virtio[..place].iter().map(Virtio::vectors).sum::<usize>() + queue
    }

    /// Whether a machine with these devices can go on with the state of another.
    pub fn has_devices_of(&self, other: &Machine) -> bool {
        let kinds = |machine: &Machine| -> Vec<u32> { machine.virtio.iter().map(|d| d.kind.identity().0).collect() };
        kinds(self) == kinds(other)
            && self.e1000.len() == other.e1000.len()
            && (self.ide.disk > 0) == (other.ide.disk > 0)
    }

    /// The balloon, if there is one.
    pub fn balloon(&self) -> Option<Balloon> {
        self.virtio.iter().find_map(Virtio::balloon)
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
            self.virtio[place].write(register, number(bytes), effects);
        } else if let Some((card, register)) = self.e1000_at(addr) {
            self.e1000[card].write(register, number(bytes) as u32, effects);
        }
    }

    /// A read from there.
    pub fn memory_read(&mut self, addr: u64, len: usize, effects: &mut Vec<Effect>) -> Vec<u8> {
        if let Some((card, register)) = self.e1000_at(addr) {
            return self.e1000[card].read(register, effects).to_le_bytes()[..len.min(4)].to_vec();
        }
        match self.virtio_at(addr) {
            Some((place, register)) => self.virtio[place].read(register).to_le_bytes()[..len.min(8)].to_vec(),
            None => vec![0xff; len],
        }
    }
}

fn waiting_value((card, frame): &(usize, Vec<u8>)) -> Value {
    Value::record([("card", (*card).into()), ("frame", Value::bytes(frame.as_slice()))])
}

fn waiting_from_value(value: &Value) -> Option<(usize, Vec<u8>)> {
    Some((value.field("card")?.as_int()? as usize, value.field("frame")?.as_bytes()?.to_vec()))
}

fn written_value(frames: &BTreeSet<u64>) -> Value {
    Value::List(frames.iter().map(|frame| (*frame).into()).collect())
}

fn written_from_value(frames: &[Value]) -> BTreeSet<u64> {
    frames.iter().filter_map(Value::as_int).map(|frame| frame as u64).collect()
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
        if drive.is_virtio {
            plug(sys, &mut machine, Kind::Block { disk: i, sectors }, &drive.text).await?;
        } else if machine.ide.disk == 0 {
            machine.ide = Ide::new(i + 1, sectors);
        } else {
            return Err(fail(sys, &format!("{}: more than one IDE disk is not modelled here", drive.text)).await);
        }
    }
    for (card, nic) in options.nics.iter().enumerate() {
        match tap::open(sys, &options.netdevs[nic.netdev]).await {
            Ok(fd) => context.taps.push(fd),
            Err(text) => return Err(fail(sys, &text).await),
        }
        match nic.model {
            Model::Virtio => plug(sys, &mut machine, Kind::Net { card, mac: nic.mac }, &nic.text).await?,
            Model::E1000 => {
                // Lines of slots behind each other are different ones (`pci_slot_get_pirq`).
                let irq = if machine.e1000.len() % 2 == 0 { 11 } else { 10 };
                machine.e1000.push(E1000::new(card, irq, nic.mac));
            }
        }
    }
    for (place, netdev) in options.netdevs.iter().enumerate() {
        if !options.nics.iter().any(|nic| nic.netdev == place) {
            if let Err(text) = tap::open(sys, netdev).await {
                return Err(fail(sys, &text).await);
            }
            let warning = format!("{}: warning: netdev {} has no peer\n", super::SELF, netdev.id);
            sys.eprint(warning).await;
        }
    }
    if let Some(text) = &options.balloon {
        plug(sys, &mut machine, Kind::Balloon(Balloon::default()), text).await?;
    }
    if machine.virtio.len() + machine.e1000.len() > pci::FREE_SLOTS {
        return Err(fail(sys, "PCI: no slot/function available for e1000, all in use or reserved").await);
    }
    doorbells(sys, &machine, context).await.map_err(|_| 1)?;
    Ok(machine)
}

async fn fail(sys: &Sys, text: &str) -> i32 {
    sys.eprint(format!("{}: {text}\n", super::SELF)).await;
    1
}

/// Plugs a virtio device into the bus.
async fn plug(sys: &Sys, machine: &mut Machine, kind: Kind, option: &str) -> Result<(), i32> {
    if machine.virtio.len() == pci::FREE_SLOTS {
        let (_, _, name) = kind.identity();
        let text = format!("{option}: PCI: no slot/function available for {name}, all in use or reserved");
        return Err(fail(sys, &text).await);
    }
    let first = machine.virtio.last().map_or(0, |last| last.first + last.kind.queues());
    machine.virtio.push(Virtio::new(kind, first));
    Ok(())
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

/// Counters: a doorbell for each queue, and its interrupt; a balloon has one more, for its configuration
/// (`virtio_pci_ioeventfd_assign`, `kvm_virtio_pci_irqfd_use`).
async fn doorbells(sys: &Sys, machine: &Machine, context: &mut Context) -> Result<(), Errno> {
    let kvm = Kvm { sys };
    for (place, device) in machine.virtio.iter().enumerate() {
        for queue in 0..device.vectors() {
            if queue < device.kind.queues() {
                let bell = sys.call_int(Sysno::EVENTFD2, vec![0.into(), EVENT_FLAGS.into()]).await? as i32;
                let addr = pci::VIRTIO + place as u64 * pci::VIRTIO_SIZE + 0x3000 + 4 * queue as u64;
                let ring = Value::record([
                    ("datamatch", 0.into()),
                    ("addr", addr.into()),
                    ("len", 0.into()),
                    ("fd", bell.into()),
                    ("flags", 0.into()),
                ]);
                kvm.ioctl(context.vm, kvm::IOEVENTFD, ring).await?;
                context.doorbells.push(bell);
            }
            let interrupt = sys.call_int(Sysno::EVENTFD2, vec![0.into(), EVENT_FLAGS.into()]).await? as i32;
            let gsi = FIRST_MESSAGE + context.interrupts.len() as u32;
            let irqfd = Value::record([("fd", interrupt.into()), ("gsi", gsi.into()), ("flags", 0.into())]);
            kvm.ioctl(context.vm, kvm::IRQFD, irqfd).await?;
            context.interrupts.push(interrupt);
        }
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
        Work::Queue(bell) => {
            let Some((place, queue)) = machine.queue(bell) else { return };
            let mut device = machine.virtio[place].clone();
            if virtio::serve(sys, context, &mut device, queue).await == Ok(true) {
                interrupt(sys, context, machine.vector(place, queue)).await;
            }
            let card = match device.kind {
                Kind::Net { card, .. } if queue == virtio::net::RECEIVE => Some(card),
                _ => None,
            };
            machine.virtio[place] = device;
            if let Some(card) = card {
                frames(sys, context, machine, card, effects).await;
            }
        }
        Work::Send(card) => {
            let Some(at) = machine.e1000.iter().position(|e1000| e1000.card == card) else { return };
            let mut e1000 = machine.e1000[at].clone();
            let _ = e1000::send(sys, context, &mut e1000, effects).await;
            machine.e1000[at] = e1000;
        }
        Work::Frames(card) => frames(sys, context, machine, card, effects).await,
        Work::Balloon(pages) => {
            let Some(place) = machine.virtio.iter().position(|device| device.balloon().is_some()) else { return };
            machine.virtio[place].set_balloon(pages);
            interrupt(sys, context, machine.vector(place, machine.virtio[place].kind.queues())).await;
        }
    }
}

/// Raises an interrupt by its counter (`event_notifier_set`).
async fn interrupt(sys: &Sys, context: &Context, vector: usize) {
    if let Some(fd) = context.interrupts.get(vector) {
        let _ = sys.write(*fd, &1u64.to_le_bytes()).await;
    }
}

/// How many frames wait for a driver at most.
const WAITING_MAX: usize = 256;
/// The longest frame that a TAP device gives.
const FRAME_MAX: usize = 69_632;

/// Frames for a card: those that wait, then those of its TAP device (`tap_send`).
async fn frames(sys: &Sys, context: &Context, machine: &mut Machine, card: usize, effects: &mut Vec<Effect>) {
    let waiting = std::mem::take(&mut machine.waiting);
    let (own, others): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|(of, _)| *of == card);
    machine.waiting = others;
    let mut is_full = false;
    for (_, frame) in own {
        is_full = is_full || !receive(sys, context, machine, card, &frame, effects).await;
        if is_full {
            machine.waiting.push((card, frame));
        }
    }
    let Some(tap) = context.taps.get(card) else { return };
    while let Ok(frame) = sys.read(*tap, FRAME_MAX).await {
        if frame.is_empty() {
            break;
        }
        is_full = is_full || !receive(sys, context, machine, card, &frame, effects).await;
        if is_full && machine.waiting.len() < WAITING_MAX {
            machine.waiting.push((card, frame));
        }
    }
}

/// One frame for a card. Whether its driver had room.
async fn receive(
    sys: &Sys,
    context: &Context,
    machine: &mut Machine,
    card: usize,
    frame: &[u8],
    effects: &mut Vec<Effect>,
) -> bool {
    if let Some(at) = machine.e1000.iter().position(|e1000| e1000.card == card) {
        let mut e1000 = machine.e1000[at].clone();
        let has_room = e1000::receive(sys, context, &mut e1000, frame, effects).await != Ok(false);
        machine.e1000[at] = e1000;
        return has_room;
    }
    let is_it = |device: &Virtio| matches!(device.kind, Kind::Net { card: of, .. } if of == card);
    let Some(place) = machine.virtio.iter().position(is_it) else { return true };
    let mut device = machine.virtio[place].clone();
    let received = virtio::net::receive(sys, context, &mut device, frame).await;
    machine.virtio[place] = device;
    if received == Ok(Some(true)) {
        interrupt(sys, context, machine.vector(place, virtio::net::RECEIVE)).await;
    }
    received != Ok(None)
}

/// Bytes of a disk into the guest's memory (`blk_aio_preadv`); what lies behind the end of the file is zero.
async fn disk_read(sys: &Sys, context: &Context, fd: i32, pos: u64, (gpa, len): (u64, usize)) -> Result<(), Errno> {
    context.at(gpa, len as u64)?;
    let args = vec![fd.into(), Value::Null, len.into(), pos.into()];
    let ret = sys.call(Sysno::PREAD64, args).await?;
    let mut bytes = ret.output(1).as_bytes().unwrap_or_default().to_vec();
    bytes.resize(len, 0);
    context.store(sys, gpa, &bytes).await
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
