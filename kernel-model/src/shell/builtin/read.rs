//! `read` and `mapfile`.

use std::sync::Arc;

use super::super::word::is_name;
use super::super::{Run, Shell};
use crate::errno::Errno;
use crate::syscall::{Sysno, Value};
use crate::task::signal::Signal;
use crate::vfs::fd_table::Fd;

/// poll(2): there is something to read.
const POLLIN: i64 = 1;

/// How `read` reads.
struct How {
    /// Backslashes are like other characters.
    raw: bool,
    /// What ends the line; nothing with `-N`.
    delimiter: Option<u8>,
    /// It ends after so many bytes as well.
    most: usize,
    fd: Fd,
    /// When it gives up, on the monotonic clock in nanoseconds.
    deadline: Option<u64>,
    /// Only whether there is something to read is asked (`-t 0`).
    only_asks: bool,
}

/// What has been read.
struct Record {
    /// Characters; those behind a backslash are marked as protected.
    line: Vec<(char, bool)>,
    end: End,
}

/// Why no more was read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// The delimiter came, or there was enough.
    Delimiter,
    /// There is nothing more.
    OfInput,
    /// It took too long.
    OfTime,
}

impl Shell {
    pub(super) async fn builtin_read(&mut self, args: &[String]) -> Run<i32> {
        let mut how =
            How { raw: false, delimiter: Some(b'\n'), most: usize::MAX, fd: 0, deadline: None, only_asks: false };
        let (mut array, mut prompt) = (None, String::new());
        let mut names = args;
        while let Some((first, rest)) = names.split_first() {
            if first == "--" {
                names = rest;
                break;
            }
            if !first.starts_with('-') || first.len() == 1 {
                break;
            }
            names = rest;
            let mut letters = first.chars().skip(1);
            while let Some(letter) = letters.next() {
                match letter {
                    'r' => how.raw = true,
                    's' | 'e' => {}
                    'a' | 'd' | 'n' | 'N' | 'p' | 't' | 'u' | 'i' => {
                        let attached: String = letters.by_ref().collect();
                        let value = if attached.is_empty() {
                            let Some((value, rest)) = names.split_first() else {
                                self.complain(&format!("read: -{letter}: option requires an argument")).await;
                                return self.usage("read").await;
                            };
                            names = rest;
                            value.clone()
                        } else {
                            attached
                        };
                        match letter {
                            'a' => array = Some(value),
                            'p' => prompt = value,
                            'i' => {}
                            _ => {
                                if let Some(message) = self.read_option(&mut how, letter, &value).await {
                                    return self.fail("read", &message, 1).await;
                                }
                            }
                        }
                    }
                    _ => return self.bad_option("read", &format!("-{letter}")).await,
                }
            }
        }
        for name in names.iter().chain(&array) {
            if !is_name(name) {
                return self.fail("read", &format!("`{name}': not a valid identifier"), 1).await;
            }
        }
        // A prompt is for somebody who types.
        if !prompt.is_empty() && self.sys.isatty(how.fd).await {
            self.sys.eprint(prompt).await;
        }
        if how.only_asks {
            return Ok(i32::from(!self.poll(how.fd, 0).await.is_ok_and(|ready| ready > 0)));
        }
        let record = match self.read_record(&how).await {
            Ok(record) => record,
            Err(Errno::EINTR) => {
                let signal = self.st.caught.lowest().map_or(0, |s| i32::from(s.0));
                return Ok(128 + signal);
            }
            Err(Errno::EBADF) if how.fd != 0 => {
                return self.fail("read", &format!("{}: invalid file descriptor: {}", how.fd, Errno::EBADF), 1).await;
            }
            Err(e) => return self.fail("read", &format!("read error: {}: {e}", how.fd), 1).await,
        };
        match array {
            Some(array) => {
                let fields = self.fields(&record.line, usize::MAX);
                let elements = fields.into_iter().enumerate().map(|(i, text)| (i as i64, Arc::from(text))).collect();
                if self.st.set_array(&array, elements).is_err() {
                    return self.fail("read", &format!("{array}: readonly variable"), 1).await;
                }
            }
            None => self.store_fields(&record.line, names).await?,
        }
        Ok(match record.end {
            End::Delimiter => 0,
            End::OfInput => 1,
            End::OfTime => 128 + i32::from(Signal::ALRM.0),
        })
    }

    /// Takes an option with a value; the message when the value is wrong.
    async fn read_option(&mut self, how: &mut How, letter: char, value: &str) -> Option<String> {
        match letter {
            'd' => how.delimiter = Some(value.bytes().next().unwrap_or(0)),
            'n' | 'N' => match value.parse() {
                Ok(most) => {
                    how.most = most;
                    how.delimiter = how.delimiter.filter(|_| letter == 'n');
                }
                Err(_) => return Some(format!("{value}: invalid number")),
            },
            't' => match value.parse::<f64>() {
                Ok(seconds) if value.chars().all(|c| c.is_ascii_digit() || c == '.') => {
                    how.only_asks = seconds == 0.0;
                    let now = self.sys.clock_gettime(1).await.unwrap_or(0);
                    how.deadline = Some(now.saturating_add((seconds * 1e9) as u64));
                }
                _ => return Some(format!("{value}: invalid timeout specification")),
            },
            _ => match value.parse() {
                Ok(n) => how.fd = n,
                Err(_) => return Some(format!("{value}: invalid file descriptor specification")),
            },
        }
        None
    }

    /// Waits until there is something to read. Whether there is, before the time is over.
    async fn readable(&mut self, how: &How) -> bool {
        let Some(deadline) = how.deadline else { return true };
        loop {
            let now = self.sys.clock_gettime(1).await.unwrap_or(deadline);
            let left = deadline.saturating_sub(now).div_ceil(1_000_000);
            if left == 0 {
                return false;
            }
            match self.poll(how.fd, i32::try_from(left).unwrap_or(i32::MAX)).await {
                // The longest time that poll(2) takes is not all that is left.
                Ok(0) if left > i32::MAX as u64 => {}
                Ok(ready) => return ready > 0,
                Err(Errno::EINTR) if !self.interrupted() => {}
                Err(_) => return true,
            }
        }
    }

    /// Waits for so many milliseconds until there is something to read. How many descriptors are ready.
    async fn poll(&mut self, fd: Fd, timeout: i32) -> Result<i64, Errno> {
        let entry = Value::record([("fd", fd.into()), ("events", POLLIN.into())]);
        self.sys.call_int(Sysno::POLL, vec![Value::List(vec![entry]), 1.into(), timeout.into()]).await
    }

    /// Reads a line; characters behind a backslash are marked as protected.
    async fn read_record(&mut self, how: &How) -> Result<Record, Errno> {
        let mut bytes: Vec<(u8, bool)> = Vec::new();
        let mut escaped = false;
        let mut end = End::Delimiter;
        while bytes.len() < how.most {
            if !self.readable(how).await {
                end = End::OfTime;
                break;
            }
            let byte = match self.sys.read(how.fd, 1).await {
                Ok(part) => match part.first() {
                    Some(byte) => *byte,
                    None => {
                        end = End::OfInput;
                        break;
                    }
                },
                Err(Errno::EINTR) if !self.interrupted() => continue,
                Err(e) => return Err(e),
            };
            if escaped {
                escaped = false;
                if byte != b'\n' {
                    bytes.push((byte, true));
                }
            } else if byte == b'\\' && !how.raw {
                escaped = true;
            } else if Some(byte) == how.delimiter {
                break;
            } else if byte != 0 {
                bytes.push((byte, false));
            }
        }
        // Whole characters, each with its protection.
        let plain: Vec<u8> = bytes.iter().map(|(b, _)| *b).collect();
        let text = String::from_utf8_lossy(&plain);
        let mut at = 0;
        let mut chars = Vec::new();
        for c in text.chars() {
            chars.push((c, bytes.get(at).is_some_and(|(_, p)| *p)));
            at += c.len_utf8();
        }
        Ok(Record { line: chars, end })
    }

    /// Gives each variable a field, the last one the rest.
    async fn store_fields(&mut self, line: &[(char, bool)], names: &[String]) -> Run<()> {
        if names.is_empty() {
            let text: String = line.iter().map(|(c, _)| *c).collect();
            return self.assign("REPLY", &text).await;
        }
        let mut values = self.fields(line, names.len());
        values.resize(names.len().max(values.len()), String::new());
        for (name, value) in names.iter().zip(values) {
            self.assign(name, &value).await?;
        }
        Ok(())
    }

    /// Splits a line into at most so many fields; the last one gets the rest.
    fn fields(&self, line: &[(char, bool)], most: usize) -> Vec<String> {
        let ifs = self.st.get("IFS").map_or_else(|| " \t\n".to_owned(), |v| v.to_string());
        let separates = |(c, protected): (char, bool)| !protected && ifs.contains(c);
        let blank = |item: (char, bool)| separates(item) && item.0.is_ascii_whitespace();
        let mut at = 0;
        let mut values = Vec::new();
        for i in 0..most {
            while line.get(at).is_some_and(|item| blank(*item)) {
                at += 1;
            }
            if most == usize::MAX && at >= line.len() {
                break;
            }
            if i + 1 == most {
                let mut end = line.len();
                while end > at && line.get(end - 1).is_some_and(|item| blank(*item)) {
                    end -= 1;
                }
                // A single separator at the very end belongs to the last field's end.
                let inner = &line[at.min(end)..end];
                let others = inner.iter().filter(|item| separates(**item) && !blank(**item)).count();
                let strip = others == 1 && inner.last().is_some_and(|item| separates(*item));
                let inner = if strip { &inner[..inner.len() - 1] } else { inner };
                values.push(inner.iter().map(|(c, _)| *c).collect::<String>());
                break;
            }
            let start = at;
            while line.get(at).is_some_and(|item| !separates(*item)) {
                at += 1;
            }
            values.push(line[start..at].iter().map(|(c, _)| *c).collect::<String>());
            while line.get(at).is_some_and(|item| blank(*item)) {
                at += 1;
            }
            if line.get(at).is_some_and(|item| separates(*item)) && !line.get(at).is_some_and(|item| blank(*item)) {
                at += 1;
            }
        }
        values
    }

    pub(super) async fn builtin_mapfile(&mut self, name: &str, args: &[String]) -> Run<i32> {
        let (mut strip, mut most, mut skip, mut fd) = (false, usize::MAX, 0, 0);
        let mut rest = args;
        while let Some((first, more)) = rest.split_first().filter(|(f, _)| f.starts_with('-') && f.len() > 1) {
            rest = more;
            let value = |rest: &mut &[String]| -> Option<i64> {
                let (value, more) = rest.split_first()?;
                *rest = more;
                value.parse().ok()
            };
            match first.as_str() {
                "--" => break,
                "-t" => strip = true,
                "-n" => most = value(&mut rest).filter(|n| *n > 0).map_or(usize::MAX, |n| n as usize),
                "-s" => skip = value(&mut rest).map_or(0, |n| n.max(0) as usize),
                "-u" => fd = value(&mut rest).map_or(0, |n| n as i32),
                other => return self.bad_option(name, other).await,
            }
        }
        let array = rest.first().map_or("MAPFILE", |n| n.as_str());
        if !is_name(array) {
            return self.fail(name, &format!("`{array}': not a valid identifier"), 1).await;
        }
        let bytes = match self.sys.read_to_end(fd).await {
            Ok(bytes) => bytes,
            Err(e) => return self.fail(name, &format!("{fd}: invalid file descriptor: {e}"), 1).await,
        };
        let text = String::from_utf8_lossy(&bytes);
        let lines = text.split_inclusive('\n').skip(skip).take(most);
        let lines = lines.map(|line| if strip { line.trim_end_matches('\n') } else { line });
        let elements = lines.enumerate().map(|(i, line)| (i as i64, Arc::from(line))).collect();
        match self.st.set_array(array, elements) {
            Ok(()) => Ok(0),
            Err(_) => self.fail(name, &format!("{array}: readonly variable"), 1).await,
        }
    }
}
