//! Redirections: descriptors are changed before a command and put back after it.

use super::ast::{FileMode, Redirect, RedirectTarget};
use super::state::Saved;
use super::{Run, Shell};
use crate::errno::Errno;
use crate::program::libc::o;
use crate::vfs::fd_table::Fd;

/// fcntl(2): a copy that is closed by execve(2), not below the given number.
const F_DUPFD_CLOEXEC: i64 = 1030;
/// Copies of redirected descriptors are kept from here on.
const KEPT_FROM: i64 = 10;
/// How much a pipe holds: longer here-documents go through a file.
const PIPE_CAPACITY: usize = 65_536;

/// Redirections that were made: what to put back, and whether all could be made.
pub(super) struct Redirected {
    pub saved: Vec<Saved>,
    pub failed: bool,
}

impl Shell {
    /// Makes redirections in their order, up to the first that fails. With `keep`, what was there is kept.
    pub(super) async fn redirect(&mut self, redirects: &[Redirect], keep: bool) -> Run<Redirected> {
        let mut done = Redirected { saved: Vec::new(), failed: false };
        for redirect in redirects {
            if let Err(message) = self.redirect_one(redirect, keep, &mut done.saved).await? {
                self.complain(&message).await;
                done.failed = true;
                break;
            }
        }
        Ok(done)
    }

    /// Puts back what redirections have changed.
    pub(super) async fn restore(&mut self, saved: Vec<Saved>) {
        for Saved { fd, copy } in saved.into_iter().rev() {
            // A descriptor that cannot be put back was closed by somebody else.
            match copy {
                Some(copy) => {
                    let _ = self.sys.dup2(copy, fd).await;
                    let _ = self.sys.close(copy).await;
                }
                None => {
                    let _ = self.sys.close(fd).await;
                }
            }
        }
    }

    async fn redirect_one(
        &mut self,
        redirect: &Redirect,
        keep: bool,
        saved: &mut Vec<Saved>,
    ) -> Run<Result<(), String>> {
        let keep = keep.then_some(saved);
        match &redirect.target {
            RedirectTarget::File(mode, word) => {
                let path = match self.one_word(word).await? {
                    Ok(path) => path,
                    Err(message) => return Ok(Err(message)),
                };
                let fd =
                    redirect.fd.unwrap_or(if matches!(mode, FileMode::Read | FileMode::ReadWrite) { 0 } else { 1 });
                Ok(self.open_onto(&path, *mode, &[fd], keep).await)
            }
            RedirectTarget::Both { append, word } => {
                let path = match self.one_word(word).await? {
                    Ok(path) => path,
                    Err(message) => return Ok(Err(message)),
                };
                let mode = if *append { FileMode::Append } else { FileMode::Write };
                Ok(self.open_onto(&path, mode, &[1, 2], keep).await)
            }
            RedirectTarget::Duplicate { output, word } => {
                let text = match self.one_word(word).await? {
                    Ok(text) => text,
                    Err(message) => return Ok(Err(message)),
                };
                let fd = redirect.fd.unwrap_or(i32::from(*output));
                Ok(self.duplicate(&text, fd, redirect.fd.is_none() && *output, keep).await)
            }
            RedirectTarget::HereDoc(word) => {
                let text = self.expand_text(word).await?;
                Ok(self.here_document(&text, redirect.fd.unwrap_or(0), keep).await)
            }
            RedirectTarget::HereString(word) => {
                let mut text = self.expand_text(word).await?;
                text.push('\n');
                Ok(self.here_document(&text, redirect.fd.unwrap_or(0), keep).await)
            }
        }
    }

    /// The word behind an operator, which has to be one.
    async fn one_word(&mut self, word: &super::ast::Word) -> Run<Result<String, String>> {
        let mut fields = self.expand_words(std::slice::from_ref(word)).await?;
        Ok(match (fields.pop(), fields.is_empty()) {
            (Some(field), true) => Ok(field),
            _ => Err("ambiguous redirect".to_owned()),
        })
    }

    async fn open_onto(
        &mut self,
        path: &str,
        mode: FileMode,
        fds: &[Fd],
        mut keep: Option<&mut Vec<Saved>>,
    ) -> Result<(), String> {
        let mut flags = match mode {
            FileMode::Read => o::RDONLY,
            FileMode::Write | FileMode::Clobber => o::WRONLY | o::CREAT | o::TRUNC,
            FileMode::Append => o::WRONLY | o::CREAT | o::APPEND,
            FileMode::ReadWrite => o::RDWR | o::CREAT,
        };
        if mode == FileMode::Write && self.st.options.noclobber {
            match self.sys.stat(path).await {
                Ok(stat) if stat.file_type() == crate::program::libc::s::IFREG => {
                    return Err(format!("{path}: cannot overwrite existing file"));
                }
                Ok(_) => {}
                Err(_) => flags = (flags & !o::TRUNC) | o::EXCL,
            }
        }
        let opened = loop {
            match self.sys.open(path, flags, 0o666).await {
                Err(Errno::EINTR) if !self.interrupted() => {}
                result => break result.map_err(|e| self.cannot_open(path, mode != FileMode::Read, e))?,
            }
        };
        for fd in fds {
            self.keep(*fd, keep.as_deref_mut()).await;
            if *fd != opened {
                self.sys.dup2(opened, *fd).await.map_err(|e| format!("{fd}: {e}"))?;
            }
        }
        if !fds.contains(&opened) {
            let _ = self.sys.close(opened).await;
        }
        Ok(())
    }

    /// Keeps a copy of what a descriptor is.
    async fn keep(&mut self, fd: Fd, keep: Option<&mut Vec<Saved>>) {
        if let Some(saved) = keep {
            let copy = self.sys.fcntl(fd, F_DUPFD_CLOEXEC, KEPT_FROM).await.ok().map(|n| n as Fd);
            saved.push(Saved { fd, copy });
        }
    }

    /// `<&word` and `>&word`.
    async fn duplicate(
        &mut self,
        text: &str,
        fd: Fd,
        may_be_file: bool,
        mut keep: Option<&mut Vec<Saved>>,
    ) -> Result<(), String> {
        if text == "-" {
            self.keep(fd, keep).await;
            let _ = self.sys.close(fd).await;
            return Ok(());
        }
        let (number, moved) = match text.strip_suffix('-') {
            Some(number) => (number, true),
            None => (text, false),
        };
        let Ok(from) = number.parse::<Fd>() else {
            return if may_be_file {
                self.open_onto(text, FileMode::Write, &[1, 2], keep).await
            } else {
                Err(format!("{text}: ambiguous redirect"))
            };
        };
        if from != fd {
            self.keep(fd, keep.as_deref_mut()).await;
        }
        if let Err(e) = self.sys.dup2(from, fd).await {
            return Err(format!("{number}: {e}"));
        }
        if moved && from != fd {
            self.keep(from, keep).await;
            let _ = self.sys.close(from).await;
        }
        Ok(())
    }

    async fn here_document(&mut self, text: &str, fd: Fd, keep: Option<&mut Vec<Saved>>) -> Result<(), String> {
        let failed = |e: Errno| format!("cannot create temp file for here-document: {e}");
        let read_end = if text.len() <= PIPE_CAPACITY {
            let (read_end, write_end) = self.sys.pipe(0).await.map_err(failed)?;
            let written = self.sys.write_all(write_end, text.as_bytes()).await;
            let _ = self.sys.close(write_end).await;
            written.map_err(failed)?;
            read_end
        } else {
            let path = format!("/tmp/sh-thd.{}", self.st.pid);
            let flags = o::WRONLY | o::CREAT | o::TRUNC;
            let write_end = self.sys.open(&path, flags, 0o600).await.map_err(failed)?;
            let written = self.sys.write_all(write_end, text.as_bytes()).await;
            let _ = self.sys.close(write_end).await;
            written.map_err(failed)?;
            let read_end = self.sys.open(&path, o::RDONLY, 0).await.map_err(failed)?;
            let _ = self.sys.unlink(&path).await;
            read_end
        };
        self.keep(fd, keep).await;
        if read_end != fd {
            self.sys.dup2(read_end, fd).await.map_err(|e| format!("{fd}: {e}"))?;
            let _ = self.sys.close(read_end).await;
        }
        Ok(())
    }
}
