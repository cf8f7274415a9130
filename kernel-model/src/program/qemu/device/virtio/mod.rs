//! Virtio disks over PCI (`hw/virtio/virtio-pci.c`, `virtio.c`, `hw/block/virtio-blk.c`): the registers by which they are
//! set up, and the rings in the guest's memory. A driver that breaks the rules gets no more answers (`virtio_error`).

use super::{Effect, Work, number, numbers, of_numbers};
use crate::errno::Errno;
use crate::program::Sys;
use crate::program::qemu::kvm::Context;
use crate::syscall::Value;

/// Descriptors of a queue, and the most that a driver may make of it (`VIRTQUEUE_MAX_SIZE`).
const QUEUE_SIZE: u64 = 256;
const QUEUE_SIZE_MAX: u64 = 1024;
/// `VIRTIO_F_VERSION_1`, `VIRTIO_RING_F_EVENT_IDX`.
const FEATURES: u64 = 1 << 32 | 1 << 29;
const NEXT: u16 = 1;
const WRITE: u16 = 2;

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

/// A device.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Virtio {
    /// Which of the disks of the command line.
    pub disk: usize,
    /// Its sectors.
    pub sectors: u64,
    status: u64,
    feature_select: u64,
    driver_feature_select: u64,
    driver_features: u64,
    queue_select: u64,
    config_vector: u64,
    /// Its only queue.
    queue: Queue,
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
    pub fn new(disk: usize, sectors: u64) -> Virtio {
        let queue = Queue { size: QUEUE_SIZE, ..Queue::default() };
        Virtio { disk, sectors, queue, ..Virtio::default() }
    }

    /// As it is stored.
    pub fn to_value(&self) -> Value {
        let mut all = vec![self.disk as u64, self.sectors, self.status, self.feature_select];
        all.extend([self.driver_feature_select, self.driver_features, self.queue_select, self.config_vector]);
        let q = &self.queue;
        all.extend([q.size, q.desc, q.avail, q.used, q.is_enabled, q.last_avail, q.used_idx, q.vector]);
        numbers(&all)
    }

    /// The reverse.
    pub fn from_value(value: &Value) -> Virtio {
        let n: [u64; 16] = of_numbers(value);
        let queue = Queue {
            size: n[8],
            desc: n[9],
            avail: n[10],
            used: n[11],
            is_enabled: n[12],
            last_avail: n[13],
            used_idx: n[14],
            vector: n[15],
        };
        Virtio {
            disk: n[0] as usize,
            sectors: n[1],
            status: n[2],
            feature_select: n[3],
            driver_feature_select: n[4],
            driver_features: n[5],
            queue_select: n[6],
            config_vector: n[7],
            queue,
        }
    }

    /// A write to a register; a doorbell that is no counter is work.
    pub fn write(&mut self, place: usize, register: u64, value: u64, effects: &mut Vec<Effect>) {
        let queue = (self.queue_select == 0).then_some(&mut self.queue);
        let low = |old: u64| old & !0xffff_ffff | value & 0xffff_ffff;
        let high = |old: u64| old & 0xffff_ffff | value << 32;
        match (register, queue) {
            (0x00, _) => self.feature_select = value,
            (0x08, _) => self.driver_feature_select = value,
            (0x0c, _) if self.driver_feature_select == 0 => self.driver_features = low(self.driver_features),
            (0x0c, _) => self.driver_features = high(self.driver_features),
            (0x10, _) => self.config_vector = value,
            (0x14, _) if value == 0 => *self = Virtio::new(self.disk, self.sectors),
            (0x14, _) => self.status = value,
            (0x16, _) => self.queue_select = value,
            // `virtio_queue_set_num`: another size is not taken.
            (0x18, Some(q)) if (1..=QUEUE_SIZE_MAX).contains(&value) => q.size = value,
            (0x1a, Some(q)) => q.vector = value,
            (0x1c, Some(q)) => q.is_enabled = value,
            (0x20, Some(q)) => q.desc = low(q.desc),
            (0x24, Some(q)) => q.desc = high(q.desc),
            (0x28, Some(q)) => q.avail = low(q.avail),
            (0x2c, Some(q)) => q.avail = high(q.avail),
            (0x30, Some(q)) => q.used = low(q.used),
            (0x34, Some(q)) => q.used = high(q.used),
            (0x3000, _) => effects.push(Effect::Later(Work::Queue(place))),
            _ => {}
        }
    }

    /// A read from one.
    pub fn read(&self, register: u64) -> u64 {
        let queue = if self.queue_select == 0 { self.queue } else { Queue::default() };
        match register {
            0x04 => FEATURES >> (32 * self.feature_select.min(1)) & 0xffff_ffff,
            0x0c => self.driver_features >> (32 * self.driver_feature_select.min(1)) & 0xffff_ffff,
            0x10 => self.config_vector,
            0x12 => 1,
            0x14 => self.status,
            0x18 => queue.size,
            0x1a => queue.vector,
            0x1c => queue.is_enabled,
            0x1e => self.queue_select,
            0x2000 => self.sectors & 0xffff_ffff,
            0x2004 => self.sectors >> 32,
            _ => 0,
        }
    }

    /// The next request of a queue (`virtqueue_pop`): its head and its buffers.
    async fn pop(&mut self, sys: &Sys, context: &Context) -> Result<Option<(u16, Vec<Buffer>)>, Errno> {
        let q = &mut self.queue;
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
            buffers.push(Buffer { gpa: int(0, 8), len: int(8, 12) as usize, is_writable: flags & WRITE != 0 });
            if flags & NEXT == 0 {
                break;
            }
            at = int(14, 16) as u16;
        }
        Ok(Some((head, buffers)))
    }

    /// A request is done (`virtqueue_push`, `virtio_notify`).
    async fn push(&mut self, sys: &Sys, context: &Context, head: u16, len: u32) -> Result<bool, Errno> {
        let q = &mut self.queue;
        let mut element = u32::from(head).to_le_bytes().to_vec();
        element.extend(len.to_le_bytes());
        store(sys, context, q.used, 4 + 8 * (q.used_idx % q.size), &element).await?;
        let old = q.used_idx as u16;
        q.used_idx += 1;
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
    let at = context.at(gpa.checked_add(offset).ok_or(Errno::EFAULT)?, bytes.len() as u64)?;
    sys.store_bytes(at, bytes).await
}

/// A doorbell was rung: everything that is in the queue is done (`virtio_blk_handle_vq`). Whether the guest is to be
/// interrupted.
///
/// # Errors
/// A call failed, or the driver named what is not there.
pub async fn serve(sys: &Sys, context: &Context, device: &mut Virtio) -> Result<bool, Errno> {
    let mut interrupts = false;
    while let Some((head, buffers)) = device.pop(sys, context).await? {
        let len = block(sys, context, device.disk, &buffers).await?;
        interrupts |= device.push(sys, context, head, len).await?;
    }
    Ok(interrupts)
}

const T_IN: u32 = 0;
const T_OUT: u32 = 1;
const T_FLUSH: u32 = 4;
const S_OK: u8 = 0;
const S_IOERR: u8 = 1;
const S_UNSUPP: u8 = 2;

/// A request of a disk (`virtio_blk_handle_request`). How many bytes of the guest's memory were written.
async fn block(sys: &Sys, context: &Context, disk: usize, buffers: &[Buffer]) -> Result<u32, Errno> {
    // `virtio-blk missing headers`
    let [header, data @ .., status] = buffers else { return Err(Errno::EINVAL) };
    if header.is_writable || !status.is_writable || status.len == 0 {
        return Err(Errno::EINVAL);
    }
    let bytes = load(sys, context, header.gpa, 0, 16).await?;
    let int = |from: usize, to: usize| bytes.get(from..to).map_or(0, number);
    let (kind, mut pos) = (int(0, 4) as u32, int(8, 16).saturating_mul(512));
    let fd = context.disks.get(disk).copied().unwrap_or(-1);
    let mut written: u32 = 1;
    let mut result = S_OK;
    for buffer in data {
        let part = (buffer.gpa, buffer.len);
        let done = match kind {
            T_IN => super::disk_read(sys, context, fd, pos, part).await,
            T_OUT => super::disk_write(sys, context, fd, pos, part).await,
            _ => Err(Errno::EINVAL),
        };
        if done.is_err() {
            result = S_IOERR;
        }
        if buffer.is_writable {
            written = written.wrapping_add(buffer.len as u32);
        }
        pos = pos.saturating_add(buffer.len as u64);
    }
    match kind {
        T_IN | T_OUT => {}
        T_FLUSH => super::disk_flush(sys, fd).await?,
        _ => result = S_UNSUPP,
    }
    store(sys, context, status.gpa, 0, &[result]).await?;
    Ok(written)
}
