//! The layout of the registers and descriptors of an Intel 82540EM, as device and drivers have it (Intel, "PCI/PCI-X Family of
//! Gigabit Ethernet Controllers Software Developer's Manual", chapter 13).

/// Device control.
pub const CTRL: u64 = 0x0000;
/// Device status.
pub const STATUS: u64 = 0x0008;
/// EEPROM read.
pub const EERD: u64 = 0x0014;
/// Causes of interrupts; a read clears them.
pub const ICR: u64 = 0x00c0;
/// Sets causes.
pub const ICS: u64 = 0x00c8;
/// Which causes interrupt: those that are written are added.
pub const IMS: u64 = 0x00d0;
/// Those that are written interrupt no more.
pub const IMC: u64 = 0x00d8;
/// Control of what comes in.
pub const RCTL: u64 = 0x0100;
/// Control of what goes out.
pub const TCTL: u64 = 0x0400;
/// The ring of what comes in: its address, low half.
pub const RDBAL: u64 = 0x2800;
/// High half.
pub const RDBAH: u64 = 0x2804;
/// Bytes of it.
pub const RDLEN: u64 = 0x2808;
/// Its head.
pub const RDH: u64 = 0x2810;
/// Its tail.
pub const RDT: u64 = 0x2818;
/// The ring of what goes out: its address, low half.
pub const TDBAL: u64 = 0x3800;
/// High half.
pub const TDBAH: u64 = 0x3804;
/// Bytes of it.
pub const TDLEN: u64 = 0x3808;
/// Its head.
pub const TDH: u64 = 0x3810;
/// Its tail.
pub const TDT: u64 = 0x3818;
/// Of [`CTRL`]: reset.
pub const CTRL_RST: u32 = 1 << 26;
/// Of [`EERD`]: begin to read the word whose number is in bits 15:8.
pub const EERD_START: u32 = 1;
/// Of a descriptor: the card is done with it.
pub const DD: u8 = 1;
/// Of a descriptor of what has come in: the frame ends in it.
pub const RXD_EOP: u8 = 2;
