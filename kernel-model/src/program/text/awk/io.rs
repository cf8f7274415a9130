//! Records from files and commands, and files and commands that are written to.

use super::ast::Redirect;
use crate::errno::Errno;
use crate::program::Sys;
use crate::program::libc::o;
use crate::program::text::regex::{Regex, Syntax, Whole};
use crate::vfs::fd_table::Fd;

/// A file that is read record by record.
#[derive(Debug)]
pub(super) struct Input {
    pub fd: Fd,
    buffer: Vec<u8>,
    ended: bool,
    /// The command that writes it.
    pub child: Option<i32>,
}

impl Input {
    pub(super) fn new(fd: Fd) -> Input {
        Input { fd, buffer: Vec::new(), ended: false, child: None }
    }

    /// The same, written by a command.
    pub(super) fn of_child(self, child: i32) -> Input {
        Input { child: Some(child), ..self }
    }

    /// The next record, by the separator `RS`.
    pub(super) async fn next(&mut self, sys: &Sys, separator: &str) -> Result<Option<String>, Errno> {
        if separator.is_empty() {
            let blanks = |b: &[u8]| b.iter().take_while(|c| **c == b'\n').count();
            while !self.ended && blanks(&self.buffer) == self.buffer.len() {
                self.fill(sys).await?;
            }
            self.buffer.drain(..blanks(&self.buffer));
        }
        loop {
            if let Some((from, to)) = find(&self.buffer, separator, self.ended) {
                let rest = self.buffer.split_off(to);
                let mut record = std::mem::replace(&mut self.buffer, rest);
                record.truncate(from);
                return Ok(Some(text(&record)));
            }
            if self.ended {
                let record = std::mem::take(&mut self.buffer);
                return Ok((!record.is_empty()).then(|| text(&record)));
            }
            self.fill(sys).await?;
        }
    }

    async fn fill(&mut self, sys: &Sys) -> Result<(), Errno> {
        let part = sys.read(self.fd, 4096).await?;
        self.ended = part.is_empty();
        self.buffer.extend_from_slice(&part);
        Ok(())
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Where the first separator is.
fn find(buffer: &[u8], separator: &str, ended: bool) -> Option<(usize, usize)> {
    match separator.as_bytes() {
        [] => {
            let from = buffer.windows(2).position(|w| w == b"\n\n");
            match from {
                Some(from) => {
                    let length = buffer[from..].iter().take_while(|b| **b == b'\n').count();
                    (from + length < buffer.len() || ended).then_some((from, from + length))
                }
                None if ended && buffer.ends_with(b"\n") => Some((buffer.len() - 1, buffer.len())),
                None => None,
            }
        }
        [byte] => buffer.iter().position(|b| b == byte).map(|at| (at, at + 1)),
        _ => {
            let regex = Regex::new(separator, Syntax::Awk, false, Whole::Anything).ok()?;
            let (from, to) = regex.find_at(buffer, 0)?.whole();
            (to > from && (to < buffer.len() || ended)).then_some((from, to))
        }
    }
}

/// Something that print writes to.
#[derive(Debug)]
pub(super) struct Output {
    pub fd: Fd,
    pub buffer: Vec<u8>,
    /// The command that reads it.
    pub child: Option<i32>,
}

impl Output {
    pub(super) async fn open(sys: &Sys, redirect: &Redirect, name: &str) -> Result<Output, Errno> {
        let (fd, child) = match redirect {
            Redirect::Pipe(_) => {
                let (fd, child) = start(sys, name, 0).await?;
                (fd, Some(child))
            }
            _ if name == "/dev/stdout" || name == "-" => (1, None),
            _ if name == "/dev/stderr" => (2, None),
            Redirect::File(_) => (sys.open(name, o::WRONLY | o::CREAT | o::TRUNC | o::CLOEXEC, 0o666).await?, None),
            Redirect::Append(_) => (sys.open(name, o::WRONLY | o::CREAT | o::APPEND | o::CLOEXEC, 0o666).await?, None),
        };
        Ok(Output { fd, buffer: Vec::new(), child })
    }

    pub(super) async fn flush(&mut self, sys: &Sys) -> Result<(), Errno> {
        let bytes = std::mem::take(&mut self.buffer);
        sys.write_all(self.fd, &bytes).await
    }

    /// Closes it; the status of the command, if it is one.
    pub(super) async fn close(mut self, sys: &Sys) -> i32 {
        let written = self.flush(sys).await;
        if self.fd > 2 {
            let _ = sys.close(self.fd).await;
        }
        match self.child {
            Some(child) => wait(sys, child).await,
            None if written.is_err() => -1,
            None => 0,
        }
    }
}

/// The exit status of a child, as a shell shows it.
pub(super) async fn wait(sys: &Sys, child: i32) -> i32 {
    loop {
        match sys.wait4(child, 0).await {
            Ok((_, status)) => return status.shell_status(),
            Err(Errno::EINTR) => {}
            Err(_) => return -1,
        }
    }
}

/// Starts a shell command whose descriptor `end` (0 or 1) is a pipe; the other end of it, and the child.
pub(super) async fn start(sys: &Sys, command: &str, end: Fd) -> Result<(Fd, i32), Errno> {
    sys.flush().await;
    let (reader, writer) = sys.pipe(o::CLOEXEC).await?;
    let (ours, theirs) = if end == 0 { (writer, reader) } else { (reader, writer) };
    match sys.fork().await? {
        0 => {
            let _ = sys.dup2(theirs, end).await;
            run_shell(sys, command).await;
            Err(Errno::ECHILD)
        }
        child => {
            let _ = sys.close(theirs).await;
            Ok((ours, child))
        }
    }
}

/// Becomes a shell that runs the command.
pub(super) async fn run_shell(sys: &Sys, command: &str) {
    let words = ["sh".to_owned(), "-c".to_owned(), command.to_owned()];
    let envp = sys.envp().to_vec();
    sys.execve("/bin/sh", &words, &envp).await;
    sys.exit(127).await;
}
