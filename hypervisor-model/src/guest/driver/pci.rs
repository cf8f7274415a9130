//! Finding devices on the PCI bus by configuration mechanism 1 (`drivers/pci/probe.c` `pci_scan_slot`,
//! `arch/x86/pci/direct.c` `pci_conf1_read`). Of each function that has a driver one base address is read; how large its
//! regions are is not asked, and the list of capabilities of virtio devices is taken to be QEMU's.

use super::{Access, Steps, Then};

const CONFIG_ADDRESS: u16 = 0xcf8;
const CONFIG_DATA: u16 = 0xcfc;
const HEADER_TYPE: u8 = 0x0c;
const MULTIFUNCTION: u32 = 0x80 << 16;

/// What a read was for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reads {
    /// Who is there.
    Vendor(u8, u8),
    /// Whether there are more functions.
    Header(u8),
    /// Where its registers are.
    Base(Found),
}

/// A device that has a driver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// A virtio disk.
    VirtioBlk,
    /// A virtio network card.
    VirtioNet,
    /// A virtio balloon.
    VirtioBalloon,
    /// An Intel 82540EM.
    E1000,
    /// The IDE controller of a PIIX3.
    Ide,
}

impl Found {
    fn of(id: u32) -> Option<Found> {
        match id {
            0x1000_1af4 => Some(Found::VirtioNet),
            0x1002_1af4 => Some(Found::VirtioBalloon),
            0x100e_8086 => Some(Found::E1000),
            0x1001_1af4 => Some(Found::VirtioBlk),
            0x7010_8086 => Some(Found::Ide),
            _ => None,
        }
    }
}

fn read(device: u8, function: u8, register: u8, then: Reads, steps: &mut Steps) {
    let address = 0x8000_0000 | u32::from(device) << 11 | u32::from(function) << 8 | u32::from(register);
    steps.push(Access::Out(CONFIG_ADDRESS, 4, address), Then::Nothing);
    steps.push(Access::In(CONFIG_DATA, 4), Then::Pci(then));
}

/// Looks at every device of the bus.
pub fn scan(steps: &mut Steps) {
    for device in 0..32 {
        read(device, 0, 0, Reads::Vendor(device, 0), steps);
    }
}

/// A read has given this. Whether a device was found, and where its registers are.
pub fn answered(what: Reads, value: u32, steps: &mut Steps) -> Option<(Found, u64)> {
    match what {
        Reads::Vendor(_, _) if value == u32::MAX || value == 0 => None,
        Reads::Vendor(device, function) => {
            if function == 0 {
                read(device, 0, HEADER_TYPE, Reads::Header(device), steps);
            }
            if let Some(found) = Found::of(value) {
                // Where the registers are is in the first base address of a card of Intel's, else in the fifth.
                let register = if found == Found::E1000 { 0x10 } else { 0x20 };
                read(device, function, register, Reads::Base(found), steps);
            }
            None
        }
        Reads::Header(device) => {
            if value & MULTIFUNCTION != 0 {
                for function in 1..8 {
                    read(device, function, 0, Reads::Vendor(device, function), steps);
                }
            }
            None
        }
        Reads::Base(found) => Some((found, u64::from(value & !0xf))),
    }
}
