//! `enosys`: runs a command for which some system calls do not exist, by a filter of seccomp(2).

use crate::errno::Errno;
use crate::program::Sys;
use crate::program::getopt::{Long, Spec, Takes};
use crate::security::bpf::{Insn, Program, op};
use crate::security::seccomp::{ARCH_X86_64, Action};
use crate::syscall::identity::seccomp::flag;
use crate::syscall::{NAMES, Sysno};

crate::program!(
    ENOSYS = "enosys" in "/usr/bin",
    "block certain system calls while running a command",
    main,
    "  -s, --syscall NAME[:ERRNO]  this call fails, with ENOSYS if nothing else is given
  -i, --ioctl NAME[:ERRNO]    this request of ioctl(2) fails, with ENOTTY if nothing else is given
  -l, --list                  list known system calls
  -m, --list-ioctl            list known ioctls"
);

const SPEC: Spec = Spec {
    short: "+s:i:lm",
    long: &[
        Long("syscall", Takes::Value, 's'),
        Long("ioctl", Takes::Value, 'i'),
        Long("list", Takes::Nothing, 'l'),
        Long("list-ioctl", Takes::Nothing, 'm'),
    ],
    unmodelled: "-d --dump",
    version: "from util-linux 2.40.4",
    failure: 1,
};

/// The requests that it knows by name.
const IOCTLS: [(u16, &str); 1] = [(0x5451, "FIOCLEX")];

/// `EXIT_NOTSUPP`
const NOT_SUPPORTED: i32 = 95;

/// What is to fail, and how.
struct Blocked {
    number: u32,
    errno: u16,
}

async fn main(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&SPEC).await?;
    let (mut calls, mut ioctls) = (Vec::new(), Vec::new());
    for option in &options.given {
        let text = option.value.as_deref().unwrap_or_default();
        match option.key {
            's' => calls.insert(0, parse(&sys, text, Errno::ENOSYS, NAMES).await?),
            'i' => ioctls.insert(0, parse(&sys, text, Errno::ENOTTY, &IOCTLS).await?),
            'l' => return Ok(list(&sys, NAMES).await),
            _ => return Ok(list(&sys, &IOCTLS).await),
        }
    }
    if calls.iter().any(|b| b.number == u32::from(Sysno::EXECVE.0)) {
        sys.not_modelled("--syscall execve").await;
        return Ok(1);
    }
    if options.operands.is_empty() {
        sys.try_help().await;
        return Ok(1);
    }
    if let Err(e) = sys.set_no_new_privs().await {
        sys.warn("Could not run prctl(PR_SET_NO_NEW_PRIVS)", e).await;
        return Ok(1);
    }
    if let Err(e) = sys.seccomp_filter(flag::SPEC_ALLOW, &filter(&calls, &ioctls)).await {
        sys.warn("Could not set seccomp filter", e).await;
        return Ok(1);
    }
    let e = sys.execvp(&options.operands[0], &options.operands).await;
    sys.warn("Could not exec", e).await;
    Ok(NOT_SUPPORTED)
}

async fn list(sys: &Sys, names: &[(u16, &str)]) -> i32 {
    for (number, name) in names {
        sys.print(format!("{number:>5} {name}\n")).await;
    }
    0
}

/// `NAME`, `NUMBER`, or either with `:ERRNO`.
async fn parse(sys: &Sys, text: &str, default: Errno, names: &[(u16, &str)]) -> Result<Blocked, i32> {
    let (name, error) = text.split_once(':').map_or((text, None), |(name, error)| (name, Some(error)));
    let errno = match error {
        None => default.number() as u16,
        Some(error) => match Errno::from_name(error).map(|e| e.number() as u16).or_else(|| error.parse().ok()) {
            Some(number) => number,
            None => {
                sys.warnx(format!("Unknown errno: '{error}'")).await;
                return Err(1);
            }
        },
    };
    let known = names.iter().find(|(_, n)| *n == name).map(|(number, _)| u32::from(*number));
    match known.or_else(|| name.parse().ok()) {
        Some(number) => Ok(Blocked { number, errno }),
        None => {
            sys.warnx(format!("Unknown syscall: '{name}'")).await;
            Err(1)
        }
    }
}

/// The filter.
fn filter(calls: &[Blocked], ioctls: &[Blocked]) -> Program {
    let load = |at| Insn::stmt(op::LD | op::ABS, at);
    let jeq = |k, jt, jf| Insn::jump(op::JMP | op::JEQ | op::K, k, jt, jf);
    let ret = |action: Action| Insn::stmt(op::RET | op::K, action.to_ret());
    let mut out = vec![load(4), jeq(ARCH_X86_64, 1, 0), ret(Action::Trap(0)), load(0)];
    for blocked in calls {
        out.extend([jeq(blocked.number, 0, 1), ret(Action::Errno(blocked.errno))]);
    }
    if !ioctls.is_empty() {
        out.extend([jeq(u32::from(Sysno::IOCTL.0), 1, 0), ret(Action::Allow)]);
        for blocked in ioctls {
            out.extend([
                load(24),
                jeq(blocked.number, 0, 3),
                load(28),
                jeq(0, 0, 1),
                ret(Action::Errno(blocked.errno)),
            ]);
        }
    }
    out.push(ret(Action::Allow));
    Program(out.into())
}
