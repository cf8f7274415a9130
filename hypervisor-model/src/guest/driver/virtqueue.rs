//! A split virtqueue from the driver's side (`drivers/virtio/virtio_ring.c`), as rings in the guest's memory.
//!
//! ```text
//!   desc   16 bytes each: addr u64, len u32, flags u16, next u16
//!   avail  flags u16, idx u16, ring u16[n], used_event u16
//!   used   flags u16, idx u16, ring {id u32, len u32}[n], avail_event u16
//! ```

use kernel_model::program::qemu::device::virtio::registers::desc;

use crate::guest::memory::GuestMemory;

/// A buffer of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Buffer {
    /// Where it is.
    pub gpa: u64,
    /// How long.
    pub len: u32,
    /// The device writes it.
    pub device_writes: bool,
}

/// A queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Virtqueue {
    /// The descriptor table.
    pub desc: u64,
    /// The ring of what the driver has for the device.
    pub avail: u64,
    /// The ring of what the device is done with.
    pub used: u64,
    /// How many descriptors.
    pub size: u16,
    next_desc: u16,
    avail_idx: u16,
    kicked: u16,
    last_used: u16,
}

impl Virtqueue {
    /// A queue of `size` descriptors in three pages from here on.
    pub fn at(gpa: u64, size: u16) -> Virtqueue {
        Virtqueue { desc: gpa, avail: gpa + 0x1000, used: gpa + 0x2000, size, ..Virtqueue::default() }
    }

    /// `virtqueue_add_sgs`: a chain of descriptors, and its head in the ring.
    pub fn add(&mut self, buffers: &[Buffer], memory: &mut GuestMemory<'_>) {
        let head = self.next_desc % self.size;
        for (i, buffer) in buffers.iter().enumerate() {
            let this = self.next_desc % self.size;
            self.next_desc = self.next_desc.wrapping_add(1);
            let has_next = i + 1 < buffers.len();
            let flags = if has_next { desc::NEXT } else { 0 } | if buffer.device_writes { desc::WRITE } else { 0 };
            let next = if has_next { self.next_desc % self.size } else { 0 };
            let mut bytes = buffer.gpa.to_le_bytes().to_vec();
            bytes.extend(buffer.len.to_le_bytes());
            bytes.extend(flags.to_le_bytes());
            bytes.extend(next.to_le_bytes());
            memory.write(self.desc + 16 * u64::from(this), &bytes);
        }
        let slot = u64::from(self.avail_idx % self.size);
        memory.write(self.avail + 4 + 2 * slot, &head.to_le_bytes());
        self.avail_idx = self.avail_idx.wrapping_add(1);
        memory.write(self.avail + 2, &self.avail_idx.to_le_bytes());
    }

    /// `virtqueue_kick_prepare`: whether the device wants to be told (`vring_need_event`).
    pub fn needs_kick(&mut self, memory: &GuestMemory<'_>) -> bool {
        let event = memory.read_u16(self.used + 4 + 8 * u64::from(self.size));
        let (new, old) = (self.avail_idx, std::mem::replace(&mut self.kicked, self.avail_idx));
        new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old)
    }

    /// `virtqueue_get_buf` for buffers that the device has written: how much is in each. The device is asked to interrupt at
    /// the next one.
    pub fn used_lengths(&mut self, memory: &mut GuestMemory<'_>) -> Vec<u32> {
        let first = self.last_used;
        let done = self.take_used(memory);
        let length = |i: u16| {
            let slot = u64::from(first.wrapping_add(i) % self.size);
            memory.read_u32(self.used + 4 + 8 * slot + 4)
        };
        (0..done).map(length).collect()
    }

    /// `virtqueue_get_buf` with `virtqueue_disable_cb`: what the device is done with is forgotten, and it is not asked to
    /// interrupt.
    pub fn forget_used(&mut self, memory: &GuestMemory<'_>) {
        self.last_used = memory.read_u16(self.used + 2);
    }

    /// `virtqueue_get_buf`, `virtqueue_enable_cb`: how many requests the device has finished; it is asked to interrupt at
    /// the next one.
    pub fn take_used(&mut self, memory: &mut GuestMemory<'_>) -> u16 {
        let idx = memory.read_u16(self.used + 2);
        let done = idx.wrapping_sub(self.last_used);
        self.last_used = idx;
        memory.write(self.avail + 4 + 2 * u64::from(self.size), &idx.to_le_bytes());
        done
    }
}
