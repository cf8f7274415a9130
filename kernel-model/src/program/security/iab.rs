//! The inheritable, ambient and bounding sets as libcap writes them together: cap_iab(3).

use super::caps::{Sets, named};
use crate::errno::Errno;
use crate::program::Sys;
use crate::security::capability::{Cap, CapSet, NAMES};
use crate::syscall::identity::prctl::pr;

/// The three sets that execve(2) computes with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Iab {
    /// Inheritable.
    pub inheritable: CapSet,
    /// Ambient.
    pub ambient: CapSet,
    /// Bounding.
    pub bounding: CapSet,
}

impl Iab {
    /// cap_iab_to_text(3): `^` for ambient, `%` for inheritable where the bounding set lacks it, `!` for what it lacks.
    pub fn to_text(self) -> String {
        let part = |cap: Cap| {
            let (i, a, b) = (self.inheritable.has(cap), self.ambient.has(cap), !self.bounding.has(cap));
            let sign = match (b, a, i) {
                (false, false, false) => return None,
                (true, true, _) => "!^",
                (true, _, true) => "!%",
                (true, ..) => "!",
                (_, true, _) => "^",
                _ => "",
            };
            Some(format!("{sign}{}", cap.name().to_lowercase()))
        };
        CapSet::FULL.iter().filter_map(part).collect::<Vec<_>>().join(",")
    }

    /// cap_iab_from_text(3). `None` when the text is not in that form.
    pub fn from_text(text: &str) -> Option<Iab> {
        let mut iab = Iab { inheritable: CapSet::EMPTY, ambient: CapSet::EMPTY, bounding: CapSet::FULL };
        for part in text.split(',').filter(|p| !p.is_empty()) {
            let name = part.trim_start_matches(['!', '^', '%']);
            let signs = &part[..part.len() - name.len()];
            let cap = named(name)?;
            let (dropped, ambient) = (signs.contains('!'), signs.contains('^'));
            if dropped {
                iab.bounding = iab.bounding.without(cap);
            }
            if ambient || signs.contains('%') || !dropped {
                iab.inheritable = iab.inheritable.with(cap);
            }
            if ambient {
                iab.ambient = iab.ambient.with(cap);
            }
        }
        Some(iab)
    }
}

impl Sys {
    /// The sets of the caller (cap_iab_get_proc(3)).
    pub async fn iab(&self) -> Iab {
        let sets = self.capget(0).await.unwrap_or_default();
        let mut iab = Iab { inheritable: sets.inheritable, ambient: CapSet::EMPTY, bounding: CapSet::EMPTY };
        for cap in CapSet::FULL.iter() {
            if self.prctl(pr::CAPBSET_READ, [i64::from(cap.0), 0, 0, 0]).await == Ok(1) {
                iab.bounding = iab.bounding.with(cap);
            }
            if self.prctl(pr::CAP_AMBIENT, [pr::CAP_AMBIENT_IS_SET, i64::from(cap.0), 0, 0]).await == Ok(1) {
                iab.ambient = iab.ambient.with(cap);
            }
        }
        iab
    }

    /// The sets of another process, from its `/proc/PID/status` (cap_iab_get_pid(3)).
    ///
    /// # Errors
    /// Those of opening the file.
    pub async fn iab_of(&self, pid: i32) -> Result<Iab, Errno> {
        let text = self.read_file(&format!("/proc/{pid}/status")).await?;
        let set = |name: &str| {
            let value = text.lines().find_map(|l| l.strip_prefix(name)).unwrap_or_default();
            CapSet(u64::from_str_radix(value.trim(), 16).unwrap_or(0))
        };
        Ok(Iab { inheritable: set("CapInh:"), ambient: set("CapAmb:"), bounding: set("CapBnd:") })
    }

    /// Makes these the caller's sets (cap_iab_set_proc(3)).
    ///
    /// # Errors
    /// EPERM where a set would grow without the capability for it.
    pub async fn set_iab(&self, iab: &Iab) -> Result<(), Errno> {
        let before = self.capget(0).await?;
        let wanted = Sets { inheritable: iab.inheritable, ..before };
        let raised = Sets { effective: wanted.effective.with(Cap::SETPCAP), ..wanted };
        let can_raise = before.permitted.has(Cap::SETPCAP);
        self.capset(if can_raise { &raised } else { &wanted }).await?;
        self.prctl(pr::CAP_AMBIENT, [pr::CAP_AMBIENT_CLEAR_ALL, 0, 0, 0]).await?;
        for nr in 0..NAMES.len() as u8 {
            let cap = Cap(nr);
            if iab.ambient.has(cap) {
                self.prctl(pr::CAP_AMBIENT, [pr::CAP_AMBIENT_RAISE, i64::from(nr), 0, 0]).await?;
            }
            let has = self.prctl(pr::CAPBSET_READ, [i64::from(nr), 0, 0, 0]).await == Ok(1);
            if has && !iab.bounding.has(cap) {
                self.prctl(pr::CAPBSET_DROP, [i64::from(nr), 0, 0, 0]).await?;
            }
        }
        self.capset(&wanted).await
    }
}
