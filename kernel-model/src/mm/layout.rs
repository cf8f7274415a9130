//! What execve(2) and the dynamic loader put into a new address space.
//!
//! The areas and their sizes were read off `/proc/PID/maps` of the programs of the standard world on Linux 6.18
//! (Debian 12: coreutils 9.1, bash 5.2, glibc 2.36), without address space randomisation. Few programs differ in what
//! matters here, so there are two kinds: the shell, which is large, and everything else, measured on `cat` and `sleep`.

use std::sync::Arc;

use super::PAGE_SIZE;
use super::address_space::{Backing, MMAP_BASE, Mm, Prot, Startup, TASK_END, Vma};
use super::ranges::Ranges;

/// Where position-independent programs go when addresses are not randomised.
const PROGRAM_BASE: u64 = 0x5555_5555_4000 / PAGE_SIZE;
/// The heap that malloc(3) takes at the first use: 132 KiB.
pub const HEAP_PAGES: u64 = 33;
/// The stack after execve(2): 132 KiB, of which little is touched.
const STACK_PAGES: u64 = 33;
/// Anonymous pages after the start of a small program (`RssAnon: 104 kB`), of the shell (248 kB).
const START_PAGES: u64 = 26;
const SHELL_START_PAGES: u64 = 62;
/// Pages of files that are mapped in by then (`RssFile` and `RssShmem`): the kernel's own, and of the files.
const VDSO_PAGES: u64 = 1;
const MAPPED_PAGES: u64 = 331;
const SHELL_MAPPED_PAGES: u64 = 634;
/// Page tables of a small address space (`VmPTE: 44 kB`).
pub const PAGE_TABLES: u64 = 11;
/// Pages of anonymous memory that one more page table maps.
pub const PAGES_PER_TABLE: u64 = 512;
/// Pages that a child writes soon after fork(2), and gets copies of: stack, and the data of shell and libc. Between
/// 10 and 15 on the recording kernel.
pub const FORK_COPIES: u64 = 12;

/// One file as the loader maps it: pages of headers, of code, of constants, of relocated constants, of data, and of
/// data that begins as zeros.
struct Object {
    path: &'static str,
    parts: [u64; 5],
    zeros: u64,
}

const SMALL: [u64; 5] = [2, 5, 3, 1, 1];
const SHELL: Object = Object { path: "/usr/bin/bash", parts: [47, 193, 56, 4, 9], zeros: 11 };
const LIBC: Object = Object { path: "/usr/lib/x86_64-linux-gnu/libc.so.6", parts: [38, 342, 83, 4, 2], zeros: 13 };
const TINFO: Object = Object { path: "/usr/lib/x86_64-linux-gnu/libtinfo.so.6", parts: [15, 17, 14, 4, 1], zeros: 2 };
const LOADER: Object = Object { path: "/usr/lib64/ld-linux-x86-64.so.2", parts: [1, 38, 10, 2, 2], zeros: 0 };

impl Mm {
    /// The address space of a program that has just been executed.
    pub fn of_program(program: &str, exe: &str) -> Mm {
        let is_shell = program == "bash";
        let mut mm = Mm::empty();
        mm.startup = Startup::Executed;
        let object = if is_shell { SHELL } else { Object { path: "", parts: SMALL, zeros: 0 } };
        let end = mm.map_object(PROGRAM_BASE, &object, exe.into());
        mm.text = object.parts[1];
        mm.start_brk = (end + 1) * PAGE_SIZE;
        mm.brk = mm.start_brk + HEAP_PAGES * PAGE_SIZE;
        mm.insert(end + 1, Vma::anonymous(HEAP_PAGES, Prot::RW));

        let mut top = MMAP_BASE;
        let libraries: &[&Object] = if is_shell { &[&LOADER, &TINFO, &LIBC] } else { &[&LOADER, &LIBC] };
        for (i, object) in libraries.iter().enumerate() {
            let size = object.parts.iter().sum::<u64>() + object.zeros;
            mm.map_object(top - size, object, object.path.into());
            top -= size;
            if i == 0 {
                for (name, pages, prot) in [("[vdso]", 2, Prot::RX), ("[vvar]", 6, Prot::READ)] {
                    top -= pages;
                    let backing = Backing::Kernel(Arc::from(name));
                    mm.insert(top, Vma { prot, backing, ..Vma::anonymous(pages, prot) });
                }
            }
        }
        let stack = Vma { backing: Backing::Stack, ..Vma::anonymous(STACK_PAGES, Prot::RW) };
        mm.insert(TASK_END - STACK_PAGES, stack);
        mm.map_in(if is_shell { SHELL_MAPPED_PAGES } else { MAPPED_PAGES });
        mm
    }

    /// Maps a program or a library in the pieces that its headers ask for; the page behind it.
    fn map_object(&mut self, base: u64, object: &Object, path: Arc<str>) -> u64 {
        let prots = [Prot::READ, Prot::RX, Prot::READ, Prot::READ, Prot::RW];
        let mut offset = 0;
        for (pages, prot) in object.parts.into_iter().zip(prots) {
            let backing = Backing::Image { path: Arc::clone(&path), offset };
            self.insert(base + offset, Vma { backing, ..Vma::anonymous(pages, prot) });
            offset += pages;
        }
        if object.zeros > 0 {
            self.insert(base + offset, Vma::anonymous(object.zeros, Prot::RW));
        }
        base + offset + object.zeros
    }

    /// The pages of files that are mapped in after the start, code first: they were in memory before, and cost nobody.
    fn map_in(&mut self, mut pages: u64) {
        for first in self.vmas.keys().copied().collect::<Vec<_>>() {
            let Some(vma) = self.vmas.get_mut(&first) else { continue };
            let n = match &vma.backing {
                Backing::Image { .. } if !vma.prot.can(Prot::WRITE) => vma.pages.min(pages),
                Backing::Kernel(name) if **name == *"[vdso]" => {
                    vma.resident = Ranges::of(first, VDSO_PAGES);
                    continue;
                }
                _ => continue,
            };
            vma.resident = Ranges::of(first, n);
            pages -= n;
            self.rss.shmem += n;
        }
        self.rss.file += VDSO_PAGES;
        self.high_rss = self.rss.total();
    }

    /// What user mode touches before anything else: ranges of pages, all of them written.
    pub fn startup_pages(&self) -> Vec<(u64, u64)> {
        let budget = match self.startup {
            Startup::Done => return Vec::new(),
            Startup::Forked => FORK_COPIES,
            Startup::Executed if self.text == SHELL.parts[1] => SHELL_START_PAGES,
            Startup::Executed => START_PAGES,
        };
        let mut left = budget;
        let mut ranges = Vec::new();
        // The end of the stack first, then data from below, the heap last.
        if let Some((first, stack)) = self.vmas.iter().rev().find(|(_, v)| v.backing == Backing::Stack) {
            let n = left.min(4);
            ranges.push((first + stack.pages - n, n));
            left -= n;
        }
        let heap = self.start_brk / PAGE_SIZE;
        let data = self.vmas.iter().filter(|(at, v)| v.is_data() && **at != heap).map(|(at, v)| (*at, v.pages));
        let heap = self.vmas.get(&heap).map(|v| (heap, v.pages));
        for (first, pages) in data.collect::<Vec<_>>().into_iter().chain(heap) {
            let n = left.min(pages);
            if n > 0 {
                ranges.push((first, n));
                left -= n;
            }
        }
        ranges
    }
}
