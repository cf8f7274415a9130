//! The driver of an IDE disk on a PIIX3 by bus-master DMA (`drivers/ata/libata-sff.c`, `ata_piix.c`): every register of the
//! command block, of the control block and of the DMA engine is a port, and each access to one an exit.

use kernel_model::block::Direction;
use kernel_model::machine::Port;
use kernel_model::machine::interrupt::{DiskRequest, Interrupt};

use super::{Access, Done, Steps, Then};
use crate::guest::memory::GuestMemory;

/// The interrupt of the first channel.
pub const IRQ: u32 = 14;
const FEATURE: u16 = 0x1f1;
const NSECT: u16 = 0x1f2;
const LBAL: u16 = 0x1f3;
const LBAM: u16 = 0x1f4;
const LBAH: u16 = 0x1f5;
const DEVICE: u16 = 0x1f6;
const STATUS: u16 = 0x1f7;
const COMMAND: u16 = 0x1f7;
const ALTSTATUS: u16 = 0x3f6;
/// Registers of the DMA engine, from its base.
const DMA_CMD: u16 = 0;
const DMA_STATUS: u16 = 2;
const DMA_TABLE: u16 = 4;
const DMA_START: u8 = 1;
const DMA_WR: u8 = 8;
const DMA_INTR: u8 = 4;
const READ_DMA: u8 = 0xc8;
const READ_DMA_EXT: u8 = 0x25;
const WRITE_DMA: u8 = 0xca;
const WRITE_DMA_EXT: u8 = 0x35;
const FLUSH: u8 = 0xe7;
const IDENTIFY: u8 = 0xec;
const LBA: u8 = 0x40;
const DEVICE_OBS: u8 = 0xa0;
/// What a driver takes of the guest's memory: the table of regions, and the largest request.
pub const MEMORY: u64 = 2 << 20;
/// Where its requests go.
pub const PORT: Port = Port(100);

/// What a read was for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reads {
    /// What the disk says of itself.
    Identity,
    /// `ata_bmdma_port_intr` asks whether the engine has interrupted.
    DmaStatus,
    /// The status of the disk, which ends its interrupt.
    Status,
}

/// An IDE disk: the master of the first channel.
#[derive(Clone, PartialEq, Debug)]
pub struct Ide {
    base: u16,
    gpa: u64,
    active: Option<DiskRequest>,
    is_identified: bool,
}

impl Ide {
    /// The controller was found: its disk is asked what it is (`ata_dev_read_id`), by PIO.
    pub fn found(base: u64, gpa: u64, steps: &mut Steps) -> Ide {
        let ide = Ide { base: base as u16, gpa, active: None, is_identified: false };
        ide.select(steps);
        steps.inb(STATUS, Then::Nothing);
        steps.outb(COMMAND, IDENTIFY);
        steps.inb(ALTSTATUS, Then::Nothing);
        steps.inb(STATUS, Then::Nothing);
        steps.push(Access::Ins(0x1f0, 2, 256), Then::Ide(Reads::Identity));
        ide
    }

    /// `ata_dev_select`, with its waits.
    fn select(&self, steps: &mut Steps) {
        steps.inb(STATUS, Then::Nothing);
        steps.outb(DEVICE, DEVICE_OBS);
        steps.inb(ALTSTATUS, Then::Nothing);
        steps.inb(STATUS, Then::Nothing);
    }

    /// `ata_bmdma_qc_issue`.
    pub fn submit(&mut self, request: DiskRequest, steps: &mut Steps, memory: &mut GuestMemory<'_>) {
        self.select(steps);
        if request.bytes == 0 {
            self.active = Some(request);
            steps.outb(DEVICE, DEVICE_OBS);
            steps.inb(STATUS, Then::Nothing);
            steps.outb(COMMAND, FLUSH);
            steps.inb(ALTSTATUS, Then::Nothing);
            return;
        }
        let data = self.gpa + 0x1000;
        if request.direction == Direction::Write {
            memory.write(data, &request.data);
        }
        self.regions(data, request.bytes, memory);
        let command = self.taskfile(&request, steps);
        // ata_bmdma_setup
        let direction = if request.direction == Direction::Read { DMA_WR } else { 0 };
        steps.push(Access::Out(self.base + DMA_TABLE, 4, self.gpa as u32), Then::Nothing);
        steps.inb(self.base + DMA_CMD, Then::Nothing);
        steps.outb(self.base + DMA_CMD, direction);
        steps.outb(COMMAND, command);
        steps.inb(ALTSTATUS, Then::Nothing);
        // ata_bmdma_start
        steps.inb(self.base + DMA_CMD, Then::Nothing);
        steps.outb(self.base + DMA_CMD, direction | DMA_START);
        self.active = Some(request);
    }

    /// `ata_bmdma_fill_sg`: regions that do not cross 64 KiB.
    fn regions(&self, data: u64, bytes: u64, memory: &mut GuestMemory<'_>) {
        let mut table = Vec::new();
        let mut at = 0;
        while at < bytes {
            let len = (0x1_0000 - (data + at) % 0x1_0000).min(bytes - at);
            table.extend(((data + at) as u32).to_le_bytes());
            let last = if at + len == bytes { 0x8000_0000 } else { 0 };
            table.extend(((len as u32 & 0xffff) | last).to_le_bytes());
            at += len;
        }
        memory.write(self.gpa, &table);
    }

    /// `ata_sff_tf_load` of what `ata_build_rw_tf` makes. The command.
    fn taskfile(&self, request: &DiskRequest, steps: &mut Steps) -> u8 {
        let (block, n) = (request.pos / 512, request.bytes / 512);
        let byte = |shift: u32| (block >> shift) as u8;
        let is_read = request.direction == Direction::Read;
        let is_28 = block + n < 1 << 28 && n <= 256;
        if !is_28 {
            for (port, value) in
                [(FEATURE, 0), (NSECT, (n >> 8) as u8), (LBAL, byte(24)), (LBAM, byte(32)), (LBAH, byte(40))]
            {
                steps.outb(port, value);
            }
        }
        for (port, value) in [(FEATURE, 0), (NSECT, n as u8), (LBAL, byte(0)), (LBAM, byte(8)), (LBAH, byte(16))] {
            steps.outb(port, value);
        }
        let device = DEVICE_OBS | LBA | if is_28 { byte(24) & 0x0f } else { 0 };
        steps.outb(DEVICE, device);
        steps.inb(STATUS, Then::Nothing);
        match (is_read, is_28) {
            (true, true) => READ_DMA,
            (true, false) => READ_DMA_EXT,
            (false, true) => WRITE_DMA,
            (false, false) => WRITE_DMA_EXT,
        }
    }

    /// `ata_bmdma_interrupt`.
    pub fn interrupt(&mut self, steps: &mut Steps) {
        steps.inb(self.base + DMA_STATUS, Then::Ide(Reads::DmaStatus));
    }

    /// A read has given this.
    pub fn answered(
        &mut self,
        what: Reads,
        data: &[u8],
        steps: &mut Steps,
        memory: &mut GuestMemory<'_>,
        done: &mut Vec<Done>,
    ) {
        let value = data.first().copied().unwrap_or(0xff);
        match what {
            Reads::Identity if !self.is_identified && data.len() >= 208 => {
                self.is_identified = true;
                // Words 100 to 103: sectors by 48 bits.
                let sectors = data[200..208].iter().rev().fold(0u64, |all, b| all << 8 | u64::from(*b));
                if sectors > 0 && sectors != u64::MAX {
                    let size = sectors * 512;
                    let disk = Interrupt::Disk { name: "sda".to_owned(), dev: (8, 0), size, port: PORT };
                    done.push(Done::Interrupt(disk));
                }
            }
            Reads::Identity => {}
            Reads::DmaStatus => {
                let is_dma = self.active.as_ref().is_some_and(|r| r.bytes > 0);
                if is_dma && value & DMA_INTR == 0 {
                    return;
                }
                if is_dma {
                    // ata_bmdma_stop
                    steps.inb(self.base + DMA_CMD, Then::Nothing);
                    steps.outb(self.base + DMA_CMD, 0);
                    steps.inb(ALTSTATUS, Then::Nothing);
                }
                // ata_sff_irq_status, ata_bmdma_irq_clear
                steps.inb(ALTSTATUS, Then::Nothing);
                steps.inb(STATUS, Then::Ide(Reads::Status));
                steps.inb(self.base + DMA_STATUS, Then::Nothing);
                steps.outb(self.base + DMA_STATUS, DMA_INTR);
            }
            Reads::Status => {
                let Some(request) = self.active.take() else { return };
                if request.direction == Direction::Read && request.bytes > 0 {
                    let bytes = memory.read(self.gpa + 0x1000, request.bytes as usize).into();
                    done.push(Done::Interrupt(Interrupt::DiskData { disk: request.disk, pos: request.pos, bytes }));
                }
                done.push(Done::Interrupt(Interrupt::DiskDone(request.disk)));
            }
        }
    }
}
