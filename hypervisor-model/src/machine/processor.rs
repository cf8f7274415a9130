//! A processor that translates: its registers as far as paging looks at them, and what it remembers.

use super::cost::Costs;
use super::counters::Counters;
use super::hardware::MemoryAccess;
use crate::cpu::{Cr0, Cr4, Efer};
use crate::memory::{Hpa, PhysicalMemory};
use crate::paging::event::{PagingEvent, References, Trace};
use crate::paging::{
    Attempt, Flush, PagingState, Regime, SecondDimension, Tag, Tlb, TlbConfig, TranslationStop, translate,
};

/// A processor in 64-bit mode, as Linux sets it up.
#[derive(Clone, PartialEq, Debug)]
pub struct Processor {
    state: PagingState,
    regime: Regime,
    tag: Tag,
    tlb: Tlb,
}

impl Processor {
    /// A processor whose translations carry `vpid` and `ept` as tags; CR4.PCIDE is on if it has PCIDs.
    pub fn new(vpid: u16, ept: u64, has_pcid: bool) -> Processor {
        Processor::with_tlb(vpid, ept, has_pcid, TlbConfig::default())
    }

    /// The same with a TLB of another size.
    pub fn with_tlb(vpid: u16, ept: u64, has_pcid: bool, tlb: TlbConfig) -> Processor {
        let mut cr4 = Cr4::PAE | Cr4::PGE;
        cr4.set(Cr4::PCIDE, has_pcid);
        let state = PagingState {
            cr0: Cr0::PG | Cr0::PE | Cr0::WP,
            cr4,
            efer: Efer::LME | Efer::LMA | Efer::NXE,
            ..PagingState::default()
        };
        let tag = Tag { vpid, pcid: 0, ept };
        Processor { state, regime: Regime::new(&state), tag, tlb: Tlb::new(tlb) }
    }

    /// What the registers say of paging.
    pub fn state(&self) -> &PagingState {
        &self.state
    }

    /// What it remembers.
    pub fn tlb(&self) -> &Tlb {
        &self.tlb
    }

    /// Loads CR3, and forgets what that makes it forget.
    pub fn write_cr3(&mut self, value: u64, costs: &Costs, counters: &mut Counters) {
        let flush = if !self.state.cr4.contains(Cr4::PCIDE) {
            Flush::Cr3
        } else if value >> 63 != 0 {
            Flush::Cr3Keep
        } else {
            Flush::Cr3Pcid((value & 0xfff) as u16)
        };
        self.set_cr3(value);
        self.flush(flush, counters);
        counters.spend("loads of CR3", costs.write_cr3.cycles);
    }

    /// Sets CR3 without the instruction.
    pub fn set_cr3(&mut self, value: u64) {
        self.state.cr3 = value & !(1 << 63);
        self.regime = Regime::new(&self.state);
        self.tag.pcid = self.regime.pcid;
    }

    /// Sets all registers that paging looks at. Nothing is forgotten.
    pub fn set_state(&mut self, state: PagingState) {
        if state != self.state {
            self.state = state;
            self.regime = Regime::new(&state);
            self.tag.pcid = self.regime.pcid;
        }
    }

    /// Names the root of the second dimension.
    pub fn set_ept(&mut self, root: u64) {
        self.tag.ept = root;
    }

    /// The VPID that its translations carry.
    pub fn vpid(&self) -> u16 {
        self.tag.vpid
    }

    /// Forgets what an operation makes it forget.
    pub fn flush(&mut self, flush: Flush, counters: &mut Counters) {
        let dropped = self.tlb.flush(flush, self.tag);
        let scope = flush.scope(self.tag.vpid, self.tag.pcid);
        counters.flush(scope.name, 0);
        counters.told.flush(flush, scope.name, scope.source, &dropped);
    }

    /// Translates an access: where it is in the machine's memory.
    ///
    /// # Errors
    /// The fault that it meets.
    pub fn locate<S: SecondDimension>(
        &mut self,
        memory: &mut PhysicalMemory,
        second: &mut S,
        access: MemoryAccess,
        costs: &Costs,
        counters: &mut Counters,
    ) -> Result<Hpa, TranslationStop> {
        let attempt = Attempt { kind: access.kind, is_user: access.is_user, is_implicit: false };
        let context = (&self.regime, &self.tag);
        let mut events = Vec::new();
        let mut references = References::default();
        let found = if counters.told.listens {
            let found = translate(&mut self.tlb, memory, second, context, access.linear, attempt, &mut events);
            events.iter().for_each(|event| references.record(*event));
            if let Err(stop) = &found {
                events.push(PagingEvent::stopped(*stop));
            }
            found
        } else {
            translate(&mut self.tlb, memory, second, context, access.linear, attempt, &mut references)
        };
        match found {
            Ok(found) if found.was_hit => counters.tlb.hits += 1,
            _ => counters.tlb.misses += 1,
        }
        counters.walk_references += references.0;
        let cycles = references.0 * costs.walk_reference.cycles;
        counters.spend("page walks", cycles);
        counters.told.walk(access.linear, access.kind, &events, cycles);
        found.map(|found| found.leaf.at(access.linear))
    }
}
