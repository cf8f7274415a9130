//! The first thread: waits for what is typed and for doorbells (`main_loop_wait`, `chardev/char-mux.c`).

use super::device::{Machine, Work};
use super::kvm::{Context, TCSETS};
use super::options::Options;
use super::{lock, migration, monitor, vcpu};
use crate::errno::Errno;
use crate::program::{Resume, Sys};
use crate::syscall::{Sysno, Value};

const POLLIN: i64 = 1;
const POLLERR: i64 = 8;
const POLLHUP: i64 = 0x10;
const POLLNVAL: i64 = 0x20;
/// Ctrl-A, which begins commands to QEMU itself.
const ESCAPE: u8 = 1;

/// Runs until the guest is to end. The exit status.
pub async fn run(sys: &Sys, options: &Options, mut context: Context) -> i32 {
    loop {
        sys.save(Resume::Saved(context.to_value())).await;
        // While the monitor waits it takes nothing that is typed, and looks once a second (`hmp_migrate_status_cb`).
        let is_waiting = context.monitor.is_waiting;
        let input = (!context.input_ended && !is_waiting).then_some(0);
        let incoming = context.incoming.descriptor();
        let fds: Vec<i32> =
            input.into_iter().chain(incoming).chain(context.taps.iter().chain(&context.doorbells).copied()).collect();
        let second = || Value::record([("tv_sec", 1.into()), ("tv_nsec", 0.into())]);
        let timeout = if is_waiting { second() } else { Value::Null };
        let entry = |fd: &i32| Value::record([("fd", (*fd).into()), ("events", POLLIN.into())]);
        let args = vec![Value::List(fds.iter().map(entry).collect()), fds.len().into(), timeout, Value::Null];
        let Ok(ret) = sys.call(Sysno::PPOLL, args).await else { continue };
        if is_waiting && migration::has_ended(sys, &context).await {
            context.monitor.is_waiting = false;
            let _ = sys.write_all(1, monitor::PROMPT.as_bytes()).await;
        }
        let ready: Vec<i32> = ret.output(0).as_list().unwrap_or_default().iter().filter_map(ready).collect();
        for fd in ready {
            if Some(fd) == incoming {
                if let Err(text) = migration::incoming::ready(sys, &mut context).await {
                    sys.eprint(text).await;
                    end(sys).await;
                    return 1;
                }
            } else if fd == 0 {
                match sys.read(0, 1024).await {
                    Err(Errno::EAGAIN | Errno::EINTR) => {}
                    // `fd_chr_read`: nobody types any more; the guest goes on.
                    Ok(bytes) if bytes.is_empty() => context.input_ended = true,
                    Err(_) => context.input_ended = true,
                    Ok(bytes) if typed(sys, options, &mut context, &bytes).await => return end(sys).await,
                    Ok(_) => {}
                }
            } else if let Some(card) = context.taps.iter().position(|known| *known == fd) {
                with_machine(sys, &context, Work::Frames(card)).await;
            } else if let Some(event) = context.doorbells.iter().position(|known| *known == fd) {
                let _ = sys.read(fd, 8).await;
                with_machine(sys, &context, Work::Queue(event)).await;
            }
        }
    }
}

fn ready(entry: &Value) -> Option<i32> {
    let int = |name: &str| entry.field(name).and_then(Value::as_int);
    (int("revents")? & (POLLIN | POLLERR | POLLHUP | POLLNVAL) != 0).then(|| int("fd").unwrap_or(-1) as i32)
}

/// Does something to the devices, under the lock.
pub async fn with_machine(sys: &Sys, context: &Context, what: Work) {
    let at = context.state + Machine::LOCK;
    lock::lock(sys, at).await;
    let mut machine = Machine::load(sys, context).await;
    let mut effects = Vec::new();
    super::device::work(sys, context, &mut machine, what, &mut effects).await;
    vcpu::carry_out(sys, context, &mut machine, effects).await;
    machine.save(sys, context).await;
    lock::unlock(sys, at).await;
}

/// Bytes from the terminal. Whether QEMU is to end (`mux_proc_byte`).
async fn typed(sys: &Sys, options: &Options, context: &mut Context, bytes: &[u8]) -> bool {
    let mut serial = Vec::new();
    for &byte in bytes {
        if std::mem::take(&mut context.monitor.is_escaped) {
            match byte {
                b'x' | b'X' => {
                    let _ = sys.write_all(1, b"QEMU: Terminated\n").await;
                    return true;
                }
                b'c' | b'C' => {
                    context.monitor.is_active = !context.monitor.is_active;
                    if context.monitor.is_active {
                        let _ = sys.write_all(1, monitor::GREETING.as_bytes()).await;
                    }
                }
                b'h' | b'?' => {
                    let _ = sys.write_all(1, HELP.as_bytes()).await;
                }
                ESCAPE => serial.push(ESCAPE),
                _ => {}
            }
        } else if byte == ESCAPE {
            context.monitor.is_escaped = true;
        } else if context.monitor.is_active {
            if byte == b'\r' || byte == b'\n' {
                let line = std::mem::take(&mut context.monitor.line);
                let _ = sys.write_all(1, b"\n").await;
                if monitor::command(sys, options, context, line.trim()).await {
                    return true;
                }
            } else if byte >= b' ' && byte != 0x7f {
                context.monitor.line.push(char::from(byte));
                let _ = sys.write_all(1, &[byte]).await;
            }
        } else {
            serial.push(byte);
        }
    }
    if !serial.is_empty() {
        with_machine(sys, context, Work::Typed(serial)).await;
    }
    false
}

const HELP: &str = "
C-a h    print this help
C-a x    exit emulator
C-a c    switch between console and monitor
C-a C-a  sends C-a
";

/// The terminal is given back as shells have it: `ISIG | ICANON | ECHO`.
async fn end(sys: &Sys) -> i32 {
    let modes = Value::record([("c_lflag", 11.into())]);
    let _ = sys.call(Sysno::IOCTL, vec![0.into(), TCSETS.into(), modes]).await;
    0
}
