//! System calls: the table of what they are, and the dispatch to what they do.
//!
//! One file a call (or a man page). Each has a [`SyscallInfo`] record and a function that reads like
//! its man page. From the records come the dispatch, the strace printer and parser, the console's
//! completion and help, and the coverage page: a call is described once.

pub mod file;
pub mod identity;
pub mod ipc;
pub mod memory;
pub mod mount;
pub mod namespace;
pub mod net;
pub mod process;
pub mod time;

mod sysno;
mod value;

use std::sync::OnceLock;

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::task::TaskId;
use crate::task::sched::Wait;
use crate::time::Nanos;

pub use sysno::{NAMES, Sysno};
pub use value::{Args, Call, CallResult, Ret, Value};

/// Names of flag bits (or of enumerated values), in the order in which strace prints them.
pub type FlagNames = &'static [(&'static str, u64)];

/// One parameter of a call: its name in the man page, and how it is read and printed.
#[derive(Clone, Copy, Debug)]
pub enum Arg {
    /// A plain number.
    Int(&'static str),
    /// A number that is printed in octal, such as a file mode.
    Octal(&'static str),
    /// A pid as the caller sees it.
    Pid(&'static str),
    /// A user or group id as the caller sees it; -1 means "leave".
    Uid(&'static str),
    /// A file descriptor; `AT_FDCWD` where allowed.
    Fd(&'static str),
    /// A path name.
    Path(&'static str),
    /// Some other C string.
    Str(&'static str),
    /// A buffer that the kernel reads, or fills in.
    Buf(&'static str),
    /// An array of C strings.
    Strings(&'static str),
    /// Bits from a table, joined with `|`.
    Flags(&'static str, FlagNames),
    /// One value from a table.
    Enum(&'static str, FlagNames),
    /// A structure, an array, or another pointer.
    Data(&'static str),
}

impl Arg {
    /// The parameter's name in the man page.
    pub fn name(&self) -> &'static str {
        match self {
            Arg::Int(n)
            | Arg::Octal(n)
            | Arg::Pid(n)
            | Arg::Uid(n)
            | Arg::Fd(n)
            | Arg::Path(n)
            | Arg::Str(n)
            | Arg::Buf(n)
            | Arg::Strings(n)
            | Arg::Flags(n, _)
            | Arg::Enum(n, _)
            | Arg::Data(n) => n,
        }
    }
}

/// How much of a call the model has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Support {
    /// All that the man page says and that can matter here.
    Full,
    /// The sentence says what is left out.
    Partial(&'static str),
    /// The call is known but does nothing here; the sentence says why that is harmless or what it would do.
    NotModelled(&'static str),
}

/// Everything that is to be known about one system call.
#[derive(Debug)]
pub struct SyscallInfo {
    /// Its number on x86-64.
    pub nr: Sysno,
    /// Its manual page, such as `unshare(2)`.
    pub man: &'static str,
    /// Its parameters.
    pub args: &'static [Arg],
    /// The errors that the model can return, each with the rule that was broken, in the order of the checks.
    pub errno: &'static [(Errno, &'static str)],
    /// How much of it is modelled.
    pub support: Support,
    /// What it does.
    pub run: Handler,
}

impl SyscallInfo {
    /// The call's name.
    pub fn name(&self) -> &'static str {
        self.nr.name()
    }
}

/// The code of a call: the kernel at work, the calling task, the arguments.
pub type Handler = fn(&mut Kernel<'_>, TaskId, Args<'_>) -> SysResult;

/// What a handler gives back: a result, or the reason why there is none (yet).
pub type SysResult = Result<Ret, Stop>;

/// Why a handler did not return a result.
#[derive(Clone, PartialEq, Debug)]
pub enum Stop {
    /// It failed.
    Err(Errno),
    /// It must wait. The task sleeps; when one of the events happens the handler runs again from its
    /// start, so it must not have changed anything before it says this.
    Block(Sleep),
    /// It has done a part of what it does, in the machine below: it runs again in the next turn of its task.
    Again,
    /// There is nobody to return to: the task has exited or runs a new program.
    NoReturn,
}

impl From<Errno> for Stop {
    fn from(e: Errno) -> Self {
        Stop::Err(e)
    }
}

/// What a sleeping task waits for.
#[derive(Clone, PartialEq, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Sleep {
    /// Any one of these ends the sleep.
    pub on: Vec<Wait>,
    /// So does this moment of virtual time.
    pub until: Option<Nanos>,
}

impl Sleep {
    /// Whether `ps` shows D: only a signal that kills ends the wait early.
    pub fn is_uninterruptible(&self) -> bool {
        self.on.iter().any(|wait| matches!(wait, Wait::Memory(_) | Wait::MemoryPenalty(_) | Wait::Bio(_)))
    }

    /// Sleeps until `wait` happens.
    pub fn on(wait: Wait) -> Stop {
        Stop::Block(Sleep { on: vec![wait], until: None })
    }
}

/// The records of all calls that the model has, by folder.
pub const GROUPS: &[&[&SyscallInfo]] = &[
    file::RECORDS,
    mount::RECORDS,
    process::RECORDS,
    identity::RECORDS,
    namespace::RECORDS,
    net::RECORDS,
    ipc::RECORDS,
    memory::RECORDS,
    time::RECORDS,
];

/// The records of all calls that the model has.
pub fn records() -> impl Iterator<Item = &'static SyscallInfo> {
    GROUPS.iter().copied().flatten().copied()
}

/// The record of a call; `None` for a call that the model does not have.
pub fn info(nr: Sysno) -> Option<&'static SyscallInfo> {
    static INDEX: OnceLock<Vec<Option<&'static SyscallInfo>>> = OnceLock::new();
    let index = INDEX.get_or_init(|| {
        let mut index = vec![None; 512];
        for record in records() {
            let place: &mut Option<&SyscallInfo> = &mut index[usize::from(record.nr.0)];
            assert!(place.is_none(), "two records of {}", record.name());
            *place = Some(record);
        }
        index
    });
    index.get(usize::from(nr.0)).copied().flatten()
}
