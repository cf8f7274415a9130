//! Signals: numbers, default actions and dispositions, as in signal(7).

use std::fmt;

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use crate::id;
use crate::syscall::Value;

id! {
    /// A table of signal handlers that threads share (`struct sighand_struct`).
    SigHandId
}

/// A signal by its number on x86-64, 1 to 64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Signal(pub u8);

#[allow(missing_docs)] // the signals of signal(7)
impl Signal {
    pub const HUP: Signal = Signal(1);
    pub const INT: Signal = Signal(2);
    pub const QUIT: Signal = Signal(3);
    pub const ILL: Signal = Signal(4);
    pub const TRAP: Signal = Signal(5);
    pub const ABRT: Signal = Signal(6);
    pub const BUS: Signal = Signal(7);
    pub const FPE: Signal = Signal(8);
    pub const KILL: Signal = Signal(9);
    pub const USR1: Signal = Signal(10);
    pub const SEGV: Signal = Signal(11);
    pub const USR2: Signal = Signal(12);
    pub const PIPE: Signal = Signal(13);
    pub const ALRM: Signal = Signal(14);
    pub const TERM: Signal = Signal(15);
    pub const STKFLT: Signal = Signal(16);
    pub const CHLD: Signal = Signal(17);
    pub const CONT: Signal = Signal(18);
    pub const STOP: Signal = Signal(19);
    pub const TSTP: Signal = Signal(20);
    pub const TTIN: Signal = Signal(21);
    pub const TTOU: Signal = Signal(22);
    pub const URG: Signal = Signal(23);
    pub const XCPU: Signal = Signal(24);
    pub const XFSZ: Signal = Signal(25);
    pub const VTALRM: Signal = Signal(26);
    pub const PROF: Signal = Signal(27);
    pub const WINCH: Signal = Signal(28);
    pub const IO: Signal = Signal(29);
    pub const PWR: Signal = Signal(30);
    pub const SYS: Signal = Signal(31);
    pub const RTMIN: Signal = Signal(32);
    pub const RTMAX: Signal = Signal(64);
}

/// Names without `SIG`, from 1 on.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM",
    "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO",
    "PWR", "SYS",
];

/// What a signal does when nothing else was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DefaultAction {
    /// The process ends.
    Terminate,
    /// The process ends and leaves a core file, where the limit allows one.
    Core,
    /// Nothing.
    Ignore,
    /// The process stops.
    Stop,
    /// The process goes on if it was stopped.
    Continue,
}

impl Signal {
    /// The signal with this number.
    pub fn from_number(n: i64) -> Option<Signal> {
        (1..=64).contains(&n).then_some(Signal(n as u8))
    }

    /// The name without `SIG`: `TERM`, `RTMIN+3`.
    pub fn short_name(self) -> String {
        match NAMES.get(usize::from(self.0).wrapping_sub(1)) {
            Some(n) => (*n).to_owned(),
            None if self.0 <= 34 => {
                format!("RTMIN{}", if self.0 == 34 { String::new() } else { format!("-{}", 34 - self.0) })
            }
            None => format!("RTMIN+{}", self.0 - 34),
        }
    }

    /// The signal of this name, with or without `SIG`, in any case, or of this number.
    pub fn from_name(name: &str) -> Option<Signal> {
        if let Ok(n) = name.parse::<i64>() {
            return Signal::from_number(n);
        }
        let name = name.to_ascii_uppercase();
        let short = name.strip_prefix("SIG").unwrap_or(&name);
        let short = match short {
            "CLD" => "CHLD",
            "IOT" => "ABRT",
            "POLL" => "IO",
            other => other,
        };
        NAMES.iter().position(|n| *n == short).map(|i| Signal(i as u8 + 1))
    }

    /// What it does by default.
    pub fn default_action(self) -> DefaultAction {
        match self {
            Signal::QUIT
            | Signal::ILL
            | Signal::TRAP
            | Signal::ABRT
            | Signal::BUS
            | Signal::FPE
            | Signal::SEGV
            | Signal::XCPU
            | Signal::XFSZ
            | Signal::SYS => DefaultAction::Core,
            Signal::STOP | Signal::TSTP | Signal::TTIN | Signal::TTOU => DefaultAction::Stop,
            Signal::CHLD | Signal::URG | Signal::WINCH => DefaultAction::Ignore,
            Signal::CONT => DefaultAction::Continue,
            _ => DefaultAction::Terminate,
        }
    }

    /// Whether it can be neither caught, blocked nor ignored.
    pub fn is_unstoppable(self) -> bool {
        self == Signal::KILL || self == Signal::STOP
    }
}

impl fmt::Display for Signal {
    /// With `SIG`, as strace prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 >= 32 { write!(f, "SIGRT_{}", self.0 - 32) } else { write!(f, "SIG{}", self.short_name()) }
    }
}

/// A set of signals: bit N-1 is signal N.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SigSet(pub u64);

impl SigSet {
    /// No signal.
    pub const EMPTY: SigSet = SigSet(0);

    /// Whether `s` is in the set.
    pub const fn has(self, s: Signal) -> bool {
        self.0 & (1 << (s.0 - 1)) != 0
    }

    /// Adds `s`.
    pub const fn insert(&mut self, s: Signal) {
        self.0 |= 1 << (s.0 - 1);
    }

    /// Takes `s` out.
    pub const fn remove(&mut self, s: Signal) {
        self.0 &= !(1 << (s.0 - 1));
    }

    /// The lowest signal in the set, which is the one that is delivered first.
    pub fn lowest(self) -> Option<Signal> {
        (self.0 != 0).then(|| Signal(self.0.trailing_zeros() as u8 + 1))
    }

    /// The signals in the set in numeric order.
    pub fn iter(self) -> impl Iterator<Item = Signal> {
        (1..=64).map(Signal).filter(move |s| self.has(*s))
    }
}

impl std::ops::BitOr for SigSet {
    type Output = SigSet;
    fn bitor(self, other: SigSet) -> SigSet {
        SigSet(self.0 | other.0)
    }
}

impl std::ops::BitAnd for SigSet {
    type Output = SigSet;
    fn bitand(self, other: SigSet) -> SigSet {
        SigSet(self.0 & other.0)
    }
}

impl std::ops::Not for SigSet {
    type Output = SigSet;
    fn not(self) -> SigSet {
        SigSet(!self.0)
    }
}

/// What a process wants done with a signal (`struct sigaction`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Disposition {
    /// `SIG_DFL`.
    #[default]
    Default,
    /// `SIG_IGN`.
    Ignore,
    /// A handler of the program.
    Handler {
        /// `SA_RESTART`: an interrupted call starts again instead of failing with `EINTR`.
        restart: bool,
    },
}

/// The dispositions of a process; signals that are not in here have the default one.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct SigHand {
    /// Dispositions that differ from the default.
    pub actions: OrdMap<Signal, Disposition>,
    /// `SA_NOCLDWAIT` on `SIGCHLD`: children vanish without being waited for.
    pub no_child_wait: bool,
    /// How many tasks share it.
    pub users: u32,
}

impl SigHand {
    /// What is to be done with `s`.
    pub fn disposition(&self, s: Signal) -> Disposition {
        self.actions.get(&s).copied().unwrap_or_default()
    }
}

impl Disposition {
    /// As the `struct sigaction` of rt_sigaction(2).
    pub fn to_value(self) -> Value {
        let (handler, flags) = match self {
            Disposition::Default => ("SIG_DFL", 0),
            Disposition::Ignore => ("SIG_IGN", 0),
            Disposition::Handler { restart } => ("handler", if restart { SA_RESTART } else { 0 }),
        };
        Value::record([("sa_handler", handler.into()), ("sa_flags", flags.into())])
    }

    /// From the `struct sigaction` of rt_sigaction(2): whatever is neither `SIG_DFL` (0) nor
    /// `SIG_IGN` (1) is a handler.
    pub fn from_value(value: &Value) -> Disposition {
        match value.field("sa_handler") {
            None | Some(Value::Null | Value::Int(0)) => Disposition::Default,
            Some(Value::Int(1)) => Disposition::Ignore,
            Some(name) if name.as_str() == Some("SIG_DFL") => Disposition::Default,
            Some(name) if name.as_str() == Some("SIG_IGN") => Disposition::Ignore,
            Some(_) => {
                let flags = value.field("sa_flags").and_then(Value::as_int).unwrap_or(0);
                Disposition::Handler { restart: flags & SA_RESTART != 0 }
            }
        }
    }
}

/// Interrupted calls start again.
pub const SA_RESTART: i64 = 0x1000_0000;
