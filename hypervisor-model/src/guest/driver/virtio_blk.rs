//! The driver of a virtio disk (`drivers/block/virtio_blk.c`): a request is a chain of descriptors and one doorbell.

use kernel_model::block::Direction;
use kernel_model::machine::Port;
use kernel_model::machine::interrupt::{DiskRequest, Interrupt};
use kernel_model::program::qemu::device::virtio::registers::{DESCRIPTORS, DEVICE_CONFIG};

use super::virtqueue::{Buffer, Virtqueue};
use super::{Access, Done, Steps, Then, virtio_pci};
use crate::guest::memory::GuestMemory;

const T_IN: u32 = 0;
const T_OUT: u32 = 1;
const T_FLUSH: u32 = 4;
/// The major number that `virtblk` gets.
const MAJOR: u32 = 254;
/// Partitions of a disk: its minor numbers (`PART_BITS`).
const MINORS: u32 = 16;
/// What a driver takes of the guest's memory: rings, header and status, and the largest request.
pub const MEMORY: u64 = 2 << 20;

/// A virtio disk.
#[derive(Clone, PartialEq, Debug)]
pub struct VirtioBlk {
    base: u64,
    /// Where its memory is.
    gpa: u64,
    queue: Virtqueue,
    /// The number of the disk.
    number: u32,
    capacity: u64,
    /// The request that it works at.
    active: Option<DiskRequest>,
}

impl VirtioBlk {
    /// A disk that was found: the first steps of its driver.
    pub fn found((number, device): (u32, u32), base: u64, gpa: u64, steps: &mut Steps) -> VirtioBlk {
        virtio_pci::begin(base, 0, steps);
        let queue = Virtqueue::at(gpa, DESCRIPTORS);
        virtio_pci::finish(base, &[queue], steps);
        for half in 0..2u8 {
            let register = base + DEVICE_CONFIG + 4 * u64::from(half);
            steps.push(Access::Read(register, 4), Then::Capacity(device, half));
        }
        VirtioBlk { base, gpa, queue, number, capacity: 0, active: None }
    }

    /// Where its requests go.
    pub fn port(&self) -> Port {
        Port(1 + self.number)
    }

    /// Half of its size is known; with the second the kernel hears of it.
    pub fn capacity(&mut self, half: u8, value: u32, done: &mut Vec<Done>) {
        self.capacity |= u64::from(value) << (32 * half);
        if half == 1 {
            let letter = char::from(b'a' + self.number as u8);
            done.push(Done::Interrupt(Interrupt::Disk {
                name: format!("vd{letter}"),
                dev: (MAJOR, self.number * MINORS),
                size: self.capacity * 512,
                port: self.port(),
            }));
        }
    }

    /// `virtio_queue_rq`.
    pub fn submit(&mut self, request: DiskRequest, steps: &mut Steps, memory: &mut GuestMemory<'_>) {
        let (header, status, data) = (self.gpa + 0x3000, self.gpa + 0x3010, self.gpa + 0x4000);
        let kind = match request.direction {
            _ if request.bytes == 0 => T_FLUSH,
            Direction::Read => T_IN,
            Direction::Write => T_OUT,
        };
        let mut bytes = kind.to_le_bytes().to_vec();
        bytes.extend([0; 4]);
        bytes.extend((request.pos / 512).to_le_bytes());
        memory.write(header, &bytes);
        let is_read = kind == T_IN;
        let mut chain = vec![Buffer { gpa: header, len: 16, device_writes: false }];
        if request.bytes > 0 {
            if !is_read {
                memory.write(data, &request.data);
            }
            chain.push(Buffer { gpa: data, len: request.bytes as u32, device_writes: is_read });
        }
        chain.push(Buffer { gpa: status, len: 1, device_writes: true });
        self.queue.add(&chain, memory);
        self.active = Some(request);
        if self.queue.needs_kick(memory) {
            virtio_pci::notify(self.base, 0, steps);
        }
    }

    /// `virtblk_done`: what the device has finished goes to the kernel. No register is touched.
    pub fn interrupt(&mut self, memory: &mut GuestMemory<'_>, done: &mut Vec<Done>) {
        if self.queue.take_used(memory) == 0 {
            return;
        }
        let Some(request) = self.active.take() else { return };
        if request.direction == Direction::Read && request.bytes > 0 {
            let bytes = memory.read(self.gpa + 0x4000, request.bytes as usize).into();
            done.push(Done::Interrupt(Interrupt::DiskData { disk: request.disk, pos: request.pos, bytes }));
        }
        done.push(Done::Interrupt(Interrupt::DiskDone(request.disk)));
    }
}
