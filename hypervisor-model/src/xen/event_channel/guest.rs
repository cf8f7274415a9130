//! The guest's half: the upcall, and the loop in which events are taken. Source: Linux 6.12,
//! `drivers/xen/events/events_2l.c` (`evtchn_2l_handle_events`), `events_base.c` (`__xen_evtchn_do_upcall`).
//!
//! The loop in its order, and why no wake-up is lost:
//! ```text
//!   1  upcall_pending = 0                 whatever comes from here on sets it again
//!   2  sel = xchg(pending_sel, 0)         whatever comes in a word that was looked at sets its selector bit again
//!   3  for each word of sel, for each bit of pending & ~mask:
//!   4      clear the pending bit          an event that comes from here on is a new one
//!   5      run the handler
//!   6  once more from 1 if upcall_pending
//! ```
//! A guest that cleared `pending` after the handler, or `upcall_pending` after the look, would lose what came between.

use serde::{Deserialize, Serialize};

use super::Abi;
use crate::xen::Xen;
use crate::xen::domain::VcpuId;

/// Where a processor is in the loop.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum UpcallStep {
    /// Before step 1.
    Start,
    /// `upcall_pending` is cleared.
    Cleared,
    /// The selector has been taken; these words are to be looked at.
    Scanning {
        /// Selector bits that are left.
        words: u64,
    },
    /// This port's handler is to run.
    Handling {
        /// Selector bits that are left.
        words: u64,
        /// The port whose pending bit was cleared.
        port: u32,
    },
    /// Nothing is left.
    Done,
}

impl Xen {
    /// Whether Xen would enter the guest's kernel at its event callback now (`hypervisor_callback`).
    pub fn upcall_is_due(&self, who: VcpuId) -> bool {
        self.domain(who.domain).and_then(|d| d.vcpu(who.vcpu)).is_some_and(|v| v.upcall_pending && !v.upcall_mask)
    }

    /// One step of the two-level loop, in the guest. The last one is [`UpcallStep::Done`].
    pub fn upcall_step(&mut self, who: VcpuId, at: &UpcallStep) -> UpcallStep {
        let Some(d) = self.domain_mut(who.domain) else { return UpcallStep::Done };
        let Some(v) = d.vcpus.get_mut(who.vcpu as usize) else { return UpcallStep::Done };
        match *at {
            UpcallStep::Start => {
                v.upcall_pending = false;
                UpcallStep::Cleared
            }
            UpcallStep::Cleared => UpcallStep::Scanning { words: std::mem::take(&mut v.pending_sel) },
            UpcallStep::Scanning { words: 0 } if v.upcall_pending => UpcallStep::Start,
            UpcallStep::Scanning { words: 0 } => UpcallStep::Done,
            UpcallStep::Scanning { words } => {
                let word = words.trailing_zeros();
                let active = d.channels.bits.active(word);
                if active == 0 {
                    return UpcallStep::Scanning { words: words & (words - 1) };
                }
                let port = word * d.channels.bits.word_bits + active.trailing_zeros();
                d.channels.bits.clear_pending(port);
                UpcallStep::Handling { words, port }
            }
            UpcallStep::Handling { words, .. } => UpcallStep::Scanning { words },
            UpcallStep::Done => UpcallStep::Done,
        }
    }

    /// The whole loop: the ports whose handlers run, in order. Xen has set the mask on entry; it is clear afterwards.
    pub fn take_events(&mut self, who: VcpuId) -> Vec<u32> {
        let mut ports = Vec::new();
        let is_fifo = self.domain(who.domain).is_some_and(|d| d.channels.abi != Abi::TwoLevel);
        if is_fifo {
            return self.take_fifo_events(who);
        }
        self.set_upcall_mask(who, true);
        let mut at = UpcallStep::Start;
        while at != UpcallStep::Done {
            at = self.upcall_step(who, &at);
            if let UpcallStep::Handling { port, .. } = at {
                ports.push(port);
            }
        }
        self.set_upcall_mask(who, false);
        ports
    }

    fn take_fifo_events(&mut self, who: VcpuId) -> Vec<u32> {
        let mut ports = Vec::new();
        let Some(d) = self.domain_mut(who.domain) else { return ports };
        if let Some(v) = d.vcpus.get_mut(who.vcpu as usize) {
            v.upcall_pending = false;
        }
        let Abi::Fifo(fifo) = &mut d.channels.abi else { return ports };
        while let Some((port, is_active)) = fifo.take(who.vcpu) {
            if is_active {
                fifo.clear_pending(port);
                ports.push(port);
            }
        }
        ports
    }

    /// Sets the upcall mask, as the guest does instead of CLI and STI. When it is cleared and an upcall is pending, the guest
    /// makes a hypercall so that Xen looks (`xen_force_evtchn_callback`).
    pub fn set_upcall_mask(&mut self, who: VcpuId, is_masked: bool) {
        if let Some(v) = self.domain_mut(who.domain).and_then(|d| d.vcpu_mut(who.vcpu)) {
            v.upcall_mask = is_masked;
        }
    }

    /// Masks a port in shared memory, for which no hypercall is needed.
    pub fn mask_port(&mut self, who: VcpuId, port: u32) {
        if let Some(d) = self.domain_mut(who.domain) {
            match &mut d.channels.abi {
                Abi::TwoLevel => {
                    d.channels.bits.set_mask(port);
                }
                Abi::Fifo(fifo) => fifo.mask(port),
            }
        }
    }
}
