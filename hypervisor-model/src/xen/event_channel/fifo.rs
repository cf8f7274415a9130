//! The FIFO ABI: pending ports in sixteen queues by priority, for 131072 ports. Source: `xen/common/event_fifo.c`,
//! `xen/include/public/event_channel.h`; design: D. Vrabel, "Event Channel Internals", 2013.
//!
//! Each port has an *event word* in an array of pages that the guest gives (`EVTCHNOP_expand_array`):
//!
//! ```text
//!   31 pending | 30 masked | 29 linked | 28 busy | 16:0 link to the next port of the queue, 0 for the last
//! ```
//!
//! Each processor has a *control block* (`EVTCHNOP_init_control`) with a ready bit and a head for every priority. An event
//! that becomes pending is appended to its queue, so events are handled in the order in which they came; with two levels it
//! is the order of their numbers. Linux uses it where Xen has it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Ports that there can be.
pub const PORTS: u32 = 1 << 17;
/// Queues of a processor.
pub const PRIORITIES: u8 = 16;
/// The priority of a port that nobody has given another (`EVTCHN_FIFO_PRIORITY_DEFAULT`).
pub const PRIORITY_DEFAULT: u8 = 7;
/// Event words in a page of the array.
pub const WORDS_PER_PAGE: u32 = 1024;

/// Pending (bit 31).
pub const PENDING: u32 = 1 << 31;
/// Masked by the guest (bit 30).
pub const MASKED: u32 = 1 << 30;
/// In a queue (bit 29).
pub const LINKED: u32 = 1 << 29;
/// The link (bits 16 to 0).
pub const LINK: u32 = PORTS - 1;

/// A processor's control block and the tails that Xen keeps for itself.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct ControlBlock {
    /// A bit for each priority whose queue is not empty.
    pub ready: u32,
    /// First port of each queue.
    pub heads: [u32; PRIORITIES as usize],
    /// Last port of each queue.
    pub tails: [u32; PRIORITIES as usize],
}

/// Event words and control blocks of a domain.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Fifo {
    /// Pages that the event array has.
    pub pages: u32,
    words: BTreeMap<u32, u32>,
    /// Control blocks by processor.
    pub blocks: BTreeMap<u32, ControlBlock>,
}

impl Fifo {
    /// An event array without pages, and a control block for each processor.
    pub fn new(blocks: BTreeMap<u32, ControlBlock>) -> Fifo {
        Fifo { pages: 0, words: BTreeMap::new(), blocks }
    }

    /// The event word of a port; `None` where the array does not reach.
    pub fn word(&self, port: u32) -> Option<u32> {
        (port < self.pages * WORDS_PER_PAGE).then(|| self.words.get(&port).copied().unwrap_or(0))
    }

    fn set_word(&mut self, port: u32, word: u32) {
        if word == 0 {
            self.words.remove(&port);
        } else {
            self.words.insert(port, word);
        }
    }

    /// Whether an event is waiting at a port.
    pub fn is_pending(&self, port: u32) -> bool {
        self.word(port).is_some_and(|word| word & PENDING != 0)
    }

    /// Whether the guest has masked a port.
    pub fn is_masked(&self, port: u32) -> bool {
        self.word(port).is_some_and(|word| word & MASKED != 0)
    }

    /// Masks a port, as the guest does it in its event word.
    pub fn mask(&mut self, port: u32) {
        if let Some(word) = self.word(port) {
            self.set_word(port, word | MASKED);
        }
    }

    /// Makes a port pending (`evtchn_fifo_set_pending`). Whether the processor must be told: its queue was empty.
    pub fn set_pending(&mut self, port: u32, priority: u8, vcpu: u32) -> bool {
        let Some(word) = self.word(port) else { return false };
        self.set_word(port, word | PENDING);
        if word & (MASKED | LINKED) != 0 {
            return false;
        }
        self.link(port, priority, vcpu)
    }

    /// Takes the mask away (`evtchn_fifo_unmask`). Whether the processor must be told.
    pub fn unmask(&mut self, port: u32, priority: u8, vcpu: u32) -> bool {
        let Some(word) = self.word(port) else { return false };
        self.set_word(port, word & !MASKED);
        word & PENDING != 0 && self.set_pending(port, priority, vcpu)
    }

    /// Clears the pending bit, as the guest does before it handles the event, and Xen when a port is closed.
    pub fn clear_pending(&mut self, port: u32) {
        if let Some(word) = self.word(port) {
            self.set_word(port, word & !PENDING);
        }
    }

    fn link(&mut self, port: u32, priority: u8, vcpu: u32) -> bool {
        let q = usize::from(priority.min(PRIORITIES - 1));
        let Some(block) = self.blocks.get_mut(&vcpu) else { return false };
        let was_ready = block.ready & (1 << q) != 0;
        let tail = block.tails[q];
        let was_empty = block.heads[q] == 0;
        block.tails[q] = port;
        block.ready |= 1 << q;
        if was_empty {
            block.heads[q] = port;
        }
        let word = self.word(port).unwrap_or(0);
        self.set_word(port, word & !LINK | LINKED);
        if !was_empty {
            let last = self.word(tail).unwrap_or(0);
            self.set_word(tail, last & !LINK | port);
        }
        !was_ready
    }

    /// Takes the first port of the most urgent queue, as the guest does (`consume_one_event`, Linux
    /// `drivers/xen/events/events_fifo.c`); whether it is pending and not masked.
    pub fn take(&mut self, vcpu: u32) -> Option<(u32, bool)> {
        let block = self.blocks.get_mut(&vcpu)?;
        let q = block.ready.trailing_zeros() as usize;
        if q >= usize::from(PRIORITIES) {
            return None;
        }
        let port = block.heads[q];
        let word = self.words.get(&port).copied().unwrap_or(0);
        let next = word & LINK;
        block.heads[q] = next;
        if next == 0 {
            block.ready &= !(1 << q);
            block.tails[q] = 0;
        }
        self.set_word(port, word & !(LINKED | LINK));
        Some((port, word & PENDING != 0 && word & MASKED == 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_one_processor() -> Fifo {
        Fifo { pages: 1, blocks: [(0, ControlBlock::default())].into(), ..Fifo::default() }
    }

    #[test]
    fn events_of_one_priority_come_in_their_order_and_urgent_ones_first() {
        let mut fifo = with_one_processor();
        assert!(fifo.set_pending(9, 7, 0), "the queue was empty");
        assert!(!fifo.set_pending(3, 7, 0), "it is ready already");
        assert!(fifo.set_pending(5, 0, 0), "another queue");
        let order: Vec<u32> = std::iter::from_fn(|| fifo.take(0).map(|(port, _)| port)).collect();
        assert_eq!(order, [5, 9, 3]);
    }

    #[test]
    fn a_masked_port_is_queued_when_it_is_unmasked() {
        let mut fifo = with_one_processor();
        fifo.mask(4);
        assert!(!fifo.set_pending(4, 7, 0));
        assert_eq!(fifo.take(0), None);
        assert!(fifo.unmask(4, 7, 0));
        assert_eq!(fifo.take(0), Some((4, true)));
    }

    #[test]
    fn a_port_beyond_the_array_says_nothing() {
        let mut fifo = with_one_processor();
        assert!(!fifo.set_pending(WORDS_PER_PAGE, 7, 0));
    }
}
