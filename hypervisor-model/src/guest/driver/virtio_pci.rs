//! The transport of virtio over PCI (`drivers/virtio/virtio_pci_modern.c`, `virtio.c`): the registers in which a device and
//! its driver agree on features and queues.

use kernel_model::program::qemu::device::virtio::registers::{status::*, *};

use super::virtqueue::Virtqueue;
use super::{Access, Steps, Then};

/// Accesses to the registers of one device.
struct Registers<'a> {
    base: u64,
    steps: &'a mut Steps,
}

impl Registers<'_> {
    fn write(&mut self, register: u64, size: u8, value: u64) {
        self.steps.push(Access::Write(self.base + register, size, value), Then::Nothing);
    }

    fn read(&mut self, register: u64, size: u8) {
        self.steps.push(Access::Read(self.base + register, size), Then::Nothing);
    }

    /// `virtio_add_status`.
    fn add_status(&mut self, all: u64) {
        self.read(STATUS, 1);
        self.write(STATUS, 1, all);
    }
}

/// Brings a device up to where its own configuration is read (`vp_reset`, `virtio_dev_probe`).
///
/// `more` are the features of this kind of device that its driver takes.
pub fn begin(base: u64, more: u64, steps: &mut Steps) {
    let mut r = Registers { base, steps };
    r.write(STATUS, 1, 0);
    r.read(STATUS, 1);
    r.add_status(ACKNOWLEDGE);
    r.add_status(ACKNOWLEDGE | DRIVER);
    for half in 0..2 {
        r.write(DEVICE_FEATURE_SELECT, 4, half);
        r.read(DEVICE_FEATURE, 4);
    }
    for half in 0..2 {
        r.write(DRIVER_FEATURE_SELECT, 4, half);
        r.write(DRIVER_FEATURE, 4, (FEATURES | more) >> (32 * half) & 0xffff_ffff);
    }
    r.add_status(ACKNOWLEDGE | DRIVER | FEATURES_OK);
    r.read(STATUS, 1);
}

/// Tells the device its queues, and that the driver is ready (`setup_vq`, `vp_modern_find_vqs`, `virtio_device_ready`).
pub fn finish(base: u64, queues: &[Virtqueue], steps: &mut Steps) {
    let mut r = Registers { base, steps };
    r.write(CONFIG_MSIX_VECTOR, 2, 0);
    r.read(CONFIG_MSIX_VECTOR, 2);
    for (n, queue) in (0u64..).zip(queues) {
        r.write(QUEUE_SELECT, 2, n);
        r.read(QUEUE_SIZE, 2);
        r.read(QUEUE_ENABLE, 2);
        r.write(QUEUE_SIZE, 2, queue.size.into());
        for (low, high, gpa) in [
            (QUEUE_DESC, QUEUE_DESC_HIGH, queue.desc),
            (QUEUE_DRIVER, QUEUE_DRIVER_HIGH, queue.avail),
            (QUEUE_DEVICE, QUEUE_DEVICE_HIGH, queue.used),
        ] {
            r.write(low, 4, gpa & 0xffff_ffff);
            r.write(high, 4, gpa >> 32);
        }
        r.read(QUEUE_NOTIFY_OFF, 2);
        r.write(QUEUE_MSIX_VECTOR, 2, n + 1);
        r.read(QUEUE_MSIX_VECTOR, 2);
    }
    for n in 0..queues.len() as u64 {
        r.write(QUEUE_SELECT, 2, n);
        r.write(QUEUE_ENABLE, 2, 1);
    }
    r.add_status(ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
}

/// Rings the doorbell of a queue (`vp_notify`).
pub fn notify(base: u64, queue: u16, steps: &mut Steps) {
    steps.push(Access::Write(base + NOTIFY + NOTIFY_STEP * u64::from(queue), 2, queue.into()), Then::Nothing);
}
