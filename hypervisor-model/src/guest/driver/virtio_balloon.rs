//! The driver of a virtio balloon (`drivers/virtio/virtio_balloon.c`): pages that its kernel gives it are named to the host,
//! which takes the memory behind them away.

use kernel_model::machine::interrupt::Interrupt;
use kernel_model::program::qemu::device::virtio::registers::{BALLOON_ACTUAL, DESCRIPTORS, DEVICE_CONFIG};

use super::virtqueue::{Buffer, Virtqueue};
use super::{Access, Done, Steps, Then, virtio_pci};
use crate::guest::memory::GuestMemory;

/// Frames that are named at once (`VIRTIO_BALLOON_ARRAY_PFNS_MAX`).
const ARRAY: u64 = 256;
/// Bytes of a frame.
const PAGE: u64 = 4096;
/// What a driver takes of the guest's memory: rings, and a list of frames.
pub const MEMORY: u64 = 1 << 20;

/// A virtio balloon.
#[derive(Clone, PartialEq, Debug)]
pub struct VirtioBalloon {
    base: u64,
    gpa: u64,
    inflate: Virtqueue,
    deflate: Virtqueue,
    /// Which virtio device it is.
    device: u32,
    /// The end of the memory from which it takes frames, from above; the drivers' own lies behind it.
    end: u64,
    /// Frames in it.
    given: u64,
    /// The host has not taken the list yet that it was told of.
    is_waiting: bool,
}

impl VirtioBalloon {
    /// A balloon that was found: the first steps of its driver (`virtballoon_probe`).
    pub fn found(device: u32, base: u64, gpa: u64, steps: &mut Steps) -> VirtioBalloon {
        virtio_pci::begin(base, 0, steps);
        let (inflate, deflate) = (Virtqueue::at(gpa, DESCRIPTORS), Virtqueue::at(gpa + 0x3000, DESCRIPTORS));
        virtio_pci::finish(base, &[inflate, deflate], steps);
        let balloon = VirtioBalloon { base, gpa, inflate, deflate, device, end: gpa, given: 0, is_waiting: false };
        balloon.ask(steps);
        balloon
    }

    /// `towards_target`: how many frames the host wants.
    fn ask(&self, steps: &mut Steps) {
        steps.push(Access::Read(self.base + DEVICE_CONFIG, 4), Then::Balloon(self.device));
    }

    /// The configuration has changed, or a list has been taken: `balloon_ack` wakes `tell_host`, and the host hears of the new
    /// size (`update_balloon_size`) before it is asked whether it wants more.
    pub fn interrupt(&mut self, vector: u16, steps: &mut Steps, memory: &mut GuestMemory<'_>) {
        let taken = match vector {
            0 => self.inflate.take_used(memory),
            1 => self.deflate.take_used(memory),
            _ => 0,
        };
        if taken > 0 {
            self.is_waiting = false;
            steps.push(Access::Write(self.base + BALLOON_ACTUAL, 4, self.given), Then::Nothing);
        }
        if !self.is_waiting {
            self.ask(steps);
        }
    }

    /// The host wants so many frames: one list of them is on its way at a time (`update_balloon_size_func`, `fill_balloon`,
    /// `leak_balloon`, `tell_host`). The kernel hears how much it has got less, or more. `free` is the end of the memory that
    /// no driver has.
    pub fn wanted(
        &mut self,
        (frames, free): (u32, u64),
        steps: &mut Steps,
        memory: &mut GuestMemory<'_>,
        done: &mut Vec<Done>,
    ) {
        if self.given == 0 {
            self.end = free;
        }
        // As much as 16 MiB stay with the kernel: it cannot do without (`oom`).
        let most = (self.end / PAGE).saturating_sub(4096);
        let wanted = u64::from(frames).min(most);
        if wanted == self.given || self.is_waiting {
            return;
        }
        let inflates = wanted > self.given;
        let count = self.given.abs_diff(wanted).min(ARRAY);
        let first = if inflates { self.given } else { self.given - count };
        let list: Vec<u8> =
            (first..first + count).flat_map(|n| ((self.end / PAGE - 1 - n) as u32).to_le_bytes()).collect();
        let at = self.gpa + 0x8000;
        memory.write(at, &list);
        let ring = if inflates { &mut self.inflate } else { &mut self.deflate };
        ring.add(&[Buffer { gpa: at, len: list.len() as u32, device_writes: false }], memory);
        if ring.needs_kick(memory) {
            virtio_pci::notify(self.base, u16::from(!inflates), steps);
        }
        self.is_waiting = true;
        self.given = if inflates { self.given + count } else { self.given - count };
        done.push(Done::Interrupt(Interrupt::Balloon(self.given * PAGE)));
    }
}
