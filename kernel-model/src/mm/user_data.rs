//! What programs keep in memory and threads share.
//!
//! A program of the model keeps its state where Rust keeps it, except for what its threads must see of each other: that
//! is stored at an address of the process, as a value with its structure instead of bytes. Bytes that the machine below
//! must see as well (the memory of a guest) are the machine's: [`UserMemory`].

use std::sync::Arc;

use imbl::OrdMap;

use super::{MmId, PAGE_SIZE};
use crate::kernel::Kernel;
use crate::pv_ops::PageRange;
use crate::syscall::Value;
use crate::world::World;

/// The bytes of pages of programs, for machines that look into them. A page that was never written holds zeros.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct UserMemory {
    pages: OrdMap<(MmId, u64), Arc<[u8]>>,
}

impl UserMemory {
    /// Bytes of an address space, from a linear address on.
    pub fn load(&self, mm: MmId, addr: u64, len: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(len);
        while bytes.len() < len {
            let at = addr + bytes.len() as u64;
            let (page, offset) = (at / PAGE_SIZE, (at % PAGE_SIZE) as usize);
            let n = (PAGE_SIZE as usize - offset).min(len - bytes.len());
            match self.pages.get(&(mm, page)) {
                Some(content) => bytes.extend_from_slice(&content[offset..offset + n]),
                None => bytes.resize(bytes.len() + n, 0),
            }
        }
        bytes
    }

    /// Puts bytes into an address space.
    pub fn store(&mut self, mm: MmId, addr: u64, bytes: &[u8]) {
        let mut done = 0;
        while done < bytes.len() {
            let at = addr + done as u64;
            let (page, offset) = (at / PAGE_SIZE, (at % PAGE_SIZE) as usize);
            let n = (PAGE_SIZE as usize - offset).min(bytes.len() - done);
            let mut content = match self.pages.get(&(mm, page)) {
                Some(content) => content.to_vec(),
                None => vec![0; PAGE_SIZE as usize],
            };
            content[offset..offset + n].copy_from_slice(&bytes[done..done + n]);
            self.pages.insert((mm, page), content.into());
            done += n;
        }
    }

    /// Whether anything was ever written to this page.
    pub fn has_page(&self, mm: MmId, page: u64) -> bool {
        self.pages.contains_key(&(mm, page))
    }

    /// Pages are gone: what was in them is lost.
    pub fn drop_range(&mut self, at: PageRange) {
        let range = (at.mm, at.first)..(at.mm, at.first.saturating_add(at.pages));
        let gone: Vec<(MmId, u64)> = self.pages.range(range).map(|(at, _)| *at).collect();
        for page in gone {
            self.pages.remove(&page);
        }
    }
}

impl World {
    /// The word of a futex.
    pub(crate) fn word_at(&self, mm: MmId, addr: u64) -> u32 {
        self.mm.spaces[mm].objects.get(&addr).and_then(Value::as_int).unwrap_or(0) as u32
    }
}

/// What a program does with memory that others see. Not a system call.
#[derive(Clone, PartialEq, Debug)]
pub enum MemoryAccess {
    /// Reads the value that was stored at the address.
    Load,
    /// Stores one.
    Store(Value),
    /// Stores a word and gives the old one, in one step (XCHG, CMPXCHG): only if the old one is `expected`, if given.
    Exchange {
        /// What is stored.
        new: u32,
        /// What must be there.
        expected: Option<u32>,
    },
    /// Reads bytes that the machine keeps.
    LoadBytes(usize),
    /// Writes them.
    StoreBytes(Arc<[u8]>),
}

impl MemoryAccess {
    /// How many bytes it reaches.
    pub(crate) fn len(&self) -> u64 {
        match self {
            MemoryAccess::Load | MemoryAccess::Store(_) => 8,
            MemoryAccess::Exchange { .. } => 4,
            MemoryAccess::LoadBytes(n) => *n as u64,
            MemoryAccess::StoreBytes(bytes) => bytes.len() as u64,
        }
    }

    /// Whether it changes anything.
    pub(crate) fn is_write(&self) -> bool {
        !matches!(self, MemoryAccess::Load | MemoryAccess::LoadBytes(_))
    }
}

impl Kernel<'_> {
    /// Carries out an access to pages that are there. `None` when the machine keeps no bytes.
    pub(crate) fn access_memory(&mut self, mm: MmId, addr: u64, access: &MemoryAccess) -> Option<Value> {
        let objects = &mut self.world.mm.spaces[mm].objects;
        match access {
            MemoryAccess::Load => Some(objects.get(&addr).cloned().unwrap_or_default()),
            MemoryAccess::Store(value) => {
                objects.insert(addr, value.clone());
                Some(Value::Null)
            }
            MemoryAccess::Exchange { new, expected } => {
                let old = objects.get(&addr).and_then(Value::as_int).unwrap_or(0) as u32;
                if expected.is_none_or(|expected| expected == old) {
                    objects.insert(addr, (*new).into());
                }
                Some(old.into())
            }
            MemoryAccess::LoadBytes(len) => Some(Value::bytes(self.machine.user_memory()?.load(mm, addr, *len))),
            MemoryAccess::StoreBytes(bytes) => {
                self.machine.user_memory()?.store(mm, addr, bytes);
                Some(Value::Null)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_across_pages_and_are_gone_with_them() {
        let mut memory = UserMemory::default();
        memory.store(MmId(3), 4094, b"abcd");
        assert_eq!(memory.load(MmId(3), 4093, 6), b"\0abcd\0");
        assert_eq!(memory.load(MmId(4), 4094, 2), b"\0\0");
        memory.drop_range(PageRange { mm: MmId(3), first: 1, pages: 1 });
        assert_eq!(memory.load(MmId(3), 4094, 4), b"ab\0\0");
    }
}
