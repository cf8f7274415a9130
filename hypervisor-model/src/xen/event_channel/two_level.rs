//! The two-level ABI: which ports are pending, bit by bit. Source: `xen/common/event_2l.c`, `struct shared_info` in
//! `xen/include/public/xen.h`.
//!
//! ```text
//!   vcpu_info                             shared_info
//!   evtchn_upcall_pending   0 or 1        evtchn_pending[64]   a bit for each port
//!   evtchn_upcall_mask      0 or 1        evtchn_mask[64]      a bit for each port
//!   evtchn_pending_sel      a bit for each word of evtchn_pending
//! ```
//!
//! Xen sets the three levels from right to left: a port's bit, if it is not masked the word's bit, then the one bit that
//! says "look". The guest clears them from left to right before it looks, so that whatever is set while it looks makes it
//! look again: no event is lost, several may become one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::xen::domain::GuestKind;

/// Pending and masked ports of a domain (`evtchn_pending`, `evtchn_mask`). Words of only zeros are not kept.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct SharedBits {
    /// Bits in a word, and words: 64 for a 64-bit guest, 32 for a 32-bit one.
    pub word_bits: u32,
    pending: BTreeMap<u32, u64>,
    mask: BTreeMap<u32, u64>,
}

fn set(words: &mut BTreeMap<u32, u64>, word: u32, bit: u32) -> bool {
    let known = words.entry(word).or_default();
    let was = *known & (1 << bit) != 0;
    *known |= 1 << bit;
    was
}

fn clear(words: &mut BTreeMap<u32, u64>, word: u32, bit: u32) -> bool {
    let Some(known) = words.get_mut(&word) else { return false };
    let was = *known & (1 << bit) != 0;
    *known &= !(1 << bit);
    if *known == 0 {
        words.remove(&word);
    }
    was
}

impl SharedBits {
    /// Nothing pending, nothing masked.
    pub fn new(kind: GuestKind) -> SharedBits {
        let word_bits = if kind == GuestKind::Pv32 { 32 } else { 64 };
        SharedBits { word_bits, pending: BTreeMap::new(), mask: BTreeMap::new() }
    }

    /// How many ports there are bits for: 4096 or 1024.
    pub fn ports(&self) -> u32 {
        self.word_bits * self.word_bits
    }

    /// The word of a port, which is the number of its selector bit.
    pub fn word(&self, port: u32) -> u32 {
        port / self.word_bits
    }

    /// Sets a port's pending bit; what it was.
    pub fn set_pending(&mut self, port: u32) -> bool {
        let (word, bit) = (port / self.word_bits, port % self.word_bits);
        set(&mut self.pending, word, bit)
    }

    /// Clears a port's pending bit; what it was.
    pub fn clear_pending(&mut self, port: u32) -> bool {
        let (word, bit) = (port / self.word_bits, port % self.word_bits);
        clear(&mut self.pending, word, bit)
    }

    /// Sets a port's mask bit; what it was.
    pub fn set_mask(&mut self, port: u32) -> bool {
        let (word, bit) = (port / self.word_bits, port % self.word_bits);
        set(&mut self.mask, word, bit)
    }

    /// Clears a port's mask bit; what it was.
    pub fn clear_mask(&mut self, port: u32) -> bool {
        let (word, bit) = (port / self.word_bits, port % self.word_bits);
        clear(&mut self.mask, word, bit)
    }

    /// Whether an event is waiting at a port.
    pub fn is_pending(&self, port: u32) -> bool {
        self.pending.get(&self.word(port)).is_some_and(|word| word & (1 << (port % self.word_bits)) != 0)
    }

    /// Whether the guest has masked a port.
    pub fn is_masked(&self, port: u32) -> bool {
        self.mask.get(&self.word(port)).is_some_and(|word| word & (1 << (port % self.word_bits)) != 0)
    }

    /// The bits of a word that are pending and not masked.
    pub fn active(&self, word: u32) -> u64 {
        let of = |words: &BTreeMap<u32, u64>| words.get(&word).copied().unwrap_or(0);
        of(&self.pending) & !of(&self.mask)
    }

    /// The words that are not zero: number, pending, mask.
    pub fn words(&self) -> Vec<(u32, u64, u64)> {
        let numbers: std::collections::BTreeSet<u32> = self.pending.keys().chain(self.mask.keys()).copied().collect();
        let of = |words: &BTreeMap<u32, u64>, n| words.get(&n).copied().unwrap_or(0);
        numbers.into_iter().map(|n| (n, of(&self.pending, n), of(&self.mask, n))).collect()
    }
}
