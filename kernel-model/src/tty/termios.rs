//! The settings of a terminal, as in termios(3) and `include/uapi/asm-generic/termbits.h`.

use serde::{Deserialize, Serialize};

use crate::syscall::Value;

/// Names and values of the bits that mean something here.
#[allow(missing_docs)] // the flags of termios(3)
pub mod bits {
    pub const ICRNL: u32 = 0o400;
    pub const INLCR: u32 = 0o100;
    pub const IGNCR: u32 = 0o200;
    pub const IXON: u32 = 0o2000;
    pub const IUTF8: u32 = 0o40_000;
    pub const OPOST: u32 = 1;
    pub const ONLCR: u32 = 4;
    pub const OCRNL: u32 = 8;
    pub const ISIG: u32 = 1;
    pub const ICANON: u32 = 2;
    pub const ECHO: u32 = 8;
    pub const ECHOE: u32 = 0o20;
    pub const ECHOK: u32 = 0o40;
    pub const ECHONL: u32 = 0o100;
    pub const NOFLSH: u32 = 0o200;
    pub const ECHOCTL: u32 = 0o1000;
    pub const ECHOKE: u32 = 0o4000;
    pub const IEXTEN: u32 = 0o100_000;
}

/// Places in `c_cc` (termios(3)).
#[allow(missing_docs)] // the characters of termios(3)
pub mod cc {
    pub const INTR: usize = 0;
    pub const QUIT: usize = 1;
    pub const ERASE: usize = 2;
    pub const KILL: usize = 3;
    pub const EOF: usize = 4;
    pub const TIME: usize = 5;
    pub const MIN: usize = 6;
    pub const START: usize = 8;
    pub const STOP: usize = 9;
    pub const SUSP: usize = 10;
    pub const EOL: usize = 11;
    pub const WERASE: usize = 14;
    pub const EOL2: usize = 16;
}

/// `struct termios`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)] // the fields of termios(3), without their prefix
pub struct Termios {
    pub iflag: u32,
    pub oflag: u32,
    pub cflag: u32,
    pub lflag: u32,
    pub cc: [u8; 19],
}

impl Default for Termios {
    /// What every terminal begins with (`tty_std_termios`), at the speed of `pts_driver`.
    fn default() -> Termios {
        use bits::{ECHO, ECHOCTL, ECHOE, ECHOK, ECHOKE, ICANON, ICRNL, IEXTEN, ISIG, IXON, ONLCR, OPOST};
        /// B38400, CS8 and CREAD.
        const CFLAG: u32 = 0o17 | 0o60 | 0o200;
        Termios {
            iflag: ICRNL | IXON,
            oflag: OPOST | ONLCR,
            cflag: CFLAG,
            lflag: ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
            cc: [3, 0o34, 0x7f, 0o25, 4, 0, 1, 0, 0o21, 0o23, 0o32, 0, 0o22, 0o17, 0o27, 0o26, 0, 0, 0],
        }
    }
}

impl Termios {
    /// Whether a bit of `c_lflag` is on.
    pub fn local(&self, bit: u32) -> bool {
        self.lflag & bit != 0
    }

    /// Whether a bit of `c_iflag` is on.
    pub fn input(&self, bit: u32) -> bool {
        self.iflag & bit != 0
    }

    /// Whether a byte is the control character at this place; 0 switches one off.
    pub fn is(&self, byte: u8, place: usize) -> bool {
        byte != 0 && self.cc[place] == byte
    }

    /// The structure as TCGETS hands it over.
    pub fn to_value(self) -> Value {
        Value::record([
            ("c_iflag", self.iflag.into()),
            ("c_oflag", self.oflag.into()),
            ("c_cflag", self.cflag.into()),
            ("c_lflag", self.lflag.into()),
            ("c_cc", Value::bytes(self.cc)),
        ])
    }

    /// The structure as TCSETS takes it; a field that is not given stays.
    pub fn with(mut self, value: &Value) -> Termios {
        for (name, field) in [
            ("c_iflag", &mut self.iflag),
            ("c_oflag", &mut self.oflag),
            ("c_cflag", &mut self.cflag),
            ("c_lflag", &mut self.lflag),
        ] {
            if let Some(bits) = value.field(name).and_then(Value::as_int) {
                *field = bits as u32;
            }
        }
        if let Some(bytes) = value.field("c_cc").and_then(Value::as_bytes) {
            for (place, byte) in self.cc.iter_mut().zip(bytes) {
                *place = *byte;
            }
        }
        self
    }
}

/// `struct winsize`: rows, columns, and the size in pixels.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[allow(missing_docs)] // the fields of ioctl_tty(2), without their prefix
pub struct WinSize {
    pub row: u16,
    pub col: u16,
    pub xpixel: u16,
    pub ypixel: u16,
}

impl WinSize {
    /// The structure as TIOCGWINSZ hands it over.
    pub fn to_value(self) -> Value {
        let field = |n: u16| Value::from(i64::from(n));
        Value::record([
            ("ws_row", field(self.row)),
            ("ws_col", field(self.col)),
            ("ws_xpixel", field(self.xpixel)),
            ("ws_ypixel", field(self.ypixel)),
        ])
    }

    /// The structure as TIOCSWINSZ takes it.
    pub fn from_value(value: &Value) -> WinSize {
        let field = |name: &str| value.field(name).and_then(Value::as_int).unwrap_or(0) as u16;
        WinSize { row: field("ws_row"), col: field("ws_col"), xpixel: field("ws_xpixel"), ypixel: field("ws_ypixel") }
    }
}
