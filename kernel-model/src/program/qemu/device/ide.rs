//! The first channel of a PIIX3's IDE controller with one disk (`hw/ide/core.c`, `pci.c`): command block, control block and
//! DMA engine. A command is done while the processor waits for it; QEMU does it meanwhile.

use super::{Effect, Work, number, numbers, of_numbers};
use crate::errno::Errno;
use crate::program::Sys;
use crate::program::qemu::kvm::Context;
use crate::syscall::Value;

const IRQ: u32 = 14;
const READY: u8 = 0x40;
const SEEK: u8 = 0x10;
const DRQ: u8 = 0x08;
const ERR: u8 = 0x01;
const ABRT: u8 = 0x04;
const NIEN: u8 = 0x02;
const DMA_START: u8 = 1;
const DMA_INTR: u8 = 4;
const DMA_ACTIVE: u8 = 1;

/// The registers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Ide {
    /// There is a disk: which of those of the command line, plus 1.
    pub disk: usize,
    /// Its sectors.
    pub sectors: u64,
    /// Command block: feature, sector count, LBA low, middle and high; each with what was written before (`hob`).
    now: [u8; 5],
    before: [u8; 5],
    select: u8,
    status: u8,
    error: u8,
    control: u8,
    /// The command that waits for the DMA engine.
    command: u8,
    dma_command: u8,
    dma_status: u8,
    dma_table: u32,
    is_high: bool,
}

impl Ide {
    /// The controller, with or without a disk.
    pub fn new(disk: usize, sectors: u64) -> Ide {
        Ide { disk, sectors, status: if disk > 0 { READY | SEEK } else { 0 }, ..Ide::default() }
    }

    /// As it is stored.
    pub fn to_value(&self) -> Value {
        let mut all = vec![self.disk as u64, self.sectors];
        all.extend(self.now.iter().chain(&self.before).map(|b| u64::from(*b)));
        let bytes = [self.select, self.status, self.error, self.control, self.command, self.dma_command];
        all.extend(bytes.map(u64::from));
        all.extend([u64::from(self.dma_status), u64::from(self.dma_table), u64::from(self.is_high)]);
        numbers(&all)
    }

    /// The reverse.
    pub fn from_value(value: &Value) -> Ide {
        let n: [u64; 21] = of_numbers(value);
        Ide {
            disk: n[0] as usize,
            sectors: n[1],
            now: std::array::from_fn(|i| n[2 + i] as u8),
            before: std::array::from_fn(|i| n[7 + i] as u8),
            select: n[12] as u8,
            status: n[13] as u8,
            error: n[14] as u8,
            control: n[15] as u8,
            command: n[16] as u8,
            dma_command: n[17] as u8,
            dma_status: n[18] as u8,
            dma_table: n[19] as u32,
            is_high: n[20] != 0,
        }
    }

    /// `ide_set_irq`, `ide_bus_set_irq` lowered by a read of the status.
    fn set_irq(&mut self, is_high: bool, effects: &mut Vec<Effect>) {
        let is_high = is_high && self.control & NIEN == 0;
        if is_high != self.is_high {
            self.is_high = is_high;
            effects.push(Effect::Irq(IRQ, is_high));
        }
    }

    /// A write to a port of the command or control block.
    pub fn write(&mut self, port: u16, value: u8, effects: &mut Vec<Effect>) {
        match port {
            0x1f1..=0x1f5 => {
                let i = usize::from(port - 0x1f1);
                self.before[i] = self.now[i];
                self.now[i] = value;
            }
            0x1f6 => self.select = value,
            0x1f7 if self.disk > 0 => self.execute(value, effects),
            0x3f6 => self.control = value,
            _ => {}
        }
    }

    /// `ide_exec_cmd`.
    fn execute(&mut self, command: u8, effects: &mut Vec<Effect>) {
        self.error = 0;
        self.set_irq(false, effects);
        match command {
            // IDENTIFY DEVICE: the data waits.
            0xec => {
                self.status = READY | SEEK | DRQ;
                self.set_irq(true, effects);
            }
            // READ DMA, WRITE DMA and their extended forms: the engine must be started.
            0xc8 | 0xca | 0x25 | 0x35 => {
                self.status = READY | SEEK | DRQ;
                self.command = command;
                if self.dma_command & DMA_START != 0 {
                    effects.push(Effect::Later(Work::Dma));
                }
            }
            // FLUSH CACHE, FLUSH CACHE EXT.
            0xe7 | 0xea => {
                self.command = command;
                effects.push(Effect::Later(Work::Dma));
            }
            _ => {
                self.status = READY | ERR;
                self.error = ABRT;
                self.set_irq(true, effects);
            }
        }
    }

    /// A read of a port of the command or control block.
    pub fn read(&mut self, port: u16, effects: &mut Vec<Effect>) -> u8 {
        if self.disk == 0 {
            return 0;
        }
        match port {
            0x1f1 => self.error,
            0x1f2..=0x1f5 => self.now[usize::from(port - 0x1f1)],
            0x1f6 => self.select,
            0x1f7 => {
                self.set_irq(false, effects);
                self.status
            }
            0x3f6 => self.status,
            _ => 0xff,
        }
    }

    /// REP INSW of the data port: what IDENTIFY DEVICE gives (`ide_identify`).
    pub fn data(&mut self, bytes: usize) -> Vec<u8> {
        let mut words = [0u16; 256];
        if self.disk > 0 {
            words[0] = 0x0040;
            words[49] = 0x0300;
            words[83] = 1 << 14 | 1 << 13 | 1 << 12 | 1 << 10;
            for (i, word) in words[100..104].iter_mut().enumerate() {
                *word = (self.sectors >> (16 * i)) as u16;
            }
            let low = self.sectors.min((1 << 28) - 1);
            (words[60], words[61]) = (low as u16, (low >> 16) as u16);
        }
        self.status = READY | SEEK;
        let mut data: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        data.resize(bytes, 0);
        data
    }

    /// A write to a register of the DMA engine (`bmdma_cmd_writeb`, `bmdma_status_writeb`).
    pub fn dma_write(&mut self, register: u16, bytes: &[u8], effects: &mut Vec<Effect>) {
        let value = number(bytes) as u32;
        match register {
            0 => {
                let starts = value as u8 & DMA_START != 0 && self.dma_command & DMA_START == 0;
                self.dma_command = value as u8 & 9;
                if starts {
                    self.dma_status |= DMA_ACTIVE;
                    if self.status & DRQ != 0 {
                        effects.push(Effect::Later(Work::Dma));
                    }
                } else if value as u8 & DMA_START == 0 {
                    self.dma_status &= !DMA_ACTIVE;
                }
            }
            2 => self.dma_status = value as u8 & 0x60 | self.dma_status & 1 | self.dma_status & !(value as u8) & 6,
            4 => self.dma_table = value & !3,
            _ => {}
        }
    }

    /// A read from one.
    pub fn dma_read(&self, register: u16) -> u8 {
        match register {
            0 => self.dma_command,
            2 => self.dma_status,
            _ => 0xff,
        }
    }

    /// Where the command begins, in bytes.
    fn position(&self) -> u64 {
        let [_, _, low, mid, high] = self.now.map(u64::from);
        let lba = low | mid << 8 | high << 16;
        if matches!(self.command, 0x25 | 0x35) {
            let [_, _, low, mid, high] = self.before.map(u64::from);
            return (lba | low << 24 | mid << 32 | high << 40) * 512;
        }
        (lba | u64::from(self.select & 0x0f) << 24) * 512
    }
}

/// The DMA engine does what the command asks for (`ide_dma_cb`), and interrupts.
///
/// # Errors
/// A call failed.
pub async fn run(sys: &Sys, context: &Context, ide: &mut Ide, effects: &mut Vec<Effect>) -> Result<(), Errno> {
    let fd = context.disks.get(ide.disk.wrapping_sub(1)).copied().unwrap_or(-1);
    let mut result = Ok(());
    if matches!(ide.command, 0xe7 | 0xea) {
        result = super::disk_flush(sys, fd).await;
    } else {
        let is_read = matches!(ide.command, 0xc8 | 0x25);
        let mut pos = ide.position();
        // The table of regions: address, length, and a bit in the last one.
        for i in 0..8192 {
            let Ok(at) = context.at(u64::from(ide.dma_table) + 8 * i, 8) else {
                result = Err(Errno::EFAULT);
                break;
            };
            let entry = number(&sys.load_bytes(at, 8).await?);
            let (gpa, count) = (entry & 0xffff_ffff, (entry >> 32) as u32);
            let len = match count & 0xffff {
                0 => 0x1_0000,
                n => n as usize,
            };
            result = match is_read {
                true => super::disk_read(sys, context, fd, pos, (gpa, len)).await,
                false => super::disk_write(sys, context, fd, pos, (gpa, len)).await,
            };
            pos += len as u64;
            if result.is_err() || count & 0x8000_0000 != 0 {
                break;
            }
        }
        ide.dma_status = ide.dma_status & !DMA_ACTIVE | DMA_INTR;
    }
    ide.status = READY | SEEK | if result.is_err() { ERR } else { 0 };
    ide.error = if result.is_err() { ABRT } else { 0 };
    ide.set_irq(true, effects);
    Ok(())
}
