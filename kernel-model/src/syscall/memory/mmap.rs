//! mmap(2): addresses for memory or for a file.

use super::{PROT, may_expand, may_lock, own_mm};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::machine::device::DeviceOp;
use crate::mm::address_space::{Backing, MMAP_MIN, Prot, TASK_END, Vma};
use crate::mm::event::MemoryEvent;
use crate::mm::{MmId, PAGE_SIZE};
use crate::syscall::{Arg, Args, Ret, Support, SysResult, SyscallInfo, Sysno};
use crate::task::TaskId;
use crate::vfs::Node;
use crate::vfs::file::{FileId, FileKind};
use crate::vfs::fs::FileType;

const MAP_SHARED: u64 = 1;
const MAP_PRIVATE: u64 = 2;
const MAP_SHARED_VALIDATE: u64 = 3;
const MAP_TYPE: u64 = 0xf;
const MAP_FIXED: u64 = 0x10;
const MAP_ANONYMOUS: u64 = 0x20;
const MAP_GROWSDOWN: u64 = 0x100;
const MAP_LOCKED: u64 = 0x2000;
const MAP_POPULATE: u64 = 0x8000;
const MAP_HUGETLB: u64 = 0x4_0000;
const MAP_FIXED_NOREPLACE: u64 = 0x10_0000;

/// mmap(2).
pub const MMAP: SyscallInfo = SyscallInfo {
    nr: Sysno::MMAP,
    man: "mmap(2)",
    args: &[
        Arg::Data("addr"),
        Arg::Int("length"),
        Arg::Flags("prot", PROT),
        Arg::Flags(
            "flags",
            &[
                ("MAP_SHARED_VALIDATE", MAP_SHARED_VALIDATE),
                ("MAP_SHARED", MAP_SHARED),
                ("MAP_PRIVATE", MAP_PRIVATE),
                ("MAP_FIXED", MAP_FIXED),
                ("MAP_ANONYMOUS", MAP_ANONYMOUS),
                ("MAP_GROWSDOWN", MAP_GROWSDOWN),
                ("MAP_DENYWRITE", 0x800),
                ("MAP_LOCKED", MAP_LOCKED),
                ("MAP_NORESERVE", 0x4000),
                ("MAP_POPULATE", MAP_POPULATE),
                ("MAP_NONBLOCK", 0x1_0000),
                ("MAP_STACK", 0x2_0000),
                ("MAP_HUGETLB", MAP_HUGETLB),
                ("MAP_FIXED_NOREPLACE", MAP_FIXED_NOREPLACE),
            ],
        ),
        Arg::Fd("fd"),
        Arg::Int("offset"),
    ],
    errno: &[
        (Errno::EINVAL, "the offset is not that of a page, the length is 0, or neither shared nor private"),
        (Errno::EBADF, "fd is not open"),
        (Errno::ENOMEM, "there is no room for it, no huge page, or RLIMIT_AS or RLIMIT_DATA is reached"),
        (Errno::EACCES, "the file is not open for what is to be done with it, or is not a file with contents"),
        (Errno::ENODEV, "the file cannot be mapped"),
        (Errno::EEXIST, "MAP_FIXED_NOREPLACE, and something is there"),
        (Errno::EPERM, "the address is below vm.mmap_min_addr, or RLIMIT_MEMLOCK allows no locked memory"),
        (Errno::EAGAIN, "RLIMIT_MEMLOCK is reached"),
    ],
    support: Support::Partial("shared anonymous memory is charged as anonymous memory and not shared with children"),
    run: mmap,
};

fn mmap(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let (addr, length, prot, flags) = (a.int(0)? as u64, a.int(1)? as u64, a.flags(2)?, a.flags(3)?);
    let offset = a.int(5)? as u64;
    if !offset.is_multiple_of(PAGE_SIZE) {
        return Err(Errno::EINVAL.into());
    }
    let file = if flags & MAP_ANONYMOUS == 0 { Some(k.real_file_id(caller, a.int32(4)?)?) } else { None };
    if file.is_none() && flags & MAP_HUGETLB != 0 {
        // There is not one huge page in the pool (vm.nr_hugepages is 0).
        return Err(Errno::ENOMEM.into());
    }
    if length == 0 {
        return Err(Errno::EINVAL.into());
    }
    let pages = length.checked_add(PAGE_SIZE - 1).ok_or(Errno::ENOMEM)? / PAGE_SIZE;
    if pages > TASK_END {
        return Err(Errno::ENOMEM.into());
    }
    let mm = own_mm(k, caller)?;
    let first = place(k, mm, addr, pages, flags)?;
    let locked = flags & MAP_LOCKED != 0 || k.mm.spaces[mm].lock_future;
    if locked {
        let already = k.mm.spaces[mm].sizes().locked;
        may_lock(k, caller, already + pages, Errno::EAGAIN)?;
    }
    let shared = match flags & MAP_TYPE {
        MAP_SHARED | MAP_SHARED_VALIDATE => true,
        MAP_PRIVATE => false,
        _ => return Err(Errno::EINVAL.into()),
    };
    let prot = Prot((prot & 7) as u8);
    let backing = match file {
        Some(file) => {
            if let Some(device) = k.device_file(file) {
                k.call_device(caller, &device, DeviceOp::Mmap(offset, length))?;
            } else {
                check_file(k, file, prot, shared)?;
            }
            if let Some(place) = k.vfs.files[file].path() {
                k.security_mmap_file(caller, place, prot.can(Prot::EXEC))?;
            }
            match k.device_file(file) {
                // What is behind it is the machine's: here it is memory of the program.
                Some(_) => Backing::Anonymous,
                None => Backing::File { file, offset: offset / PAGE_SIZE },
            }
        }
        None if flags & MAP_GROWSDOWN != 0 => Backing::Stack,
        None => Backing::Anonymous,
    };
    let vma = Vma { shared, backing, locked, ..Vma::anonymous(pages, prot) };
    if flags & MAP_FIXED != 0 {
        k.unmap(caller, mm, first, pages);
    }
    if !may_expand(k, caller, mm, pages, vma.is_data()) {
        return Err(Errno::ENOMEM.into());
    }
    if let (Some(file), Backing::File { .. }) = (file, &vma.backing) {
        k.vfs.files[file].refs += 1;
    }
    k.mm.spaces[mm].insert(first, vma);
    k.emit_memory(MemoryEvent::AddressSpaceChanged { task: caller, first, pages, mapped: true });
    if locked || flags & MAP_POPULATE != 0 {
        k.populate(caller, first, pages);
    }
    Ok(Ret::new((first * PAGE_SIZE) as i64))
}

/// Where it goes (`get_unmapped_area`): where it must, where it was hinted if that is free, else the highest gap.
fn place(k: &Kernel<'_>, mm: MmId, addr: u64, pages: u64, flags: u64) -> Result<u64, Errno> {
    let space = &k.mm.spaces[mm];
    let first = addr / PAGE_SIZE;
    if flags & (MAP_FIXED | MAP_FIXED_NOREPLACE) != 0 {
        if !addr.is_multiple_of(PAGE_SIZE) {
            return Err(Errno::EINVAL);
        }
        if first + pages > TASK_END {
            return Err(Errno::ENOMEM);
        }
        if first < MMAP_MIN {
            return Err(Errno::EPERM);
        }
        if flags & MAP_FIXED_NOREPLACE != 0 && !space.areas_in(first, pages).is_empty() {
            return Err(Errno::EEXIST);
        }
        return Ok(first);
    }
    let hint = first.max(MMAP_MIN);
    if addr != 0 && hint + pages <= TASK_END && space.areas_in(hint, pages).is_empty() {
        return Ok(hint);
    }
    space.unmapped_area(pages).ok_or(Errno::ENOMEM)
}

/// Whether a file may be mapped so (`do_mmap`).
fn check_file(k: &Kernel<'_>, file: FileId, prot: Prot, shared: bool) -> Result<(), Errno> {
    let open = &k.vfs.files[file];
    if (shared && prot.can(Prot::WRITE) && !open.can_write()) || !open.can_read() {
        return Err(Errno::EACCES);
    }
    match &open.kind {
        FileKind::Path(path) if matches!(path.node, Node::Tree(_)) && k.attr(*path).file_type == FileType::Regular => {
            Ok(())
        }
        _ => Err(Errno::ENODEV),
    }
}

impl Kernel<'_> {
    /// Cuts areas at the borders of a range; the areas in it. Each piece of an area keeps its file.
    pub(crate) fn split_areas(&mut self, mm: MmId, first: u64, pages: u64) -> Vec<u64> {
        let files = |k: &Self| -> Vec<FileId> {
            let vmas = k.mm.spaces[mm].vmas.values();
            let files = vmas.filter_map(|v| if let Backing::File { file, .. } = v.backing { Some(file) } else { None });
            files.collect()
        };
        let before = files(self);
        self.mm.spaces[mm].split_at_borders(first, pages);
        let mut after = files(self);
        if after.len() > before.len() {
            for file in before {
                if let Some(at) = after.iter().position(|f| *f == file) {
                    after.swap_remove(at);
                }
            }
            after.into_iter().for_each(|file| self.vfs.files[file].refs += 1);
        }
        self.mm.spaces[mm].areas_in(first, pages)
    }

    /// Takes a range out of an address space: areas, and the pages in them.
    pub(crate) fn unmap(&mut self, task: TaskId, mm: MmId, first: u64, pages: u64) {
        let areas = self.split_areas(mm, first, pages);
        if areas.is_empty() {
            return;
        }
        self.zap_pages(mm, first, pages);
        let freed = self.mm.unmap_range(mm, first, pages);
        let mut gone = 0;
        for at in areas {
            let Some(vma) = self.mm.spaces[mm].vmas.remove(&at) else { continue };
            gone += vma.pages;
            self.mm.spaces[mm].forget_resident(&vma);
            if let Backing::File { file, .. } = vma.backing {
                self.put_file(file);
            }
        }
        self.uncharge_all(crate::mm::memcg::Charge::Anon, &freed);
        self.emit_memory(MemoryEvent::AddressSpaceChanged { task, first, pages: gone, mapped: false });
    }

    /// Brings pages in before anybody touches them, as far as there is memory (`mm_populate`).
    pub(crate) fn populate(&mut self, task: TaskId, first: u64, pages: u64) {
        let Some(mm) = self.mm_of(task) else { return };
        for at in self.mm.spaces[mm].areas_in(first, pages) {
            let Some(vma) = self.mm.spaces[mm].vmas.get(&at) else { continue };
            let (from, to) = (at.max(first), (at + vma.pages).min(first + pages));
            let write = vma.prot.can(Prot::WRITE) && !vma.shared;
            let access = crate::mm::fault::Access { write, user: false };
            if !vma.prot.can(Prot::READ) || self.fault(task, from, to - from, access).is_err() {
                return;
            }
        }
    }
}
