//! The PCI bus of a PC with i440FX and PIIX3, as far as a guest that looks for devices reads it (`hw/pci/pci.c`).
//!
//! Base addresses are where firmware would have put them, and cannot be moved.

use super::e1000;

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
    /// The base address that is of interest, and which register it is in.
    pub base: (u8, u32),
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
/// The registers of the first and the fifth base address.
const BAR_0: u8 = 0x10;
/// See [`BAR_0`].
const BAR_4: u8 = 0x20;
/// Where the registers of e1000 cards are.
pub const E1000: u64 = 0xfeb0_0000;

const CHIPSET: [Function; 3] = [
    Function { at: (0, 0), id: 0x1237_8086, class: 0x0600_0002, is_multifunction: false, base: (BAR_4, 0) },
    Function { at: (1, 0), id: 0x7000_8086, class: 0x0601_0000, is_multifunction: true, base: (BAR_4, 0) },
    Function {
        at: (1, 1),
        id: 0x7010_8086,
        class: 0x0101_8000,
        is_multifunction: false,
        base: (BAR_4, IDE_DMA as u32 | PORTS),
    },
];

/// Slots of the bus that nothing of the machine itself is in.
pub const FREE_SLOTS: usize = 29;

/// The function of the virtio device with this place.
pub fn virtio(place: usize, id: u32, class: u32) -> Function {
    let base = (BAR_4, (VIRTIO as u32 + place as u32 * VIRTIO_SIZE as u32) | MEMORY_64);
    Function { at: (3 + place as u8, 0), id: id << 16 | 0x1af4, class, is_multifunction: false, base }
}

/// The function of an e1000 card, in the slot behind so many virtio devices.
pub fn e1000(slot: usize, card: usize) -> Function {
    let base = (BAR_0, E1000 as u32 + card as u32 * e1000::REGISTERS as u32);
    Function { at: (3 + slot as u8, 0), id: e1000::ID, class: 0x0200_0003, is_multifunction: false, base }
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
        register if register == u32::from(function.base.0) => function.base.1,
        _ => 0,
    }
}
