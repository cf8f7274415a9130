//! Ethernet addresses.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An address of six bytes, as `ip link` shows it after `link/ether`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// No address: that of `lo`.
    pub const ZERO: Mac = Mac([0; 6]);
    /// Everybody on the link.
    pub const BROADCAST: Mac = Mac([0xff; 6]);

    /// The address that a device without one of its own gets (`eth_random_addr`): unicast, locally administered. It
    /// follows from how many there were before, so that the same actions give the same address.
    pub fn made_up(count: u64) -> Mac {
        let mut z = count.wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let b = (z ^ (z >> 31)).to_be_bytes();
        Mac([b[0] & 0xfe | 0x02, b[1], b[2], b[3], b[4], b[5]])
    }

    /// Whether it means several receivers (`is_multicast_ether_addr`); everybody is several.
    pub fn is_multicast(self) -> bool {
        self.0[0] & 1 != 0
    }

    /// Whether one device can have it (`is_valid_ether_addr`).
    pub fn is_valid(self) -> bool {
        !self.is_multicast() && self != Mac::ZERO
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl FromStr for Mac {
    type Err = ();

    fn from_str(text: &str) -> Result<Mac, ()> {
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next().filter(|p| (1..=2).contains(&p.len())).ok_or(())?;
            *byte = u8::from_str_radix(part, 16).map_err(|_| ())?;
        }
        if parts.next().is_some() { Err(()) } else { Ok(Mac(bytes)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_printed_and_read_and_made_up_ones_can_belong_to_a_device() {
        let mac: Mac = "2:0:0:00:00:1a".parse().expect("an address");
        assert_eq!(mac.to_string(), "02:00:00:00:00:1a");
        assert!("02:00:00:00:00".parse::<Mac>().is_err());
        assert!("zz:00:00:00:00:00".parse::<Mac>().is_err());
        assert!((0..100).all(|n| Mac::made_up(n).is_valid()));
        assert_ne!(Mac::made_up(1), Mac::made_up(2));
    }
}
