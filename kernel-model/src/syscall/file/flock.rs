//! flock(2): one lock on a whole file, held by an open description.

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::syscall::{Arg, Args, Ret, Sleep, Support, SysResult, SyscallInfo, Sysno};
use crate::task::TaskId;
use crate::task::sched::Wait;
use crate::vfs::Node;
use crate::vfs::file::{FileId, Flock};

/// `LOCK_NB`.
const NONBLOCK: i64 = 4;

/// flock(2).
pub const FLOCK: SyscallInfo = SyscallInfo {
    nr: Sysno::FLOCK,
    man: "flock(2)",
    args: &[Arg::Fd("fd"), Arg::Flags("operation", &[("LOCK_SH", 1), ("LOCK_EX", 2), ("LOCK_UN", 8), ("LOCK_NB", 4)])],
    errno: &[
        (Errno::EINVAL, "the operation is none of LOCK_SH, LOCK_EX and LOCK_UN"),
        (Errno::EBADF, "fd is not open"),
        (Errno::EAGAIN, "somebody else has the lock and LOCK_NB is given"),
        (Errno::EINTR, "a signal came while waiting"),
    ],
    support: Support::Full,
    run: flock,
};

fn flock(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let operation = a.int(1)?;
    let wanted = match operation & !NONBLOCK {
        1 => Some(Flock::Shared),
        2 => Some(Flock::Exclusive),
        8 => None,
        _ => return Err(Errno::EINVAL.into()),
    };
    let id = k.real_file_id(caller, a.int32(0)?)?;
    let Some(wanted) = wanted else {
        k.unlock_file(id);
        return Ok(Ret::new(0));
    };
    let Some(key) = lock_key(k, id) else { return Ok(Ret::new(0)) };
    let conflict = k.vfs.files.iter().any(|(other, file)| {
        let both_shared = wanted == Flock::Shared && file.lock == Some(Flock::Shared);
        other != id && file.lock.is_some() && !both_shared && lock_key(k, other) == Some(key)
    });
    if !conflict {
        k.vfs.files[id].lock = Some(wanted);
        return Ok(Ret::new(0));
    }
    if operation & NONBLOCK != 0 { Err(Errno::EAGAIN.into()) } else { Err(Sleep::on(Wait::FileLock(key))) }
}

/// What a lock is on: the inode behind an open file.
fn lock_key(k: &Kernel<'_>, id: FileId) -> Option<u64> {
    match k.vfs.files.get(id)?.path()?.node {
        Node::Tree(dentry) => Some(u64::from(k.vfs.dentries.get(dentry)?.inode.0)),
        _ => None,
    }
}

impl Kernel<'_> {
    /// Gives up the lock that an open file holds.
    pub(crate) fn unlock_file(&mut self, id: FileId) {
        let Some(file) = self.world.vfs.files.get(id) else { return };
        if file.lock.is_none() {
            return;
        }
        self.vfs.files[id].lock = None;
        if let Some(key) = lock_key(self, id) {
            self.wake_all(Wait::FileLock(key));
        }
    }
}
