//! `read`.

use super::super::word::is_name;
use super::super::{Run, Shell};
use crate::errno::Errno;

impl Shell {
    pub(super) async fn builtin_read(&mut self, args: &[String]) -> Run<i32> {
        let (mut raw, mut delimiter, mut most, mut fd) = (false, b'\n', usize::MAX, 0);
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
                    'r' => raw = true,
                    's' | 'e' => {}
                    'd' | 'n' | 'N' | 'p' | 't' | 'u' | 'i' => {
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
                            'd' => delimiter = value.bytes().next().unwrap_or(0),
                            'n' | 'N' => most = value.parse().unwrap_or(usize::MAX),
                            'u' => match value.parse() {
                                Ok(n) => fd = n,
                                Err(_) => {
                                    let text = format!("{value}: invalid file descriptor specification");
                                    return self.fail("read", &text, 1).await;
                                }
                            },
                            _ => {}
                        }
                    }
                    _ => return self.bad_option("read", &format!("-{letter}")).await,
                }
            }
        }
        for name in names {
            if !is_name(name) {
                return self.fail("read", &format!("`{name}': not a valid identifier"), 1).await;
            }
        }
        let (line, end) = match self.read_record(fd, delimiter, most, raw).await {
            Ok(got) => got,
            Err(Errno::EINTR) => {
                let signal = self.st.caught.lowest().map_or(0, |s| i32::from(s.0));
                return Ok(128 + signal);
            }
            Err(e) => return self.fail("read", &format!("read error: {fd}: {e}"), 1).await,
        };
        self.store_fields(&line, names).await?;
        Ok(i32::from(end))
    }

    /// Reads a line; characters behind a backslash are marked as protected. Whether the input ended before it.
    async fn read_record(
        &mut self,
        fd: i32,
        delimiter: u8,
        most: usize,
        raw: bool,
    ) -> Result<(Vec<(char, bool)>, bool), Errno> {
        let mut bytes: Vec<(u8, bool)> = Vec::new();
        let mut escaped = false;
        let mut end = false;
        while bytes.len() < most {
            let byte = match self.sys.read(fd, 1).await {
                Ok(part) => match part.first() {
                    Some(byte) => *byte,
                    None => {
                        end = true;
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
            } else if byte == b'\\' && !raw {
                escaped = true;
            } else if byte == delimiter {
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
        Ok((chars, end))
    }

    /// Gives each variable a field, the last one the rest.
    async fn store_fields(&mut self, line: &[(char, bool)], names: &[String]) -> Run<()> {
        if names.is_empty() {
            let text: String = line.iter().map(|(c, _)| *c).collect();
            return self.assign("REPLY", &text).await;
        }
        let ifs = self.st.get("IFS").map_or_else(|| " \t\n".to_owned(), |v| v.to_string());
        let separates = |(c, protected): (char, bool)| !protected && ifs.contains(c);
        let blank = |item: (char, bool)| separates(item) && item.0.is_ascii_whitespace();
        let mut at = 0;
        let mut values = Vec::new();
        for i in 0..names.len() {
            while line.get(at).is_some_and(|item| blank(*item)) {
                at += 1;
            }
            if i + 1 == names.len() {
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
        for (name, value) in names.iter().zip(values) {
            self.assign(name, &value).await?;
        }
        Ok(())
    }
}
