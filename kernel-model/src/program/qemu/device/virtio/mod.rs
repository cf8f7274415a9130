//! Virtio devices over PCI (`hw/virtio/virtio-pci.c`, `virtio.c`): the registers by which they are set up, and the rings in
//! the guest's memory. What a device does with its requests is in a file each: [`block`], [`net`], [`balloon`]. A driver that
//! breaks the rules gets no more answers (`virtio_error`).

pub mod balloon;
mod block;
pub mod net;
pub mod registers;

use super::{Effect, Work, number, numbers};
use crate::errno::Errno;
use crate::program::Sys;
use crate::program::qemu::kvm::Context;
use crate::syscall::Value;
use balloon::Balloon;
use registers::*;

/// The most descriptors that a driver may make of a queue (`VIRTQUEUE_MAX_SIZE`).
const MOST_DESCRIPTORS: u64 = 1024;

/// A queue as the device sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Queue {
    size: u64,
    desc: u64,
    avail: u64,
    used: u64,
    is_enabled: u64,
    last_avail: u64,
    used_idx: u64,
    vector: u64,
}

/// Which device it is, with what is its own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A disk: which of those of the command line, and its sectors.
    Block {
        /// Which disk.
        disk: usize,
        /// Its sectors.
        sectors: u64,
    },
    /// A network card: which of those of the command line, and its address.
    Net {
        /// Which card.
        card: usize,
        /// Its Ethernet address.
        mac: [u8; 6],
    },
    /// A balloon.
    Balloon(Balloon),
}

impl Kind {
    /// The device's half of its PCI identification, its class, and what it is called.
    pub fn identity(&self) -> (u32, u32, &'static str) {
        match self {
            Kind::Block { .. } => (0x1001, 0x0100_0000, "virtio-blk-pci"),
            Kind::Net { .. } => (0x1000, 0x0200_0000, "virtio-net-pci"),
            Kind::Balloon(_) => (0x1002, 0x00ff_0000, "virtio-balloon-pci"),
        }
    }

    /// How many queues it has.
    pub fn queues(&self) -> usize {
        match self {
            Kind::Block { .. } => 1,
            Kind::Net { .. } | Kind::Balloon(_) => 2,
        }
    }

    fn features(&self) -> u64 {
        FEATURES | if matches!(self, Kind::Net { .. }) { NET_FEATURES } else { 0 }
    }

    fn numbers(&self) -> [u64; 3] {
        match self {
            Kind::Block { disk, sectors } => [0, *disk as u64, *sectors],
            Kind::Net { card, mac } => [1, *card as u64, number(mac)],
            Kind::Balloon(balloon) => [2, balloon.wanted.into(), balloon.actual.into()],
        }
    }

    fn of_numbers(n: &[u64]) -> Kind {
        match n {
            [1, card, mac, ..] => {
                let bytes = mac.to_le_bytes();
                Kind::Net { card: *card as usize, mac: std::array::from_fn(|i| bytes[i]) }
            }
            [2, wanted, actual, ..] => Kind::Balloon(Balloon { wanted: *wanted as u32, actual: *actual as u32 }),
            [_, disk, sectors, ..] => Kind::Block { disk: *disk as usize, sectors: *sectors },
            _ => Kind::Block { disk: 0, sectors: 0 },
        }
    }

    /// A byte of its own configuration.
    fn config(&self, offset: u64) -> u8 {
        let at = |bytes: &[u8]| bytes.get(offset as usize).copied().unwrap_or(0);
        match self {
            Kind::Block { sectors, .. } => at(&sectors.to_le_bytes()),
            Kind::Net { mac, .. } => at(mac),
            Kind::Balloon(Balloon { wanted, actual }) => {
                at(&(u64::from(*wanted) | u64::from(*actual) << 32).to_le_bytes())
            }
        }
    }
}

/// A device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Virtio {
    /// What it is.
    pub kind: Kind,
    /// The number of its first queue among those of all devices.
    pub first: usize,
    status: u64,
    feature_select: u64,
    driver_feature_select: u64,
    driver_features: u64,
    queue_select: u64,
    config_vector: u64,
    queues: Vec<Queue>,
}

/// A buffer of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Buffer {
    gpa: u64,
    len: usize,
    is_writable: bool,
}

impl Virtio {
    /// A device that nobody has set up.
    pub fn new(kind: Kind, first: usize) -> Virtio {
        let queues = vec![Queue { size: DESCRIPTORS.into(), ..Queue::default() }; kind.queues()];
        Virtio {
            kind,
            first,
            status: 0,
            feature_select: 0,
            driver_feature_select: 0,
            driver_features: 0,
            queue_select: 0,
            config_vector: 0,
            queues,
        }
    }

    /// How many interrupts it has: one a queue, and a balloon one for changes of its configuration.
    pub fn vectors(&self) -> usize {
        self.queues.len() + usize::from(matches!(self.kind, Kind::Balloon(_)))
    }

    /// As it is stored.
    pub fn to_value(&self) -> Value {
        let mut all = self.kind.numbers().to_vec();
        all.extend([self.first as u64, self.status, self.feature_select, self.driver_feature_select]);
        all.extend([self.driver_features, self.queue_select, self.config_vector]);
        for q in &self.queues {
            all.extend([q.size, q.desc, q.avail, q.used, q.is_enabled, q.last_avail, q.used_idx, q.vector]);
        }
        numbers(&all)
    }

    /// The reverse.
    pub fn from_value(value: &Value) -> Virtio {
        let items = value.as_list().unwrap_or_default();
        let all: Vec<u64> = items.iter().map(|item| item.as_int().unwrap_or(0) as u64).collect();
        let at = |i: usize| all.get(i).copied().unwrap_or(0);
        let queue = |n: &[u64]| Queue {
            size: n[0],
            desc: n[1],
            avail: n[2],
            used: n[3],
            is_enabled: n[4],
            last_avail: n[5],
            used_idx: n[6],
            vector: n[7],
        };
        Virtio {
            kind: Kind::of_numbers(&all),
            first: at(3) as usize,
            status: at(4),
            feature_select: at(5),
            driver_feature_select: at(6),
            driver_features: at(7),
            queue_select: at(8),
            config_vector: at(9),
            queues: all.get(10..).unwrap_or_default().chunks_exact(8).map(queue).collect(),
        }
    }

    /// A write to a register; a doorbell that is no counter is work.
    pub fn write(&mut self, register: u64, value: u64, effects: &mut Vec<Effect>) {
        let count = self.queues.len() as u64;
        let queue = self.queues.get_mut(self.queue_select as usize);
        let low = |old: u64| old & !0xffff_ffff | value & 0xffff_ffff;
        let high = |old: u64| old & 0xffff_ffff | value << 32;
        match (register, queue) {
            (DEVICE_FEATURE_SELECT, _) => self.feature_select = value,
            (DRIVER_FEATURE_SELECT, _) => self.driver_feature_select = value,
            (DRIVER_FEATURE, _) if self.driver_feature_select == 0 => self.driver_features = low(self.driver_features),
            (DRIVER_FEATURE, _) => self.driver_features = high(self.driver_features),
            (CONFIG_MSIX_VECTOR, _) => self.config_vector = value,
            (STATUS, _) if value == 0 => *self = Virtio::new(self.kind.clone(), self.first),
            (STATUS, _) => self.status = value,
            (QUEUE_SELECT, _) => self.queue_select = value,
            // `virtio_queue_set_num`: another size is not taken.
            (QUEUE_SIZE, Some(q)) if (1..=MOST_DESCRIPTORS).contains(&value) => q.size = value,
            (QUEUE_MSIX_VECTOR, Some(q)) => q.vector = value,
            (QUEUE_ENABLE, Some(q)) => q.is_enabled = value,
            (QUEUE_DESC, Some(q)) => q.desc = low(q.desc),
            (QUEUE_DESC_HIGH, Some(q)) => q.desc = high(q.desc),
            (QUEUE_DRIVER, Some(q)) => q.avail = low(q.avail),
            (QUEUE_DRIVER_HIGH, Some(q)) => q.avail = high(q.avail),
            (QUEUE_DEVICE, Some(q)) => q.used = low(q.used),
            (QUEUE_DEVICE_HIGH, Some(q)) => q.used = high(q.used),
            (BALLOON_ACTUAL, _) if let Kind::Balloon(balloon) = &mut self.kind => balloon.actual = value as u32,
            (NOTIFY.., _) if register.is_multiple_of(NOTIFY_STEP) && (register - NOTIFY) / NOTIFY_STEP < count => {
                effects.push(Effect::Later(Work::Queue(self.first + ((register - NOTIFY) / NOTIFY_STEP) as usize)));
            }
            _ => {}
        }
    }

    /// A read from one.
    pub fn read(&self, register: u64) -> u64 {
        let queue = self.queues.get(self.queue_select as usize).copied().unwrap_or_default();
        match register {
            DEVICE_FEATURE => self.kind.features() >> (32 * self.feature_select.min(1)) & 0xffff_ffff,
            DRIVER_FEATURE => self.driver_features >> (32 * self.driver_feature_select.min(1)) & 0xffff_ffff,
            CONFIG_MSIX_VECTOR => self.config_vector,
            NUM_QUEUES => self.queues.len() as u64,
            STATUS => self.status,
            QUEUE_SIZE => queue.size,
            QUEUE_MSIX_VECTOR => queue.vector,
            QUEUE_ENABLE => queue.is_enabled,
            QUEUE_NOTIFY_OFF => self.queue_select,
            DEVICE_CONFIG..NOTIFY => {
                (0..4).rev().fold(0, |all, i| all << 8 | u64::from(self.kind.config(register - DEVICE_CONFIG + i)))
            }
            _ => 0,
        }
    }

    /// The next request of a queue (`virtqueue_pop`): its head and its buffers.
    async fn pop(&mut self, sys: &Sys, context: &Context, queue: usize) -> Result<Option<(u16, Vec<Buffer>)>, Errno> {
        let q = &mut self.queues[queue];
        if q.is_enabled == 0 {
            return Ok(None);
        }
        let idx = load_u16(sys, context, q.avail, 2).await?;
        if idx == q.last_avail as u16 {
            // Be told of the next one (virtio_queue_set_notification).
            store(sys, context, q.used, 4 + 8 * q.size, &(q.last_avail as u16).to_le_bytes()).await?;
            return Ok(None);
        }
        let head = load_u16(sys, context, q.avail, 4 + 2 * (q.last_avail % q.size)).await?;
        q.last_avail += 1;
        let mut buffers = Vec::new();
        let mut at = head;
        for _ in 0..q.size {
            if u64::from(at) >= q.size {
                return Err(Errno::EINVAL);
            }
            let d = load(sys, context, q.desc, 16 * u64::from(at), 16).await?;
            let int = |from: usize, to: usize| d.get(from..to).map_or(0, number);
            let flags = int(12, 14) as u16;
            buffers.push(Buffer { gpa: int(0, 8), len: int(8, 12) as usize, is_writable: flags & desc::WRITE != 0 });
            if flags & desc::NEXT == 0 {
                break;
            }
            at = int(14, 16) as u16;
        }
        Ok(Some((head, buffers)))
    }

    /// Requests were taken that cannot be done yet (`virtqueue_unpop`): how many.
    fn unpop(&mut self, queue: usize, count: usize) {
        let q = &mut self.queues[queue];
        q.last_avail = q.last_avail.saturating_sub(count as u64);
    }

    /// Requests are done, of which the driver learns at once (`virtqueue_fill`, `virtqueue_flush`, `virtio_notify`): their
    /// heads, and how many bytes were written. Whether the guest is to be interrupted.
    async fn push(
        &mut self,
        sys: &Sys,
        context: &Context,
        queue: usize,
        requests: &[(u16, u32)],
    ) -> Result<bool, Errno> {
        let q = &mut self.queues[queue];
        let old = q.used_idx as u16;
        for (head, len) in requests {
            let mut element = u32::from(*head).to_le_bytes().to_vec();
            element.extend(len.to_le_bytes());
            store(sys, context, q.used, 4 + 8 * (q.used_idx % q.size), &element).await?;
            q.used_idx += 1;
        }
        let new = q.used_idx as u16;
        store(sys, context, q.used, 2, &new.to_le_bytes()).await?;
        let event = load_u16(sys, context, q.avail, 4 + 2 * q.size).await?;
        Ok(new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old))
    }
}

/// Bytes of the guest's memory, so far behind an address of it.
async fn load(sys: &Sys, context: &Context, gpa: u64, offset: u64, len: usize) -> Result<Vec<u8>, Errno> {
    let at = context.at(gpa.checked_add(offset).ok_or(Errno::EFAULT)?, len as u64)?;
    sys.load_bytes(at, len).await
}

async fn load_u16(sys: &Sys, context: &Context, gpa: u64, offset: u64) -> Result<u16, Errno> {
    Ok(number(&load(sys, context, gpa, offset, 2).await?) as u16)
}

async fn store(sys: &Sys, context: &Context, gpa: u64, offset: u64, bytes: &[u8]) -> Result<(), Errno> {
    context.store(sys, gpa.checked_add(offset).ok_or(Errno::EFAULT)?, bytes).await
}

/// A doorbell was rung: everything that is in the queue is done. Whether the guest is to be interrupted.
///
/// # Errors
/// A call failed, or the driver named what is not there.
pub async fn serve(sys: &Sys, context: &Context, device: &mut Virtio, queue: usize) -> Result<bool, Errno> {
    match device.kind {
        Kind::Block { disk, .. } => block::serve(sys, context, device, disk).await,
        Kind::Net { card, .. } => net::serve(sys, context, device, queue, card).await,
        Kind::Balloon(_) => balloon::serve(sys, context, device, queue).await,
    }
}
