//! The PCI bus of a PC with i440FX and PIIX3, as far as a guest that looks for devices reads it (`hw/pci/pci.c`).
//!
//! Base addresses are where firmware would have put them, and cannot be moved.

/// A function on the bus.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Function {
    /// Its device and function number.
    pub at: (u8, u8),
    /// Device and vendor.
    pub id: u32,
    /// Class and revision.
    pub class: u32,
    /// There are more functions of the device.
    pub is_multifunction: bool,
    /// Its fifth base address.
    pub base: u32,
}

/// Where the registers of the DMA engine of the IDE controller are.
pub const IDE_DMA: u16 = 0xc040;
/// Where the registers of virtio devices are: [`VIRTIO_SIZE`] for each.
pub const VIRTIO: u64 = 0xfe00_0000;
/// See [`VIRTIO`].
pub const VIRTIO_SIZE: u64 = 0x4000;
/// Bit 0 of a base address: ports.
const PORTS: u32 = 1;
/// Bits of a base address: 64 bits, prefetchable.
const MEMORY_64: u32 = 0xc;

const CHIPSET: [Function; 3] = [
    Function { at: (0, 0), id: 0x1237_8086, class: 0x0600_0002, is_multifunction: false, base: 0 },
    Function { at: (1, 0), id: 0x7000_8086, class: 0x0601_0000, is_multifunction: true, base: 0 },
    Function { at: (1, 1), id: 0x7010_8086, class: 0x0101_8000, is_multifunction: false, base: IDE_DMA as u32 | PORTS },
];

/// Slots of the bus that nothing of the machine itself is in.
pub const FREE_SLOTS: usize = 29;

/// The function of the virtio device with this place.
pub fn virtio(place: usize, id: u32, class: u32) -> Function {
    let base = (VIRTIO as u32 + place as u32 * VIRTIO_SIZE as u32) | MEMORY_64;
    Function { at: (3 + place as u8, 0), id: id << 16 | 0x1af4, class, is_multifunction: false, base }
}

/// A read of four bytes of configuration space by the address in port 0xcf8.
pub fn read(address: u32, devices: &[Function]) -> u32 {
    let at = ((address >> 11 & 0x1f) as u8, (address >> 8 & 7) as u8);
    let found = CHIPSET.iter().chain(devices).find(|f| f.at == at && address >> 16 & 0xff == 0);
    let Some(function) = found.filter(|_| address & 0x8000_0000 != 0) else { return u32::MAX };
    match address & 0xfc {
        0x00 => function.id,
        0x08 => function.class,
        0x0c if function.is_multifunction => 0x80 << 16,
        0x20 => function.base,
        _ => 0,
    }
}
