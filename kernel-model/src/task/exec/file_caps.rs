//! File capabilities: the extended attribute `security.capability`, as in capabilities(7).

use serde::{Deserialize, Serialize};

use crate::security::capability::CapSet;

const REVISION_1: u32 = 0x0100_0000;
const REVISION_2: u32 = 0x0200_0000;
const REVISION_3: u32 = 0x0300_0000;
const REVISION_MASK: u32 = 0xff00_0000;
const EFFECTIVE: u32 = 1;

/// The capabilities that an executable brings along (`struct vfs_ns_cap_data`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct FileCaps {
    /// Granted, as far as the bounding set allows.
    pub permitted: CapSet,
    /// Granted to those who have them in their inheritable set.
    pub inheritable: CapSet,
    /// What is granted is effective at once.
    pub effective: bool,
    /// For which user namespace they count: the kernel's uid of its root. `None` counts everywhere (version 2).
    pub root_id: Option<u32>,
}

impl FileCaps {
    /// `CAPS+ep`.
    pub fn permitted_and_effective(caps: u64) -> FileCaps {
        FileCaps { permitted: CapSet(caps), effective: true, ..FileCaps::default() }
    }

    /// From the bytes of the attribute; `None` for bytes that make no sense.
    pub fn from_bytes(bytes: &[u8]) -> Option<FileCaps> {
        let word = |i: usize| Some(u32::from_le_bytes(bytes.get(4 * i..4 * i + 4)?.try_into().ok()?));
        let magic = word(0)?;
        let (words, root_id) = match (magic & REVISION_MASK, bytes.len()) {
            (REVISION_1, 12) => (1, None),
            (REVISION_2, 20) => (2, None),
            (REVISION_3, 24) => (2, Some(word(5)?)),
            _ => return None,
        };
        let mut caps = FileCaps { effective: magic & EFFECTIVE != 0, root_id, ..FileCaps::default() };
        for i in 0..words {
            caps.permitted.0 |= u64::from(word(1 + 2 * i)?) << (32 * i);
            caps.inheritable.0 |= u64::from(word(2 + 2 * i)?) << (32 * i);
        }
        caps.permitted = caps.permitted & CapSet::FULL;
        caps.inheritable = caps.inheritable & CapSet::FULL;
        Some(caps)
    }

    /// As the bytes of the attribute: version 3 with a root id, version 2 without.
    pub fn to_bytes(&self) -> Vec<u8> {
        let revision = if self.root_id.is_some() { REVISION_3 } else { REVISION_2 };
        let mut words = vec![revision | if self.effective { EFFECTIVE } else { 0 }];
        for i in 0..2 {
            words.push((self.permitted.0 >> (32 * i)) as u32);
            words.push((self.inheritable.0 >> (32 * i)) as u32);
        }
        words.extend(self.root_id);
        words.into_iter().flat_map(u32::to_le_bytes).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_survives_being_written_and_read() {
        let caps = FileCaps { root_id: Some(100_000), ..FileCaps::permitted_and_effective(1 << 40 | 1 << 13) };
        assert_eq!(caps.to_bytes().len(), 24);
        assert_eq!(FileCaps::from_bytes(&caps.to_bytes()), Some(caps));
        assert_eq!(FileCaps::from_bytes(b"short"), None);
    }
}
