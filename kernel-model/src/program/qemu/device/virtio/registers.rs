//! The registers and descriptors of a virtio device over PCI, as device and drivers have them (Virtual I/O Device
//! specification 1.1, sections 2.6 and 4.1.4; `struct virtio_pci_common_cfg`, `struct vring_desc`).

/// Which half of the device's features [`DEVICE_FEATURE`] shows.
pub const DEVICE_FEATURE_SELECT: u64 = 0x00;
/// Half of the features that the device offers.
pub const DEVICE_FEATURE: u64 = 0x04;
/// Which half of the driver's features [`DRIVER_FEATURE`] is.
pub const DRIVER_FEATURE_SELECT: u64 = 0x08;
/// Half of the features that the driver takes.
pub const DRIVER_FEATURE: u64 = 0x0c;
/// The MSI-X vector of changes of the configuration.
pub const CONFIG_MSIX_VECTOR: u64 = 0x10;
/// How many queues there are.
pub const NUM_QUEUES: u64 = 0x12;
/// How far the driver is; 0 resets the device.
pub const STATUS: u64 = 0x14;
/// Which queue the following registers are about.
pub const QUEUE_SELECT: u64 = 0x16;
/// Its descriptors: what the device offers, then what the driver wants.
pub const QUEUE_SIZE: u64 = 0x18;
/// The MSI-X vector of its interrupts.
pub const QUEUE_MSIX_VECTOR: u64 = 0x1a;
/// 1 from when the device may use it.
pub const QUEUE_ENABLE: u64 = 0x1c;
/// Which doorbell is its own.
pub const QUEUE_NOTIFY_OFF: u64 = 0x1e;
/// Where its descriptor table is: 8 bytes, written in two halves, like the next two.
pub const QUEUE_DESC: u64 = 0x20;
/// The upper half of [`QUEUE_DESC`].
pub const QUEUE_DESC_HIGH: u64 = 0x24;
/// Where the ring of what the driver has for the device is.
pub const QUEUE_DRIVER: u64 = 0x28;
/// The upper half of [`QUEUE_DRIVER`].
pub const QUEUE_DRIVER_HIGH: u64 = 0x2c;
/// Where the ring of what the device is done with is.
pub const QUEUE_DEVICE: u64 = 0x30;
/// The upper half of [`QUEUE_DEVICE`].
pub const QUEUE_DEVICE_HIGH: u64 = 0x34;

/// Where QEMU has the device's own configuration.
pub const DEVICE_CONFIG: u64 = 0x2000;
/// Where QEMU has the doorbells: one every [`NOTIFY_STEP`] bytes.
pub const NOTIFY: u64 = 0x3000;
/// Bytes from one doorbell to the next (`notify_off_multiplier`).
pub const NOTIFY_STEP: u64 = 4;
/// In the configuration of a balloon: how many frames the driver says it has given.
pub const BALLOON_ACTUAL: u64 = DEVICE_CONFIG + 4;

/// Descriptors of the queues of QEMU's devices.
pub const DESCRIPTORS: u16 = 256;

/// `VIRTIO_F_VERSION_1` and `VIRTIO_RING_F_EVENT_IDX`, which every device here offers and every driver takes.
pub const FEATURES: u64 = 1 << 32 | 1 << 29;
/// `VIRTIO_NET_F_MAC` and `VIRTIO_NET_F_MRG_RXBUF`: a frame may be in several buffers.
pub const NET_FEATURES: u64 = 1 << 5 | 1 << 15;

/// Bits of [`STATUS`].
#[allow(missing_docs)] // the device status field, section 2.1
pub mod status {
    pub const ACKNOWLEDGE: u64 = 1;
    pub const DRIVER: u64 = 2;
    pub const DRIVER_OK: u64 = 4;
    pub const FEATURES_OK: u64 = 8;
}

/// Flags of a descriptor.
pub mod desc {
    /// There is another one after it (`VIRTQ_DESC_F_NEXT`).
    pub const NEXT: u16 = 1;
    /// The device writes the buffer (`VIRTQ_DESC_F_WRITE`).
    pub const WRITE: u16 = 2;
}
