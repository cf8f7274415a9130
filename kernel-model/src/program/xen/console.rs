//! `xl console`: the terminal is given to a domain's console until Ctrl-]. Source: Xen 4.17, `tools/console/client/main.c`.

use crate::program::libc::o;
use crate::program::{Resume, Sys};
use crate::syscall::{Sysno, Value};

/// Chooses the domain of `/dev/xen/console`.
const ATTACH: i64 = 0x0004_4301;
const TCSETS: i64 = 0x5402;
const POLLIN: i64 = 1;
/// Ctrl-].
const ESCAPE: u8 = 0x1d;

/// What must be known to go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Context {
    fd: i32,
    has_input: bool,
}

impl Context {
    fn to_value(self) -> Value {
        Value::record([("fd", self.fd.into()), ("has_input", i32::from(self.has_input).into())])
    }

    /// The reverse of how it is saved.
    pub fn from_value(value: &Value) -> Context {
        let int = |name: &str| value.field(name).and_then(Value::as_int).unwrap_or(0);
        Context { fd: int("fd") as i32, has_input: int("has_input") != 0 }
    }
}

/// Attaches to a domain's console.
pub async fn attach(sys: &Sys, domid: i64) -> Result<i32, i32> {
    sys.flush().await;
    let opened = async {
        let fd = sys.open("/dev/xen/console", o::RDWR | o::CLOEXEC, 0).await?;
        sys.call(Sysno::IOCTL, vec![fd.into(), ATTACH.into(), domid.into()]).await?;
        Ok::<i32, crate::errno::Errno>(fd)
    };
    let Ok(fd) = opened.await else {
        sys.eprint("xenconsole: Could not read tty from store: No such file or directory\n").await;
        return Err(1);
    };
    modes(sys, 0).await;
    Ok(run(sys, Context { fd, has_input: true }).await)
}

async fn modes(sys: &Sys, c_lflag: i64) {
    if sys.isatty(0).await {
        let modes = Value::record([("c_lflag", c_lflag.into())]);
        let _ = sys.call(Sysno::IOCTL, vec![0.into(), TCSETS.into(), modes]).await;
    }
}

/// `console_loop`: what is typed goes to the domain, what that prints to the terminal.
pub async fn run(sys: &Sys, mut context: Context) -> i32 {
    loop {
        sys.save(Resume::Saved(context.to_value())).await;
        let mut fds = vec![context.fd];
        if context.has_input {
            fds.push(0);
        }
        let entry = |fd: &i32| Value::record([("fd", (*fd).into()), ("events", POLLIN.into())]);
        let args = vec![Value::List(fds.iter().map(entry).collect()), fds.len().into(), Value::Null, Value::Null];
        let Ok(ret) = sys.call(Sysno::PPOLL, args).await else { continue };
        for entry in ret.output(0).as_list().unwrap_or_default() {
            let int = |name: &str| entry.field(name).and_then(Value::as_int).unwrap_or(0);
            if int("revents") & POLLIN == 0 {
                continue;
            }
            let fd = int("fd") as i32;
            let Ok(bytes) = sys.read(fd, 1024).await else { continue };
            if fd == context.fd {
                if bytes.is_empty() {
                    // The domain is gone.
                    modes(sys, 11).await;
                    return 0;
                }
                let _ = sys.write_all(1, &bytes).await;
                continue;
            }
            let until = bytes.iter().position(|byte| *byte == ESCAPE);
            let typed = &bytes[..until.unwrap_or(bytes.len())];
            if !typed.is_empty() {
                let _ = sys.write_all(context.fd, typed).await;
            }
            if until.is_some() {
                modes(sys, 11).await;
                return 0;
            }
            // An input that has ended says nothing more: what the domain prints is still shown.
            context.has_input &= !bytes.is_empty();
        }
    }
}
