//! ioctl(2): how much a pipe holds, how namespaces hang together, and who else is asked: terminals, TAP devices.

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::machine::device::DeviceOp;
use crate::namespace::{NsKind, NsRef};
use crate::program::libc::o;
use crate::syscall::{Arg, Args, FlagNames, Ret, Support, SysResult, SyscallInfo, Sysno};
use crate::task::TaskId;
use crate::vfs::Node;
use crate::vfs::file::FileKind;

const FIONREAD: i64 = 0x541b;
const FIONBIO: i64 = 0x5421;
const FIONCLEX: i64 = 0x5450;
const FIOCLEX: i64 = 0x5451;
const NS_GET_USERNS: i64 = 0xb701;
const NS_GET_PARENT: i64 = 0xb702;
const NS_GET_NSTYPE: i64 = 0xb703;
const NS_GET_OWNER_UID: i64 = 0xb704;

const REQUESTS: FlagNames = &[
    ("TCGETS", 0x5401),
    ("TCSETS", 0x5402),
    ("TCSETSW", 0x5403),
    ("TCSETSF", 0x5404),
    ("TCSBRK", 0x5409),
    ("TCFLSH", 0x540b),
    ("TIOCEXCL", 0x540c),
    ("TIOCNXCL", 0x540d),
    ("TIOCSCTTY", 0x540e),
    ("TIOCGPGRP", 0x540f),
    ("TIOCSPGRP", 0x5410),
    ("TIOCOUTQ", 0x5411),
    ("TIOCGWINSZ", 0x5413),
    ("TIOCSWINSZ", 0x5414),
    ("TIOCNOTTY", 0x5422),
    ("TIOCGETD", 0x5424),
    ("TIOCGSID", 0x5429),
    ("TIOCGPTN", 0x8004_5430),
    ("TIOCSPTLCK", 0x4004_5431),
    ("TIOCGDEV", 0x8004_5432),
    ("TIOCGPTLCK", 0x8004_5439),
    ("TIOCGEXCL", 0x8004_5440),
    ("TIOCGPTPEER", 0x5441),
    ("FIONREAD", 0x541b),
    ("FIONBIO", 0x5421),
    ("FIONCLEX", 0x5450),
    ("FIOCLEX", 0x5451),
    ("TUNSETIFF", 0x4004_54ca),
    ("TUNSETPERSIST", 0x4004_54cb),
    ("TUNSETOWNER", 0x4004_54cc),
    ("TUNSETGROUP", 0x4004_54ce),
    ("TUNGETFEATURES", 0x8004_54cf),
    ("TUNGETIFF", 0x8004_54d2),
    ("NS_GET_USERNS", 0xb701),
    ("NS_GET_PARENT", 0xb702),
    ("NS_GET_NSTYPE", 0xb703),
    ("NS_GET_OWNER_UID", 0xb704),
];

/// ioctl(2). Answers are output 2.
pub const IOCTL: SyscallInfo = SyscallInfo {
    nr: Sysno::IOCTL,
    man: "ioctl(2)",
    args: &[Arg::Fd("fd"), Arg::Enum("request", REQUESTS), Arg::Data("argp")],
    errno: &[
        (Errno::EBADF, "fd is not open"),
        (Errno::EIO, "a terminal that has hung up, or TIOCGPTPEER of one that is locked"),
        (Errno::EPERM, "TIOCSCTTY: the caller leads no session, has a terminal, or the terminal is another session's"),
        (Errno::ESRCH, "TIOCSPGRP: nobody has this number"),
        (Errno::EPERM, "NS_GET_USERNS, NS_GET_PARENT: the namespace lies outside the caller's own, or is the first"),
        (Errno::EINVAL, "NS_GET_PARENT: a kind that does not nest; NS_GET_OWNER_UID: no user namespace"),
        (Errno::ENOTTY, "fd does not know this request"),
    ],
    support: Support::Partial(
        "of the settings of a console those count that make it raw (ICANON, ECHO and ISIG off); who reads or writes a terminal \
         in the background is not stopped (SIGTTIN, SIGTTOU)",
    ),
    run: ioctl,
};

fn ioctl(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let (fd, request) = (a.int32(0)?, a.int(1)? & 0xffff_ffff);
    let id = k.real_file_id(caller, fd)?;
    if let FIOCLEX | FIONCLEX = request {
        let table = k.fd_table_of(caller)?;
        if let Some(entry) = k.vfs.fd_tables[table].fds.get_mut(&fd) {
            entry.cloexec = request == FIOCLEX;
        }
        return Ok(Ret::new(0));
    }
    if request == FIONBIO {
        let on = a.get(2).as_int().unwrap_or(0) != 0;
        let flags = &mut k.vfs.files[id].flags;
        *flags = if on { *flags | o::NONBLOCK } else { *flags & !o::NONBLOCK };
        return Ok(Ret::new(0));
    }
    match k.vfs.files[id].kind.clone() {
        FileKind::Tty(..) | FileKind::PtyMaster(..) | FileKind::HungUpTty(..) => {
            k.tty_ioctl(caller, id, request, a.get(2))
        }
        FileKind::PipeRead(pipe, _) | FileKind::PipeWrite(pipe, _) | FileKind::PipeBoth(pipe, _)
            if request == FIONREAD =>
        {
            let waiting = k.pipes.get(pipe).map_or(0, |p| p.data.len());
            Ok(Ret::new(0).with(2, waiting.into()))
        }
        FileKind::Tun(id, _) => k.tun_ioctl(caller, id, request, a.get(2)),
        FileKind::Device(device) => k.call_device(caller, &device, DeviceOp::Ioctl(request as u64, a.get(2))),
        FileKind::Path(place) => match place.node {
            Node::Ns(ns) => namespace(k, caller, ns, request),
            Node::Tree(_) if request == FIONREAD && !k.is_dir(place) => {
                let left = k.attr(place).size.saturating_sub(k.vfs.files[id].pos);
                Ok(Ret::new(0).with(2, left.into()))
            }
            _ => Err(Errno::ENOTTY.into()),
        },
        _ => Err(Errno::ENOTTY.into()),
    }
}

/// The requests of ioctl_ns(2).
fn namespace(k: &mut Kernel<'_>, caller: TaskId, ns: NsRef, request: i64) -> SysResult {
    let own = k.tasks[caller].cred.user_ns;
    let related = match (request, ns) {
        (NS_GET_NSTYPE, _) => return Ok(Ret::new(ns.kind().clone_flag() as i64)),
        (NS_GET_OWNER_UID, NsRef::User(id)) => {
            let owner = k.user_namespaces[id].owner;
            let shown = k.user_namespaces[own].uid(owner);
            return Ok(Ret::new(0).with(2, shown.into()));
        }
        (NS_GET_OWNER_UID, _) => return Err(Errno::EINVAL.into()),
        (NS_GET_PARENT, NsRef::Pid(id)) => {
            let parent = k.pid_namespaces[id].parent.ok_or(Errno::EPERM)?;
            let mut at = Some(parent);
            let active = k.pid_ns_of(caller);
            while at.is_some_and(|ns| ns != active) {
                at = at.and_then(|ns| k.pid_namespaces[ns].parent);
            }
            at.ok_or(Errno::EPERM)?;
            NsRef::Pid(parent)
        }
        (NS_GET_PARENT, NsRef::User(_)) | (NS_GET_USERNS, _) => {
            let owner = match ns {
                NsRef::User(id) => k.user_namespaces[id].parent.ok_or(Errno::EPERM)?,
                _ => k.ns_common(ns).ok_or(Errno::EPERM)?.owner,
            };
            if !k.user_ns_is_within(owner, own) {
                return Err(Errno::EPERM.into());
            }
            NsRef::User(owner)
        }
        (NS_GET_PARENT, _) => return Err(Errno::EINVAL.into()),
        _ => return Err(Errno::ENOTTY.into()),
    };
    debug_assert!(matches!(related.kind(), NsKind::Pid | NsKind::User));
    let place = k.ns_path(related);
    Ok(Ret::new(k.install_file(caller, FileKind::Path(place), o::CLOEXEC)?))
}
