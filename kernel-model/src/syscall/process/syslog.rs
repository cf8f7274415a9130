//! syslog(2): the kernel's log. What the C library calls syslog(3) is something else.

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::security::capability::Cap;
use crate::syscall::{Arg, Args, FlagNames, Ret, Support, SysResult, SyscallInfo, Sysno, Value};
use crate::task::TaskId;

/// The size of the log's buffer, as it is told (`CONFIG_LOG_BUF_SHIFT` 17).
const BUFFER: i64 = 1 << 17;

const READ_ALL: i64 = 3;
const SIZE_BUFFER: i64 = 10;

const ACTIONS: FlagNames = &[
    ("SYSLOG_ACTION_CLOSE", 0),
    ("SYSLOG_ACTION_OPEN", 1),
    ("SYSLOG_ACTION_READ", 2),
    ("SYSLOG_ACTION_READ_ALL", 3),
    ("SYSLOG_ACTION_READ_CLEAR", 4),
    ("SYSLOG_ACTION_CLEAR", 5),
    ("SYSLOG_ACTION_CONSOLE_OFF", 6),
    ("SYSLOG_ACTION_CONSOLE_ON", 7),
    ("SYSLOG_ACTION_CONSOLE_LEVEL", 8),
    ("SYSLOG_ACTION_SIZE_UNREAD", 9),
    ("SYSLOG_ACTION_SIZE_BUFFER", 10),
];

/// syslog(2). The text is output 1.
pub const SYSLOG: SyscallInfo = SyscallInfo {
    nr: Sysno::SYSLOG,
    man: "syslog(2)",
    args: &[Arg::Enum("type", ACTIONS), Arg::Buf("bufp"), Arg::Int("len")],
    errno: &[
        (Errno::EPERM, "no CAP_SYSLOG, except for reading all of it while kernel.dmesg_restrict is 0"),
        (Errno::EINVAL, "an unknown type, or no buffer"),
        (Errno::ENOSYS, "SYSLOG_ACTION_READ, which waits for new lines, is not modelled"),
    ],
    support: Support::Partial("SYSLOG_ACTION_READ gives ENOSYS; there is no console whose level could be set"),
    run: syslog,
};

fn syslog(k: &mut Kernel<'_>, caller: TaskId, a: Args<'_>) -> SysResult {
    let (action, len) = (a.int(0)?, a.int(2)?);
    let restricted = k.sysctl("kernel/dmesg_restrict", caller).is_some_and(|v| v.trim() != "0");
    let open_to_all = !restricted && matches!(action, READ_ALL | SIZE_BUFFER);
    if !open_to_all && !k.capable(caller, Cap::SYSLOG) && !k.capable(caller, Cap::SYS_ADMIN) {
        return Err(Errno::EPERM.into());
    }
    match action {
        0 | 1 | 6 | 7 => Ok(Ret::new(0)),
        2 => Err(Errno::ENOSYS.into()),
        3 | 4 => {
            if len < 0 {
                return Err(Errno::EINVAL.into());
            }
            let text = k.log.text(false);
            // Whole lines from the end, as many as fit (`syslog_print_all`).
            let mut from = text.len();
            for line in text.split_inclusive('\n').rev() {
                if text.len() - from + line.len() > len as usize {
                    break;
                }
                from -= line.len();
            }
            if action == 4 {
                k.log.cleared = k.log.lines.len();
            }
            let bytes = text.as_bytes()[from..].to_vec();
            Ok(Ret::new(bytes.len() as i64).with(1, Value::bytes(bytes)))
        }
        5 => {
            k.log.cleared = k.log.lines.len();
            Ok(Ret::new(0))
        }
        8 if (1..=8).contains(&len) => Ok(Ret::new(0)),
        9 => Ok(Ret::new(k.log.text(true).len() as i64)),
        10 => Ok(Ret::new(BUFFER)),
        _ => Err(Errno::EINVAL.into()),
    }
}
