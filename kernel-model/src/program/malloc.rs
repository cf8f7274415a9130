//! malloc(3) as glibc has it, for programs whose use of memory matters: small blocks come from the heap, which grows by
//! brk(2) in steps of 132 KiB; large ones are mappings of their own (`M_MMAP_THRESHOLD`).
//!
//! Small buffers need not be asked for: every program has the heap that its start needs.

use super::Sys;
use crate::errno::Errno;
use crate::mm::PAGE_SIZE;
use crate::syscall::{Sysno, Value};

/// Blocks of this size and more are mappings of their own.
const MMAP_THRESHOLD: u64 = 128 << 10;
/// What the heap grows by beyond what is needed (`M_TOP_PAD`).
const TOP_PAD: u64 = 128 << 10;
/// What malloc(3) keeps before a block, and to what it rounds.
const CHUNK: u64 = 16;

/// A block of memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Block {
    /// Where it is.
    pub addr: u64,
    /// How much was asked for.
    pub bytes: u64,
    /// The length of its own mapping; 0 for a part of the heap.
    pub mapping: u64,
}

/// A heap that only grows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Malloc {
    /// The next free byte; 0 before the first block.
    pub top: u64,
    /// The end of the heap.
    pub end: u64,
}

impl Malloc {
    /// A block of so many bytes. Nothing of it is touched.
    ///
    /// # Errors
    /// ENOMEM.
    pub async fn alloc(&mut self, sys: &Sys, bytes: u64) -> Result<Block, Errno> {
        let size = bytes.checked_add(CHUNK).ok_or(Errno::ENOMEM)?.next_multiple_of(CHUNK);
        if size >= MMAP_THRESHOLD {
            let mapping = size.checked_add(PAGE_SIZE - 1).ok_or(Errno::ENOMEM)? / PAGE_SIZE * PAGE_SIZE;
            let addr = sys.mmap_anonymous(mapping).await?;
            return Ok(Block { addr: addr + CHUNK, bytes, mapping });
        }
        if self.top == 0 {
            // What the heap has at the start is in use: by stdio, by the locale.
            self.end = sys.brk(0).await;
            self.top = self.end;
        }
        if self.top + size > self.end {
            let wanted = (self.top + size + TOP_PAD).next_multiple_of(PAGE_SIZE);
            self.end = sys.brk(wanted).await;
            if self.end < wanted {
                return Err(Errno::ENOMEM);
            }
        }
        let addr = self.top + CHUNK;
        self.top += size;
        Ok(Block { addr, bytes, mapping: 0 })
    }

    /// Gives a block back. A part of the heap stays with the program.
    pub async fn free(&mut self, sys: &Sys, block: Block) {
        if block.mapping > 0 {
            // It is mapped.
            let _ = sys.munmap(block.addr - CHUNK, block.mapping).await;
        }
    }

    /// As values, for programs that save their state.
    pub fn to_value(self) -> Value {
        Value::List(vec![self.top.into(), self.end.into()])
    }

    /// From [`Malloc::to_value`].
    pub fn from_value(value: &Value) -> Malloc {
        let at = |i: usize| value.as_list().and_then(|l| l.get(i)?.as_int()).unwrap_or(0) as u64;
        Malloc { top: at(0), end: at(1) }
    }
}

impl Sys {
    /// brk(2) as the kernel has it: where the heap ends afterwards.
    pub async fn brk(&self, addr: u64) -> u64 {
        self.call_int(Sysno::BRK, vec![addr.into()]).await.unwrap_or(0) as u64
    }

    /// mmap(2) of private memory.
    pub async fn mmap_anonymous(&self, bytes: u64) -> Result<u64, Errno> {
        // PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS
        let args = vec![Value::Null, bytes.into(), 3.into(), 0x22.into(), (-1).into(), 0.into()];
        Ok(self.call_int(Sysno::MMAP, args).await? as u64)
    }

    /// munmap(2).
    pub async fn munmap(&self, addr: u64, bytes: u64) -> Result<(), Errno> {
        self.call(Sysno::MUNMAP, vec![addr.into(), bytes.into()]).await.map(drop)
    }

    /// read(2) into a place that was asked for: the kernel touches what it fills.
    pub async fn read_at(&self, fd: i32, addr: u64, count: usize) -> Result<Vec<u8>, Errno> {
        let ret = self.call(Sysno::READ, vec![fd.into(), addr.into(), count.into()]).await?;
        Ok(ret.output(1).as_bytes().unwrap_or_default().to_vec())
    }
}
