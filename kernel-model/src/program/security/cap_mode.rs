//! Modes of capability use, as libcap has them: cap_get_mode(3) and cap_set_mode(3).

use super::caps::Sets;
use crate::errno::Errno;
use crate::program::Sys;
use crate::security::capability::{Cap, CapSet};
use crate::syscall::identity::prctl::pr;

/// The modes that can be asked for, in the order of their numbers from 1.
pub const MODES: [&str; 4] = ["NOPRIV", "PURE1E_INIT", "PURE1E", "HYBRID"];
/// `CAP_SECURED_BITS_BASIC`
const BASIC: i64 = 0x2f;
/// `CAP_SECURED_BITS_AMBIENT`
const AMBIENT: i64 = 0xef;

/// The name of a mode and its number.
pub fn describe(mode: usize) -> &'static str {
    mode.checked_sub(1).and_then(|i| MODES.get(i)).copied().unwrap_or("UNCERTAIN")
}

impl Sys {
    /// The number of the mode that the caller's sets and secure bits look like; 0 for none (cap_get_mode(3)).
    pub async fn cap_mode(&self) -> usize {
        let bits = self.prctl(pr::GET_SECUREBITS, [0; 4]).await.unwrap_or(0);
        if bits == 0 {
            return 4;
        }
        let iab = self.iab().await;
        if bits & BASIC != BASIC || bits != AMBIENT || iab.ambient != CapSet::EMPTY {
            return 0;
        }
        let sets = self.capget(0).await.unwrap_or_default();
        if sets.inheritable != CapSet::EMPTY {
            return 3;
        }
        let has_none = sets == Sets::default() && iab.bounding == CapSet::EMPTY;
        if has_none { 1 } else { 2 }
    }

    /// Goes into a mode (cap_set_mode(3)).
    ///
    /// # Errors
    /// EPERM without CAP_SETPCAP in the permitted set.
    pub async fn set_cap_mode(&self, mode: usize) -> Result<(), Errno> {
        let before = self.capget(0).await?;
        let mut sets = before;
        if mode < 3 {
            sets.inheritable = CapSet::EMPTY;
        }
        sets.effective = sets.effective.with(Cap::SETPCAP);
        self.capset(&sets).await?;
        if mode == 4 {
            self.prctl(pr::SET_SECUREBITS, [0; 4]).await?;
        } else {
            self.prctl(pr::CAP_AMBIENT, [pr::CAP_AMBIENT_CLEAR_ALL, 0, 0, 0]).await?;
            self.prctl(pr::SET_SECUREBITS, [AMBIENT, 0, 0, 0]).await?;
        }
        if mode == 1 {
            for cap in CapSet::FULL.iter() {
                self.prctl(pr::CAPBSET_DROP, [i64::from(cap.0), 0, 0, 0]).await?;
            }
            self.prctl(pr::SET_NO_NEW_PRIVS, [1, 0, 0, 0]).await?;
            return self.capset(&Sets::default()).await;
        }
        self.capset(&Sets { inheritable: sets.inheritable, ..before }).await
    }
}
