//! cat(1).

use crate::errno::Errno;
use crate::program;
use crate::program::getopt::{Long, Options, Spec, Takes};
use crate::program::libc::{o, s};
use crate::program::quote::quotef;
use crate::program::{Resume, Sys};
use crate::syscall::Value;
use crate::vfs::fd_table::Fd;

program!(CAT = "cat" in "/usr/bin", "concatenate files and print on the standard output", cat, "\
-n, --number  number all output lines
-b, --number-nonblank  number nonempty output lines
-s, --squeeze-blank  suppress repeated empty output lines
-E, --show-ends  display $ at the end of each line
-T, --show-tabs  display TAB characters as ^I
-v, --show-nonprinting  use ^ and M- notation, except for LFD and TAB
-A, -e, -t  equivalent to -vET, -vE, -vT
-u  (ignored, as by the real one)
FILE...  `-` or none: standard input");

const SPEC: Spec = Spec {
    short: "benstuvAET",
    long: &[
        Long("number-nonblank", Takes::Nothing, 'b'),
        Long("number", Takes::Nothing, 'n'),
        Long("squeeze-blank", Takes::Nothing, 's'),
        Long("show-nonprinting", Takes::Nothing, 'v'),
        Long("show-ends", Takes::Nothing, 'E'),
        Long("show-tabs", Takes::Nothing, 'T'),
        Long("show-all", Takes::Nothing, 'A'),
    ],
    ..Spec::COREUTILS
};

/// How many bytes cat reads at once.
const BLOCK: usize = 131_072;
/// After how many blocks the way here is forgotten.
const SAVE_EVERY: u32 = 64;

/// Where cat is: what must be known to go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Place {
    /// The operand that is being read.
    operand: usize,
    /// Its descriptor, once it is open.
    fd: Option<Fd>,
    /// The exit status so far.
    status: i32,
    line: Line,
}

/// Where in a line the output is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Line {
    number: u64,
    at_start: bool,
    blank_lines: u32,
}

impl Default for Line {
    fn default() -> Line {
        Line { number: 0, at_start: true, blank_lines: 0 }
    }
}

impl Place {
    fn to_value(self) -> Value {
        Value::List(vec![
            self.operand.into(),
            self.fd.unwrap_or(-1).into(),
            self.status.into(),
            self.line.number.into(),
            i64::from(self.line.at_start).into(),
            self.line.blank_lines.into(),
        ])
    }

    fn from_value(value: &Value) -> Place {
        let int = |i: usize| value.as_list().and_then(|l| l.get(i)).and_then(Value::as_int).unwrap_or(0);
        Place {
            operand: int(0) as usize,
            fd: Some(int(1) as Fd).filter(|fd| *fd >= 0),
            status: int(2) as i32,
            line: Line { number: int(3) as u64, at_start: int(4) != 0, blank_lines: int(5) as u32 },
        }
    }
}

async fn cat(sys: Sys) -> i32 {
    let mut options = match sys.getopt(&SPEC).await {
        Ok(options) => options,
        Err(status) => return status,
    };
    if options.operands.is_empty() {
        options.operands.push("-".into());
    }
    let style = Style::new(&options);
    let mut place = match sys.resume() {
        Resume::Saved(value) => Place::from_value(value),
        _ => Place::default(),
    };
    while let Some(name) = options.operands.get(place.operand) {
        if let Err(status) = copy_one(&sys, name, &style, &mut place).await {
            return status;
        }
        place = Place { operand: place.operand + 1, fd: None, ..place };
    }
    place.status
}

/// Copies one operand; an error ends the program with this status.
async fn copy_one(sys: &Sys, name: &str, style: &Style, place: &mut Place) -> Result<(), i32> {
    let fd = match place.fd {
        Some(fd) => fd,
        None if name == "-" => 0,
        None => match sys.open(name, o::RDONLY, 0).await {
            Ok(fd) => fd,
            Err(e) => {
                complain(sys, name, e, place).await;
                return Ok(());
            }
        },
    };
    if place.fd.is_none() && is_own_output(sys, fd).await {
        sys.error(format!("{}: input file is output file", quotef(name))).await;
        place.status = 1;
        if fd != 0 {
            let _ = sys.close(fd).await;
        }
        return Ok(());
    }
    place.fd = Some(fd);
    let mut blocks = 0;
    loop {
        match sys.read(fd, BLOCK).await {
            Ok(block) if block.is_empty() => break,
            Ok(block) => {
                let out = if style.is_plain() { block } else { style.render(&block, &mut place.line) };
                if let Err(e) = sys.write_all(1, &out).await {
                    sys.error(format!("write error: {e}")).await;
                    return Err(1);
                }
            }
            Err(e) => {
                complain(sys, name, e, place).await;
                break;
            }
        }
        blocks += 1;
        if blocks % SAVE_EVERY == 0 {
            sys.save(Resume::Saved(place.to_value())).await;
        }
    }
    if fd != 0 {
        let _ = sys.close(fd).await;
    }
    Ok(())
}

async fn complain(sys: &Sys, name: &str, e: Errno, place: &mut Place) {
    let shown = match name {
        name if sys.is_busybox() => format!("can't open '{name}'"),
        "-" => name.to_owned(),
        name => quotef(name).to_string(),
    };
    sys.error(format!("{shown}: {e}")).await;
    place.status = 1;
}

/// Whether reading and writing would chase each other for ever.
async fn is_own_output(sys: &Sys, fd: Fd) -> bool {
    let (Ok(input), Ok(output)) = (sys.fstat(fd).await, sys.fstat(1).await) else { return false };
    input.file_type() == s::IFREG && (input.st_dev, input.st_ino) == (output.st_dev, output.st_ino) && input.st_size > 0
}

/// What is shown differently.
struct Style {
    number_all: bool,
    number_nonblank: bool,
    squeeze: bool,
    ends: bool,
    tabs: bool,
    nonprinting: bool,
}

impl Style {
    fn new(options: &Options) -> Style {
        let any = |keys| options.last_of(keys).is_some();
        Style {
            number_all: any("n") && !any("b"),
            number_nonblank: any("b"),
            squeeze: any("s"),
            ends: any("EeA"),
            tabs: any("TtA"),
            nonprinting: any("vetA"),
        }
    }

    fn is_plain(&self) -> bool {
        !(self.number_all || self.number_nonblank || self.squeeze || self.ends || self.tabs || self.nonprinting)
    }

    fn render(&self, block: &[u8], line: &mut Line) -> Vec<u8> {
        let mut out = Vec::new();
        for &byte in block {
            if line.at_start {
                if byte == b'\n' {
                    line.blank_lines += 1;
                    if self.squeeze && line.blank_lines > 1 {
                        continue;
                    }
                } else {
                    line.blank_lines = 0;
                }
                if self.number_all || (self.number_nonblank && byte != b'\n') {
                    line.number += 1;
                    out.extend(format!("{:>6}\t", line.number).bytes());
                }
            }
            line.at_start = byte == b'\n';
            match byte {
                b'\n' => {
                    if self.ends {
                        out.push(b'$');
                    }
                    out.push(b'\n');
                }
                b'\t' if self.tabs => out.extend(b"^I"),
                b'\t' => out.push(b'\t'),
                _ if self.nonprinting => push_visible(&mut out, byte),
                _ => out.push(byte),
            }
        }
        out
    }
}

/// A byte in `^` and `M-` notation.
fn push_visible(out: &mut Vec<u8>, byte: u8) {
    let low = byte & 0x7f;
    if byte >= 128 {
        out.extend(b"M-");
    }
    match low {
        127 => out.extend(b"^?"),
        0..32 => out.extend([b'^', low + 64]),
        _ => out.push(low),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_numbered_and_squeezed() {
        let style = Style {
            number_all: true,
            number_nonblank: false,
            squeeze: true,
            ends: true,
            tabs: true,
            nonprinting: true,
        };
        let mut line = Line::default();
        let out = [style.render(b"a\t\x01\n\n", &mut line), style.render(b"\n\xe9", &mut line)].concat();
        assert_eq!(String::from_utf8_lossy(&out), "     1\ta^I^A$\n     2\t$\n     3\tM-i");
    }
}
