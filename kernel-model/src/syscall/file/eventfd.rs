//! eventfd(2) and eventfd2: a counter with a descriptor.

use crate::errno::Errno;
use crate::ipc::eventfd::EventFd;
use crate::kernel::Kernel;
use crate::program::libc::o;
use crate::syscall::{Arg, Args, Ret, Support, SysResult, SyscallInfo, Sysno};
use crate::task::TaskId;
use crate::vfs::file::FileKind;

const EFD_SEMAPHORE: u32 = 1;

const ERRORS: &[(Errno, &str)] = &[(Errno::EINVAL, "an unknown flag"), (Errno::EMFILE, "RLIMIT_NOFILE is reached")];

/// eventfd(2) without flags.
pub const EVENTFD: SyscallInfo = SyscallInfo {
    nr: Sysno::EVENTFD,
    man: "eventfd(2)",
    args: &[Arg::Int("initval")],
    errno: ERRORS,
    support: Support::Full,
    run: |k, caller, a| make(k, caller, a, 0),
};

/// eventfd2, which is what eventfd(3) calls.
pub const EVENTFD2: SyscallInfo = SyscallInfo {
    nr: Sysno::EVENTFD2,
    man: "eventfd(2)",
    args: &[
        Arg::Int("initval"),
        Arg::Flags(
            "flags",
            &[
                ("EFD_SEMAPHORE", EFD_SEMAPHORE as u64),
                ("EFD_CLOEXEC", o::CLOEXEC as u64),
                ("EFD_NONBLOCK", o::NONBLOCK as u64),
            ],
        ),
    ],
    errno: ERRORS,
    support: Support::Full,
    run: |k, caller, a| {
        let flags = a.int(1)? as u32;
        make(k, caller, a, flags)
    },
};

fn make(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>, flags: u32) -> SysResult {
    if flags & !(EFD_SEMAPHORE | o::CLOEXEC | o::NONBLOCK) != 0 {
        return Err(Errno::EINVAL.into());
    }
    k.unused_fd(caller, 0)?;
    let count = u64::from(a.int(0)? as u32);
    let id = k.eventfds.add(EventFd { count, is_semaphore: flags & EFD_SEMAPHORE != 0 });
    let flags = (flags & !EFD_SEMAPHORE) | o::RDWR;
    Ok(Ret::new(k.install_file(caller, FileKind::EventFd(id), flags)?))
}
