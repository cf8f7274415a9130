//! Segment registers, descriptor tables, and the instructions that ask about descriptors.
//! Source: Intel SDM vol. 2 (June 2016), MOV, LAR, LSL, VERR/VERW, LGDT/LIDT, LLDT, LTR, SGDT; vol. 3, 5.5 to 5.7.

use super::{Done, Step};
use crate::cpu::event::{CpuEvent, StackItem};
use crate::cpu::exception::Vector;
use crate::cpu::instruction::{Instruction, Opcode, Operand, Register, Width};
use crate::cpu::segment::{Descriptor, Segment, SegmentRegister, Selector, TableRegister};
use crate::cpu::sensitive::{DescriptorTable, Stop};
use crate::cpu::{Exception, InterruptShadow, Mode, Rflags};

impl Step<'_> {
    /// The eight bytes of a descriptor, if its table reaches so far.
    ///
    /// # Errors
    /// What reading the table gives.
    pub(in crate::cpu) fn read_descriptor(&mut self, selector: Selector) -> Result<Option<u64>, Stop> {
        let (base, limit) = match selector.is_local() {
            true if !self.cpu.segments.ldtr.descriptor.is_present() => return Ok(None),
            true => (self.cpu.segments.ldtr.descriptor.base, self.cpu.segments.ldtr.descriptor.limit),
            false => (self.cpu.gdtr.base, u32::from(self.cpu.gdtr.limit)),
        };
        let offset = u32::from(selector.index()) * 8;
        if offset + 7 > limit {
            return Ok(None);
        }
        self.load_system(base.wrapping_add(u64::from(offset)), 8).map(Some)
    }

    /// The upper eight bytes of a 16-byte descriptor of long mode.
    pub(in crate::cpu) fn read_upper_descriptor(&mut self, selector: Selector) -> Result<Option<u64>, Stop> {
        self.read_descriptor(Selector(selector.0.wrapping_add(8)))
    }

    fn is_protected(&self) -> bool {
        !matches!(self.cpu.mode(), Mode::Real | Mode::Virtual8086)
    }

    fn is_long_mode(&self) -> bool {
        matches!(self.cpu.mode(), Mode::Long | Mode::Compatibility)
    }

    /// Loads ES, SS, DS, FS or GS after the checks of protected mode.
    ///
    /// # Errors
    /// `#GP`, `#SS` or `#NP` with the selector, in the manual's order.
    pub(in crate::cpu) fn load_segment(&mut self, register: SegmentRegister, selector: Selector) -> Result<(), Stop> {
        let fault = |vector| Err(Stop::Fault(Exception::with_code(vector, selector.error_code())));
        if !self.is_protected() {
            let segment = self.cpu.segments.get_mut(register);
            segment.selector = selector;
            segment.descriptor.base = u64::from(selector.0) << 4;
            self.emit(CpuEvent::SegmentLoaded { register, selector });
            return Ok(());
        }
        let cpl = self.cpu.cpl;
        if selector.is_null() {
            let allowed =
                register != SegmentRegister::Ss || self.cpu.mode() == Mode::Long && cpl < 3 && selector.rpl() == cpl;
            if !allowed {
                return Err(Exception::GP0.into());
            }
            *self.cpu.segments.get_mut(register) = Segment { selector, descriptor: Descriptor::default() };
            self.emit(CpuEvent::SegmentLoaded { register, selector });
            return Ok(());
        }
        let Some(bits) = self.read_descriptor(selector)? else { return fault(Vector::GP) };
        let descriptor = Descriptor::from_bits(bits);
        if register == SegmentRegister::Ss {
            if selector.rpl() != cpl || !descriptor.is_writable() || descriptor.dpl() != cpl {
                return fault(Vector::GP);
            }
            if !descriptor.is_present() {
                return fault(Vector::SS);
            }
        } else {
            let outer = selector.rpl().max(cpl);
            if !descriptor.is_readable() || !descriptor.is_conforming() && outer > descriptor.dpl() {
                return fault(Vector::GP);
            }
            if !descriptor.is_present() {
                return fault(Vector::NP);
            }
        }
        *self.cpu.segments.get_mut(register) = Segment { selector, descriptor };
        self.emit(CpuEvent::SegmentLoaded { register, selector });
        Ok(())
    }

    pub(super) fn segment_instruction(&mut self, instruction: &Instruction) -> Done {
        let first = instruction.operands.first().copied();
        let second = instruction.operands.get(1).copied();
        match instruction.opcode {
            Opcode::MovFromSegment => {
                if let (Some(target), Some(source)) = (first, second) {
                    let value = self.value(source, Width::Word)?;
                    self.assign(target, Width::Word, value)?;
                }
            }
            Opcode::MovToSegment => {
                let register = segment_of(first);
                let selector = second.map_or(Ok(0), |operand| self.value(operand, Width::Word))?;
                self.load_segment(register, Selector(selector as u16))?;
                if register == SegmentRegister::Ss {
                    self.cpu.shadow = InterruptShadow::MovSs;
                }
            }
            Opcode::PushSegment | Opcode::PopSegment => {
                let register = segment_of(first);
                // 64-bit mode has PUSH and POP of FS and GS only.
                let is_old = !matches!(register, SegmentRegister::Fs | SegmentRegister::Gs);
                let is_pop_cs = instruction.opcode == Opcode::PopSegment && register == SegmentRegister::Cs;
                if self.cpu.mode() == Mode::Long && is_old || is_pop_cs {
                    return Err(Exception::UD.into());
                }
                let width = self.stack_width();
                if instruction.opcode == Opcode::PushSegment {
                    let selector = self.cpu.segments.get(register).selector;
                    self.push(StackItem::Operand, width, u64::from(selector.0))?;
                } else {
                    let selector = self.pop(StackItem::Operand, width)?;
                    self.load_segment(register, Selector(selector as u16))?;
                    if register == SegmentRegister::Ss {
                        self.cpu.shadow = InterruptShadow::MovSs;
                    }
                }
            }
            _ => self.ask_descriptor(instruction)?,
        }
        Ok(None)
    }

    /// LAR, LSL, VERR, VERW: ZF says whether the selector is of any use at this privilege.
    fn ask_descriptor(&mut self, instruction: &Instruction) -> Result<(), Stop> {
        let is_verification = matches!(instruction.opcode, Opcode::Verr | Opcode::Verw);
        let source = instruction.operands.get(usize::from(!is_verification)).copied();
        let selector = Selector(source.map_or(Ok(0), |operand| self.value(operand, Width::Word))? as u16);
        let found = if selector.is_null() { None } else { self.read_descriptor(selector)? };
        let answer = found.map(|bits| (bits, Descriptor::from_bits(bits))).filter(|(_, descriptor)| {
            let visible = descriptor.is_conforming() || self.cpu.cpl.max(selector.rpl()) <= descriptor.dpl();
            visible
                && match instruction.opcode {
                    Opcode::Verr => descriptor.is_readable(),
                    Opcode::Verw => descriptor.is_writable(),
                    opcode => !descriptor.is_system() || self.is_known_system(opcode, descriptor.kind()),
                }
        });
        let flags = self.cpu.rflags;
        self.set_flags(if answer.is_some() { flags | Rflags::ZF } else { flags - Rflags::ZF });
        if let (Some((bits, descriptor)), Some(target), false) =
            (answer, instruction.operands.first().copied(), is_verification)
        {
            let value = match instruction.opcode {
                Opcode::Lar => bits >> 32 & 0x00ff_ff00,
                _ => u64::from(descriptor.limit),
            };
            self.assign(target, Width::Dword, value)?;
        }
        Ok(())
    }

    /// The system descriptors that LAR and LSL know (SDM vol. 2, tables 3-53 and 3-55).
    fn is_known_system(&self, opcode: Opcode, kind: u8) -> bool {
        match (self.is_long_mode(), opcode) {
            (true, Opcode::Lar) => matches!(kind, 2 | 9 | 0xb | 0xc),
            (true, _) => matches!(kind, 2 | 9 | 0xb),
            (false, Opcode::Lar) => matches!(kind, 1..=5 | 9 | 0xb | 0xc),
            (false, _) => matches!(kind, 1..=3 | 9 | 0xb),
        }
    }

    pub(super) fn table_instruction(&mut self, instruction: &Instruction) -> Done {
        let operand = instruction.operands.first().copied();
        match instruction.opcode {
            Opcode::Sgdt => self.store_table(operand, self.cpu.gdtr)?,
            Opcode::Sidt => self.store_table(operand, self.cpu.idtr)?,
            Opcode::Lgdt => {
                let table = self.load_table(operand)?;
                self.cpu.gdtr = table;
                self.emit(CpuEvent::TableLoaded { table: DescriptorTable::Gdt, base: table.base, limit: table.limit });
            }
            Opcode::Lidt => {
                let table = self.load_table(operand)?;
                self.cpu.idtr = table;
                self.emit(CpuEvent::TableLoaded { table: DescriptorTable::Idt, base: table.base, limit: table.limit });
            }
            Opcode::Sldt | Opcode::Str => {
                let segments = &self.cpu.segments;
                let segment = if instruction.opcode == Opcode::Str { segments.tr } else { segments.ldtr };
                if let Some(operand) = operand {
                    let operand = as_word(operand);
                    self.assign(operand, Width::Word, u64::from(segment.selector.0))?;
                }
            }
            opcode => {
                let selector = operand.map_or(Ok(0), |operand| self.value(operand, Width::Word))?;
                self.load_system_segment(Selector(selector as u16), opcode == Opcode::Ltr)?;
            }
        }
        Ok(None)
    }

    /// LLDT and LTR.
    fn load_system_segment(&mut self, selector: Selector, is_task: bool) -> Result<(), Stop> {
        let fault = |vector| Err(Stop::Fault(Exception::with_code(vector, selector.error_code())));
        if selector.is_null() {
            if is_task {
                return Err(Exception::GP0.into());
            }
            self.cpu.segments.ldtr = Segment { selector, descriptor: Descriptor::default() };
            return Ok(());
        }
        let found = if selector.is_local() { None } else { self.read_descriptor(selector)? };
        let Some(bits) = found else { return fault(Vector::GP) };
        let mut descriptor = Descriptor::from_bits(bits);
        let is_right = descriptor.is_system()
            && match is_task {
                true => descriptor.kind() == 9 || descriptor.kind() == 1 && !self.is_long_mode(),
                false => descriptor.kind() == 2,
            };
        if !is_right {
            return fault(Vector::GP);
        }
        if !descriptor.is_present() {
            return fault(Vector::NP);
        }
        if self.is_long_mode() {
            let Some(upper) = self.read_upper_descriptor(selector)? else { return fault(Vector::GP) };
            descriptor.base |= upper << 32;
        }
        let table = if is_task {
            // The descriptor becomes busy, in the cache and in the table.
            descriptor.rights |= 2;
            let at = self.cpu.gdtr.base.wrapping_add(u64::from(selector.index()) * 8);
            self.store_system(at, 8, bits | 2 << 40)?;
            self.cpu.segments.tr = Segment { selector, descriptor };
            DescriptorTable::Task
        } else {
            self.cpu.segments.ldtr = Segment { selector, descriptor };
            DescriptorTable::Ldt
        };
        self.emit(CpuEvent::TableLoaded { table, base: descriptor.base, limit: descriptor.limit as u16 });
        Ok(())
    }

    fn store_table(&mut self, operand: Option<Operand>, table: TableRegister) -> Result<(), Stop> {
        let Some(Operand::Memory(memory)) = operand else { return Ok(()) };
        let (segment, offset) = (Self::segment_of(&memory), self.offset(&memory));
        let base_size = if self.cpu.mode() == Mode::Long { 8 } else { 4 };
        self.store(segment, offset, 2, u64::from(table.limit))?;
        self.store(segment, offset.wrapping_add(2), base_size, table.base)
    }

    fn load_table(&mut self, operand: Option<Operand>) -> Result<TableRegister, Stop> {
        let Some(Operand::Memory(memory)) = operand else { return Ok(TableRegister::default()) };
        let (segment, offset) = (Self::segment_of(&memory), self.offset(&memory));
        let base_size = if self.cpu.mode() == Mode::Long { 8 } else { 4 };
        let limit = self.load(segment, offset, 2)? as u16;
        let mut base = self.load(segment, offset.wrapping_add(2), base_size)?;
        if self.cpu.mode() == Mode::Long && !super::operand::is_canonical(base) {
            return Err(Exception::GP0.into());
        }
        if self.cpu.mode() == Mode::Real {
            base &= 0x00ff_ffff;
        }
        Ok(TableRegister { base, limit })
    }
}

fn segment_of(operand: Option<Operand>) -> SegmentRegister {
    match operand {
        Some(Operand::Register(Register::Segment(segment))) => segment,
        _ => SegmentRegister::Ds,
    }
}

/// SLDT and STR to memory write 16 bits, whatever was written.
fn as_word(operand: Operand) -> Operand {
    match operand {
        Operand::Memory(memory) => {
            Operand::Memory(crate::cpu::instruction::Memory { width: Some(Width::Word), ..memory })
        }
        other => other,
    }
}
