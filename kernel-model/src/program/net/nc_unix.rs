//! `nc -U`: the same between local sockets.

use super::nc::{Wanted, talk, usage};
use crate::errno::Errno;
use crate::net::socket::AF_UNIX;
use crate::program::Sys;
use crate::program::libc::{AT_FDCWD, AT_REMOVEDIR};
use crate::syscall::{Sysno, Value};

const SOCK_STREAM: i64 = 1;
const SOCK_DGRAM: i64 = 2;
const SOCK_NONBLOCK: i64 = 0o4000;
const SOCK_CLOEXEC: i64 = 0o2_000_000;
/// How many connections may wait.
const BACKLOG: i64 = 5;

/// A `struct sockaddr_un` with its length.
fn address(path: &str) -> [Value; 2] {
    let name = Value::record([("sa_family", AF_UNIX.into()), ("sun_path", path.into())]);
    [name, (path.len() + 3).into()]
}

/// A socket with a name (`unix_bind`). A file that is there already is taken away.
async fn bind(sys: &Sys, wanted: &Wanted, path: &str, flags: i64) -> Result<i32, Errno> {
    let kind = if wanted.udp { SOCK_DGRAM } else { SOCK_STREAM };
    let fd = sys.call_int(Sysno::SOCKET, vec![AF_UNIX.into(), (kind | flags).into(), 0.into()]).await? as i32;
    let [name, len] = address(path);
    if let Err(e) = sys.call(Sysno::BIND, vec![fd.into(), name, len]).await {
        let _ = sys.close(fd).await;
        return Err(e);
    }
    if wanted.verbose {
        sys.eprint(format!("Bound on {path}\n")).await;
    }
    Ok(fd)
}

/// `nc -lU PATH`.
pub(super) async fn listen(sys: &Sys, wanted: &Wanted, path: Option<&str>) -> Result<i32, i32> {
    let Some(path) = path else {
        sys.eprint("nc: missing socket pathname\n").await;
        return Err(1);
    };
    let _ = sys.call(Sysno::UNLINK, vec![path.into()]).await;
    let fd = match bind(sys, wanted, path, 0).await {
        Ok(fd) => fd,
        Err(e) => {
            sys.eprint(format!("nc: {e}\n")).await;
            return Err(1);
        }
    };
    if wanted.udp {
        talk(sys, wanted, fd, Some(())).await;
        return Ok(0);
    }
    if let Err(e) = sys.call(Sysno::LISTEN, vec![fd.into(), BACKLOG.into()]).await {
        sys.eprint(format!("nc: {e}\n")).await;
        return Err(1);
    }
    if wanted.verbose {
        sys.eprint(format!("Listening on {path}\n")).await;
    }
    loop {
        let accepted = sys.call(Sysno::ACCEPT4, vec![fd.into(), Value::Null, Value::Null, SOCK_NONBLOCK.into()]).await;
        let Ok(accepted) = accepted else { return Err(1) };
        if wanted.verbose {
            sys.eprint(format!("Connection received on {path}\n")).await;
        }
        let child = accepted.value as i32;
        talk(sys, wanted, child, None).await;
        let _ = sys.close(child).await;
        if !wanted.keep {
            return Ok(0);
        }
    }
}

/// `nc -U PATH`. A socket for datagrams gets a name of its own first, so that it can be answered.
pub(super) async fn connect(sys: &Sys, wanted: &Wanted, path: Option<&str>) -> Result<i32, i32> {
    let Some(path) = path else { return Err(usage(sys).await) };
    let own = match wanted.udp {
        true => Some(directory(sys).await.map_err(|_| 1)?),
        false => None,
    };
    let fd = match &own {
        Some(directory) => bind(sys, wanted, &format!("{directory}/recv.sock"), SOCK_CLOEXEC).await,
        None => {
            let args = vec![AF_UNIX.into(), (SOCK_STREAM | SOCK_CLOEXEC).into(), 0.into()];
            sys.call_int(Sysno::SOCKET, args).await.map(|fd| fd as i32)
        }
    };
    let status = match fd {
        Err(e) => failed(sys, path, e).await,
        Ok(fd) => {
            let [name, len] = address(path);
            let status = match sys.call(Sysno::CONNECT, vec![fd.into(), name, len]).await {
                Err(e) => failed(sys, path, e).await,
                Ok(_) => {
                    if !wanted.zero {
                        talk(sys, wanted, fd, None).await;
                    }
                    0
                }
            };
            let _ = sys.close(fd).await;
            status
        }
    };
    if let Some(directory) = own {
        let _ = sys.call(Sysno::UNLINK, vec![format!("{directory}/recv.sock").as_str().into()]).await;
        let args = vec![AT_FDCWD.into(), directory.as_str().into(), AT_REMOVEDIR.into()];
        let _ = sys.call(Sysno::UNLINKAT, args).await;
    }
    if status == 0 { Ok(0) } else { Err(status) }
}

async fn failed(sys: &Sys, path: &str, e: Errno) -> i32 {
    sys.eprint(format!("nc: {path}: {e}\n")).await;
    1
}

/// A directory that nobody else has (`mkdtemp`).
async fn directory(sys: &Sys) -> Result<String, Errno> {
    const LETTERS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    loop {
        let random = sys.call(Sysno::GETRANDOM, vec![Value::Null, 6.into(), 0.into()]).await?;
        let bytes = random.output(0).as_bytes().unwrap_or_default();
        let name: String = bytes.iter().map(|b| char::from(LETTERS[usize::from(*b) % LETTERS.len()])).collect();
        let path = format!("/tmp/nc-{name}");
        match sys.call(Sysno::MKDIR, vec![path.as_str().into(), 0o700.into()]).await {
            Ok(_) => return Ok(path),
            Err(Errno::EEXIST) => {}
            Err(e) => return Err(e),
        }
    }
}
