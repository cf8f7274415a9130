//! The model's own clock. Virtual time moves only by the cost of what is done and by timers; when
//! every task sleeps it jumps to the next timer. Nothing here reads a clock of the outside.

use serde::{Deserialize, Serialize};

/// Virtual nanoseconds: since boot, or a span.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Nanos(pub u64);

/// When the standard world booted, in seconds of Unix time: 2026-01-01 00:00:00 UTC. A constant, so that
/// the same actions give the same world.
pub const BOOT_UNIX_SECONDS: u64 = 1_767_225_600;

impl Nanos {
    /// One second.
    pub const SECOND: Nanos = Nanos(1_000_000_000);

    /// A span of whole milliseconds.
    pub const fn from_millis(ms: u64) -> Nanos {
        Nanos(ms * 1_000_000)
    }

    /// A span given in seconds and nanoseconds, as a `struct timespec`.
    pub const fn from_timespec(sec: u64, nsec: u64) -> Nanos {
        Nanos(sec.saturating_mul(1_000_000_000).saturating_add(nsec))
    }

    /// Whole seconds.
    pub const fn seconds(self) -> u64 {
        self.0 / 1_000_000_000
    }

    /// The part below a second, in nanoseconds.
    pub const fn subsec_nanos(self) -> u64 {
        self.0 % 1_000_000_000
    }
}

impl std::ops::Add for Nanos {
    type Output = Nanos;
    fn add(self, other: Nanos) -> Nanos {
        Nanos(self.0.saturating_add(other.0))
    }
}

impl std::ops::Sub for Nanos {
    type Output = Nanos;
    fn sub(self, other: Nanos) -> Nanos {
        Nanos(self.0.saturating_sub(other.0))
    }
}

impl std::ops::AddAssign for Nanos {
    fn add_assign(&mut self, other: Nanos) {
        *self = *self + other;
    }
}

impl std::fmt::Display for Nanos {
    /// Seconds with six decimals, as strace -r and dmesg print time.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:06}", self.seconds(), self.subsec_nanos() / 1000)
    }
}
