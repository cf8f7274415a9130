//! Instructions on RFLAGS. POPF is the one that best shows why x86 could not be virtualized: outside ring 0 it drops
//! IF and IOPL and tells nobody. Source: Intel SDM vol. 2 (June 2016), POPF, PUSHF, CLI, STI.

use super::{Done, Step};
use crate::cpu::event::{CpuEvent, StackItem};
use crate::cpu::instruction::check::has_virtual_if;
use crate::cpu::instruction::{Instruction, Opcode, Width};
use crate::cpu::{Exception, InterruptShadow, Rflags};

/// The flags that POPF and IRET may change in every ring.
pub(in crate::cpu) const ANYBODYS: Rflags = Rflags::CF
    .union(Rflags::PF)
    .union(Rflags::AF)
    .union(Rflags::ZF)
    .union(Rflags::SF)
    .union(Rflags::TF)
    .union(Rflags::DF)
    .union(Rflags::OF)
    .union(Rflags::NT)
    .union(Rflags::AC)
    .union(Rflags::ID);

impl Step<'_> {
    pub(super) fn flag_instruction(&mut self, instruction: &Instruction) -> Done {
        let width = instruction.width_suffix().unwrap_or_else(|| self.stack_width());
        match instruction.opcode {
            Opcode::Pushf => {
                // The image never shows VM and RF.
                let image = self.cpu.rflags - (Rflags::VM | Rflags::RF);
                self.push(StackItem::Rflags, width, image.bits())?;
            }
            Opcode::Popf => {
                let image = Rflags::from_bits_truncate(self.pop(StackItem::Rflags, width)?);
                return Ok(self.take_flags(image, width, Rflags::empty()));
            }
            Opcode::Cli if has_virtual_if(self.cpu) => self.set_flags(self.cpu.rflags - Rflags::VIF),
            Opcode::Cli => self.set_flags(self.cpu.rflags - Rflags::IF),
            Opcode::Sti if has_virtual_if(self.cpu) => {
                if self.cpu.rflags.contains(Rflags::VIP) {
                    return Err(Exception::GP0.into());
                }
                self.set_flags(self.cpu.rflags | Rflags::VIF);
            }
            Opcode::Sti => {
                if !self.cpu.rflags.contains(Rflags::IF) {
                    self.cpu.shadow = InterruptShadow::Sti;
                }
                self.set_flags(self.cpu.rflags | Rflags::IF);
            }
            Opcode::Cld => self.set_flags(self.cpu.rflags - Rflags::DF),
            Opcode::Std => self.set_flags(self.cpu.rflags | Rflags::DF),
            Opcode::Stac => self.set_flags(self.cpu.rflags | Rflags::AC),
            _ => self.set_flags(self.cpu.rflags - Rflags::AC),
        }
        Ok(None)
    }

    /// Takes flags from a popped image, as far as the ring allows it; `also` are those that only IRET changes. What
    /// was asked for and left out is returned in words.
    pub(in crate::cpu) fn take_flags(&mut self, image: Rflags, width: Width, also: Rflags) -> Option<String> {
        let cpl = self.cpu.cpl;
        let mut mask = ANYBODYS | also;
        if cpl <= self.cpu.iopl() {
            mask |= Rflags::IF;
        }
        if cpl == 0 {
            mask |= Rflags::IOPL;
        }
        if width == Width::Word {
            mask &= Rflags::from_bits_retain(0xffff);
        }
        let kept = self.cpu.rflags;
        // RF is cleared by POPF; IRET takes it from the image.
        let new = (kept - Rflags::RF).changed(mask, image);
        self.set_flags(new);
        let asked = new.changed(Rflags::IF | Rflags::IOPL, image);
        if asked == new {
            return None;
        }
        self.emit(CpuEvent::FlagsKept { asked, kept: new });
        let mut left_out = Vec::new();
        if asked.contains(Rflags::IF) != new.contains(Rflags::IF) {
            left_out.push(format!(
                "IF stays {} although {} was popped: CPL {cpl} > IOPL {}",
                u8::from(new.contains(Rflags::IF)),
                u8::from(asked.contains(Rflags::IF)),
                kept.iopl()
            ));
        }
        if asked.iopl() != new.iopl() {
            left_out.push(format!("IOPL stays {} although {} was popped: CPL {cpl} > 0", new.iopl(), asked.iopl()));
        }
        Some(left_out.join("; "))
    }
}
