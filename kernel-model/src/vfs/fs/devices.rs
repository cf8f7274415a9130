//! Character devices, as in null(4), full(4), random(4) and tty(4).

use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::world::World;

/// The devices that can be opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Device {
    /// `/dev/null`.
    Null,
    /// `/dev/zero`.
    Zero,
    /// `/dev/full`.
    Full,
    /// `/dev/random` and `/dev/urandom`.
    Random,
    /// `/dev/net/tun`.
    Tun,
    /// `/dev/tty`: the controlling terminal of whoever opens it.
    Tty,
    /// `/dev/ptmx`: every opening makes a pseudo-terminal.
    Ptmx,
    /// `/dev/pts/N`.
    Terminal(u32),
}

impl Device {
    /// The device with these numbers; `None` when no driver has them.
    pub fn from_numbers(major: u32, minor: u32) -> Option<Device> {
        match (major, minor) {
            (1, 3) => Some(Device::Null),
            (1, 5) => Some(Device::Zero),
            (1, 7) => Some(Device::Full),
            (1, 8 | 9) => Some(Device::Random),
            (5, 0) => Some(Device::Tty),
            (5, 2) => Some(Device::Ptmx),
            (10, 200) => Some(Device::Tun),
            (136, n) => Some(Device::Terminal(n)),
            _ => None,
        }
    }

    /// What a read of `count` bytes gives.
    pub(crate) fn read(self, world: &World, pos: u64, count: usize) -> Vec<u8> {
        match self {
            Device::Zero | Device::Full => vec![0; count],
            Device::Random => random_bytes(world.clock.0 ^ pos.rotate_left(32), count),
            Device::Null | Device::Tun | Device::Tty | Device::Ptmx | Device::Terminal(_) => Vec::new(),
        }
    }

    /// What a write of `count` bytes gives.
    ///
    /// # Errors
    /// ENOSPC from `/dev/full`.
    pub(crate) fn write(self, count: usize) -> Result<usize, Errno> {
        if self == Device::Full && count > 0 { Err(Errno::ENOSPC) } else { Ok(count) }
    }
}

/// Bytes that look random and are not: the same moment gives the same ones (splitmix64).
pub(crate) fn random_bytes(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let mut bytes: Vec<u8> = (0..count.div_ceil(8)).flat_map(|_| next().to_le_bytes()).collect();
    bytes.truncate(count);
    bytes
}

impl Kernel<'_> {
    /// Bytes for getrandom(2) and `/dev/urandom`.
    pub(crate) fn random(&self, count: usize) -> Vec<u8> {
        random_bytes(self.clock.0, count)
    }
}
