//! Capabilities of files: the extended attribute `security.capability`, as capabilities(7) lays it out.

use super::caps::Sets;
use crate::errno::Errno;
use crate::program::Sys;
use crate::program::libc::s;
use crate::security::capability::CapSet;
use crate::syscall::{Sysno, Value};

/// The attribute's name.
pub const ATTRIBUTE: &str = "security.capability";

/// `VFS_CAP_REVISION_2`: 64-bit sets. The lowest bit says whether they become effective at once.
const REVISION_2: u32 = 0x0200_0000;
const FLAGS_EFFECTIVE: u32 = 1;

/// The attribute's bytes. `None` when the effective set is neither empty nor the union of the others: a
/// file has only one bit for it.
fn encode(sets: &Sets) -> Option<Vec<u8>> {
    let union = sets.permitted | sets.inheritable;
    let flags = match sets.effective {
        CapSet::EMPTY => 0,
        set if set == union => FLAGS_EFFECTIVE,
        _ => return None,
    };
    let halves = |set: CapSet| [set.0 as u32, (set.0 >> 32) as u32];
    let ([p0, p1], [i0, i1]) = (halves(sets.permitted), halves(sets.inheritable));
    Some([REVISION_2 | flags, p0, i0, p1, i1].iter().flat_map(|word| word.to_le_bytes()).collect())
}

fn decode(bytes: &[u8]) -> Option<Sets> {
    let word = |i: usize| Some(u32::from_le_bytes(bytes.get(i * 4..i * 4 + 4)?.try_into().ok()?));
    let set = |low: usize, high: usize| Some(CapSet(u64::from(word(low)?) | u64::from(word(high)?) << 32));
    let (permitted, inheritable) = (set(1, 3)?, set(2, 4)?);
    let is_effective = word(0)? & FLAGS_EFFECTIVE != 0;
    let effective = if is_effective { permitted | inheritable } else { CapSet::EMPTY };
    Some(Sets { effective, permitted, inheritable })
}

#[allow(clippy::missing_errors_doc)] // those of the calls
impl Sys {
    /// cap_get_file(3). ENODATA when the file has none.
    pub async fn cap_get_file(&self, path: &str) -> Result<Sets, Errno> {
        let args = vec![path.into(), ATTRIBUTE.into(), Value::Null, 24.into()];
        let ret = self.call(Sysno::GETXATTR, args).await?;
        decode(ret.output(2).as_bytes().unwrap_or_default()).ok_or(Errno::EINVAL)
    }

    /// cap_set_file(3); `None` takes them away. Only regular files have capabilities.
    pub async fn cap_set_file(&self, path: &str, sets: Option<&Sets>) -> Result<(), Errno> {
        if self.lstat(path).await?.file_type() != s::IFREG {
            return Err(Errno::EINVAL);
        }
        let Some(sets) = sets else {
            return self.call(Sysno::REMOVEXATTR, vec![path.into(), ATTRIBUTE.into()]).await.map(drop);
        };
        let bytes = encode(sets).ok_or(Errno::EINVAL)?;
        let size = bytes.len();
        let args = vec![path.into(), ATTRIBUTE.into(), Value::bytes(bytes), size.into(), 0.into()];
        self.call(Sysno::SETXATTR, args).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_attribute_keeps_the_sets() {
        let sets = Sets::from_text("cap_chown,cap_bpf=ep").expect("right");
        assert_eq!(encode(&sets).as_deref().and_then(decode), Some(sets));
        assert_eq!(encode(&Sets::from_text("cap_chown=e").expect("right")), None);
    }
}
