//! Reading files line by line, as stdio does it.

use super::Sys;
use super::libc::o;
use crate::errno::Errno;
use crate::vfs::fd_table::Fd;

/// How many bytes are read at once.
pub const BLOCK: usize = 4096;

/// An open file that is read line by line.
#[derive(Debug)]
pub struct Lines {
    fd: Fd,
    /// What has been read and not been handed out: `buffer[at..]`.
    buffer: Vec<u8>,
    at: usize,
    ended: bool,
    delimiter: u8,
}

impl Lines {
    /// Reads from a descriptor.
    pub fn new(fd: Fd) -> Lines {
        Lines { fd, buffer: Vec::new(), at: 0, ended: false, delimiter: b'\n' }
    }

    /// Opens a file; `-` is standard input.
    ///
    /// # Errors
    /// Those of open(2).
    pub async fn open(sys: &Sys, name: &str) -> Result<Lines, Errno> {
        Ok(Lines::new(if name == "-" { 0 } else { sys.open(name, o::RDONLY, 0).await? }))
    }

    /// The same with lines that end in NUL.
    #[must_use]
    pub fn ended_by(mut self, delimiter: u8) -> Lines {
        self.delimiter = delimiter;
        self
    }

    /// The descriptor.
    pub fn fd(&self) -> Fd {
        self.fd
    }

    /// The next line with its newline (the last one may have none); `None` at the end.
    ///
    /// # Errors
    /// Those of read(2).
    pub async fn next(&mut self, sys: &Sys) -> Result<Option<Vec<u8>>, Errno> {
        let mut searched = self.at;
        loop {
            let found = self.buffer.get(searched..).and_then(|b| b.iter().position(|b| *b == self.delimiter));
            if let Some(length) = found {
                let end = searched + length + 1;
                let line = self.buffer[self.at..end].to_vec();
                self.at = end;
                return Ok(Some(line));
            }
            if self.ended {
                let line = self.buffer.split_off(self.at);
                self.buffer.clear();
                self.at = 0;
                return Ok((!line.is_empty()).then_some(line));
            }
            searched = self.buffer.len() - self.at;
            self.buffer.drain(..self.at);
            self.at = 0;
            let part = sys.read(self.fd, BLOCK).await?;
            self.ended = part.is_empty();
            self.buffer.extend_from_slice(&part);
        }
    }

    /// Whether nothing is left: looks ahead when it has to.
    ///
    /// # Errors
    /// Those of read(2).
    pub async fn at_end(&mut self, sys: &Sys) -> Result<bool, Errno> {
        if self.at < self.buffer.len() {
            return Ok(false);
        }
        if !self.ended {
            self.buffer = sys.read(self.fd, BLOCK).await?;
            self.at = 0;
            self.ended = self.buffer.is_empty();
        }
        Ok(self.ended)
    }

    /// Closes the file (standard input stays open).
    pub async fn close(self, sys: &Sys) {
        if self.fd != 0 {
            let _ = sys.close(self.fd).await;
        }
    }
}

/// The line without its newline.
pub fn chomp(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").unwrap_or(line)
}

/// The text of bytes; those that are not UTF-8 are replaced.
pub fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

impl Sys {
    /// Everything in a file; `-` is standard input.
    ///
    /// # Errors
    /// Those of open(2) and read(2).
    pub async fn slurp(&self, name: &str) -> Result<Vec<u8>, Errno> {
        if name == "-" {
            return self.read_to_end(0).await;
        }
        let fd = self.open(name, o::RDONLY, 0).await?;
        let bytes = self.read_to_end(fd).await;
        let _ = self.close(fd).await;
        bytes
    }
}
