//! The mount options of the single types: what they take, and how mountinfo shows them.

use serde::{Deserialize, Serialize};

use super::Quota;
use super::context::plain_number;
use super::tmpfs::TOTAL_PAGES;
use crate::errno::Errno;
use crate::namespace::user::UserNamespace;
use crate::security::credentials::{Kgid, Kuid};
use crate::vfs::content::PAGE_SIZE;

/// A number in decimal, hexadecimal or octal, with a unit of K, M, G, T, P or E, and what follows it
/// (`memparse`).
pub(super) fn parse_number(text: &str) -> (u64, &str) {
    let (radix, digits) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(rest) => (16, rest),
        None if text.len() > 1 && text.starts_with('0') => (8, text),
        None => (10, text),
    };
    let end = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
    let number = u64::from_str_radix(&digits[..end], radix).unwrap_or(0);
    let rest = &digits[end..];
    let shift = match rest.chars().next().map(|c| c.to_ascii_lowercase()) {
        Some('k') => 10,
        Some('m') => 20,
        Some('g') => 30,
        Some('t') => 40,
        Some('p') => 50,
        Some('e') => 60,
        _ => return (number, rest),
    };
    (number << shift, &rest[1..])
}

/// The options of tmpfs(5). A limit of 0 is no limit.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[allow(missing_docs)] // the options of tmpfs(5)
pub struct TmpfsParams {
    pub max_pages: Option<u64>,
    pub max_inodes: Option<u64>,
    pub mode: Option<u32>,
    pub uid: Option<Kuid>,
    pub gid: Option<Kgid>,
}

impl TmpfsParams {
    /// Takes one option. Whether there is one of this name.
    pub(super) fn set(
        &mut self,
        key: &str,
        value: Option<&str>,
        caller: &UserNamespace,
        owner: &UserNamespace,
    ) -> Result<bool, Errno> {
        let text = || value.ok_or(Errno::EINVAL);
        match key {
            "size" => {
                let (number, rest) = parse_number(text()?);
                let pages = match rest {
                    "" => number.div_ceil(PAGE_SIZE as u64),
                    "%" => number.saturating_mul(TOTAL_PAGES) / 100,
                    _ => return Err(Errno::EINVAL),
                };
                self.max_pages = Some(pages);
            }
            "nr_blocks" => self.max_pages = Some(whole(text()?)?),
            "nr_inodes" => self.max_inodes = Some(whole(text()?)?),
            "mode" => self.mode = Some(plain_number(value, 8)? & 0o7777),
            "uid" => {
                let uid = caller.kuid(plain_number(value, 10)?).ok_or(Errno::EINVAL)?;
                owner.uid_map.from_kernel(uid.0).ok_or(Errno::EINVAL)?;
                self.uid = Some(uid);
            }
            "gid" => {
                let gid = caller.kgid(plain_number(value, 10)?).ok_or(Errno::EINVAL)?;
                owner.gid_map.from_kernel(gid.0).ok_or(Errno::EINVAL)?;
                self.gid = Some(gid);
            }
            "huge" | "mpol" => drop(text()?),
            "inode32" | "inode64" | "noswap" if value.is_none() => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The limits of a new instance.
    pub(super) fn quota(&self) -> Quota {
        let limit = |given: Option<u64>, standard: Option<u64>| match given {
            Some(0) => None,
            Some(n) => Some(n),
            None => standard,
        };
        let standard = Quota::standard();
        Quota {
            max_pages: limit(self.max_pages, standard.max_pages),
            max_inodes: limit(self.max_inodes, standard.max_inodes),
            ..standard
        }
    }

    /// What mountinfo shows: whatever is not the default (`shmem_show_options`).
    pub(super) fn options(&self, uid: Kuid, gid: Kgid) -> Vec<String> {
        let mut options = limits(self.quota());
        let mode = self.mode.unwrap_or(0o1777);
        if mode != 0o1777 {
            options.push(format!("mode={mode:03o}"));
        }
        if uid != Kuid::ROOT {
            options.push(format!("uid={}", uid.0));
        }
        if gid != Kgid::ROOT {
            options.push(format!("gid={}", gid.0));
        }
        options
    }

    /// The limits after a remount; only they change (`shmem_reconfigure`).
    pub(super) fn reconfigure(&self, old: Quota) -> Result<Quota, Errno> {
        let limit = |given: Option<u64>, old: Option<u64>, used: u64| match given {
            None => Ok(old),
            Some(0) => Ok(None),
            // A limit cannot come later, nor lie below what is in use.
            Some(_) if old.is_none() => Err(Errno::EINVAL),
            Some(n) if used > n => Err(Errno::EINVAL),
            Some(n) => Ok(Some(n)),
        };
        Ok(Quota {
            max_pages: limit(self.max_pages, old.max_pages, old.pages)?,
            max_inodes: limit(self.max_inodes, old.max_inodes, old.inodes)?,
            ..old
        })
    }

    /// What mountinfo shows after a remount.
    pub(super) fn options_after(&self, old: &[String], quota: Quota) -> Vec<String> {
        let kept = old.iter().filter(|o| !o.starts_with("size=") && !o.starts_with("nr_inodes="));
        limits(quota).into_iter().chain(kept.cloned()).collect()
    }
}

fn limits(quota: Quota) -> Vec<String> {
    let standard = Quota::standard();
    let mut options = Vec::new();
    if quota.max_pages != standard.max_pages {
        options.push(format!("size={}k", quota.max_pages.unwrap_or(0) * (PAGE_SIZE as u64 / 1024)));
    }
    if quota.max_inodes != standard.max_inodes {
        options.push(format!("nr_inodes={}", quota.max_inodes.unwrap_or(0)));
    }
    options
}

fn whole(text: &str) -> Result<u64, Errno> {
    match parse_number(text) {
        (n, "") if i64::try_from(n).is_ok() => Ok(n),
        _ => Err(Errno::EINVAL),
    }
}

/// The options of proc(5).
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[allow(missing_docs)] // the options of proc(5)
pub struct ProcParams {
    pub hidepid: Option<String>,
    pub gid: Option<u32>,
    pub subset_pid: bool,
}

impl ProcParams {
    /// Those of an instance that shows these options in mountinfo.
    pub(in crate::vfs) fn of_options(options: &[String]) -> ProcParams {
        let value = |key: &str| options.iter().find_map(|option| option.strip_prefix(key));
        ProcParams {
            hidepid: value("hidepid=").map(str::to_owned),
            gid: value("gid=").and_then(|gid| gid.parse().ok()),
            subset_pid: value("subset=") == Some("pid"),
        }
    }

    /// Takes one option. Whether there is one of this name.
    pub(super) fn set(&mut self, key: &str, value: Option<&str>) -> Result<bool, Errno> {
        match key {
            "hidepid" => {
                let name = match value.ok_or(Errno::EINVAL)? {
                    "0" | "off" => None,
                    "1" | "noaccess" => Some("noaccess"),
                    "2" | "invisible" => Some("invisible"),
                    "4" | "ptraceable" => Some("ptraceable"),
                    _ => return Err(Errno::EINVAL),
                };
                self.hidepid = name.map(str::to_owned);
            }
            "gid" => self.gid = Some(plain_number(value, 10)?),
            "subset" if value == Some("pid") => self.subset_pid = true,
            "subset" => return Err(Errno::EINVAL),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// What mountinfo shows.
    pub(super) fn options(&self) -> Vec<String> {
        let gid = self.gid.filter(|gid| *gid != 0).map(|gid| format!("gid={gid}"));
        let hidepid = self.hidepid.as_ref().map(|h| format!("hidepid={h}"));
        gid.into_iter().chain(hidepid).chain(self.subset_pid.then(|| "subset=pid".to_owned())).collect()
    }
}

/// The options of devpts.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)] // the options of mount(8) for devpts
pub struct DevptsParams {
    pub uid: Option<Kuid>,
    pub gid: Option<Kgid>,
    pub mode: u32,
    pub ptmxmode: u32,
    pub max: Option<u32>,
    /// It was mounted in the first mount namespace: the pairs that are kept in reserve are for it.
    pub reserve: bool,
}

/// The most that one devpts can have (`NR_UNIX98_PTY_MAX`).
const MOST_PTYS: u32 = 1 << 20;

impl Default for DevptsParams {
    fn default() -> Self {
        DevptsParams { uid: None, gid: None, mode: 0o600, ptmxmode: 0, max: None, reserve: false }
    }
}

impl DevptsParams {
    /// Takes one option. Whether there is one of this name.
    pub(super) fn set(&mut self, key: &str, value: Option<&str>, caller: &UserNamespace) -> Result<bool, Errno> {
        match key {
            "uid" => self.uid = Some(caller.kuid(plain_number(value, 10)?).ok_or(Errno::EINVAL)?),
            "gid" => self.gid = Some(caller.kgid(plain_number(value, 10)?).ok_or(Errno::EINVAL)?),
            "mode" => self.mode = plain_number(value, 8)? & 0o7777,
            "ptmxmode" => self.ptmxmode = plain_number(value, 8)? & 0o7777,
            "max" => {
                let most = plain_number(value, 10)?;
                if most > MOST_PTYS {
                    return Err(Errno::EINVAL);
                }
                self.max = Some(most).filter(|most| *most < MOST_PTYS);
            }
            "newinstance" if value.is_none() => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// What mountinfo shows.
    pub(super) fn options(&self) -> Vec<String> {
        let mut options = Vec::new();
        options.extend(self.uid.map(|uid| format!("uid={}", uid.0)));
        options.extend(self.gid.map(|gid| format!("gid={}", gid.0)));
        options.push(format!("mode={:03o}", self.mode));
        options.push(format!("ptmxmode={:03o}", self.ptmxmode));
        options.extend(self.max.map(|max| format!("max={max}")));
        options
    }
}

/// The options of overlay.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[allow(missing_docs)] // the options of mount(8) for overlay
pub struct OverlayParams {
    /// Paths, topmost first.
    pub lowerdir: Vec<String>,
    pub upperdir: Option<String>,
    pub workdir: Option<String>,
    /// The remaining ones, as given.
    pub others: Vec<String>,
}

/// Options that change nothing that can be seen here.
const OVERLAY_OPTIONS: [&str; 10] = [
    "redirect_dir",
    "index",
    "uuid",
    "nfs_export",
    "xino",
    "metacopy",
    "verity",
    "volatile",
    "userxattr",
    "default_permissions",
];

impl OverlayParams {
    /// Takes one option. Whether there is one of this name.
    pub(super) fn set(&mut self, key: &str, value: Option<&str>) -> Result<bool, Errno> {
        let path = || value.filter(|v| !v.is_empty()).map(unescape).ok_or(Errno::EINVAL);
        match key {
            "lowerdir" => self.lowerdir = split_layers(value.filter(|v| !v.is_empty()).ok_or(Errno::EINVAL)?)?,
            "lowerdir+" => self.lowerdir.push(path()?),
            "upperdir" => self.upperdir = Some(path()?),
            "workdir" => self.workdir = Some(path()?),
            _ if OVERLAY_OPTIONS.contains(&key) => {
                self.others.push(value.map_or_else(|| key.to_owned(), |v| format!("{key}={v}")));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// What was said of one of [`OVERLAY_OPTIONS`]; one without a value is there as an empty one.
    pub(super) fn other(&self, key: &str) -> Option<&str> {
        self.others.iter().rev().find_map(|o| match o.split_once('=') {
            Some((k, value)) => (k == key).then_some(value),
            None => (o == key).then_some(""),
        })
    }

    /// Whether the attributes of the layers are those that anybody may set.
    pub(super) fn userxattr(&self) -> bool {
        self.other("userxattr").is_some()
    }

    /// What mountinfo shows: whatever is not the default (`ovl_show_options`). `xattrs` says whether the upper layer
    /// takes the attributes that an overlay needs; `uuid` is what became of that option.
    pub(super) fn options(&self, xattrs: bool, uuid: &str) -> Vec<String> {
        let mut options = vec![format!("lowerdir={}", self.lowerdir.join(":"))];
        options.extend(self.upperdir.as_ref().map(|d| format!("upperdir={d}")));
        options.extend(self.workdir.as_ref().map(|d| format!("workdir={d}")));
        options.extend(self.other("default_permissions").map(|_| "default_permissions".to_owned()));
        let redirect = match (self.other("redirect_dir"), &self.upperdir) {
            (Some("off" | "nofollow"), _) => "nofollow",
            (Some("on"), _) => "on",
            _ if self.userxattr() => "nofollow",
            // Without an upper layer there is nothing to be told apart.
            (_, None) => "on",
            (_, Some(_)) if !xattrs => "nofollow",
            _ => "follow",
        };
        if redirect != "follow" {
            options.push(format!("redirect_dir={redirect}"));
        }
        let mut unless = |key: &str, standard: &str, value: &str| {
            if value != standard {
                options.push(format!("{key}={value}"));
            }
        };
        unless("index", "off", self.other("index").unwrap_or("off"));
        unless("uuid", "auto", uuid);
        for key in ["nfs_export", "metacopy", "verity"] {
            unless(key, "off", self.other(key).unwrap_or("off"));
        }
        options.extend(self.other("volatile").map(|_| "fsync=volatile".to_owned()));
        options.extend(self.other("userxattr").map(|_| "userxattr".to_owned()));
        options
    }
}

/// Colons separate layers unless a backslash stands before them.
fn split_layers(text: &str) -> Result<Vec<String>, Errno> {
    let mut layers = vec![String::new()];
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let Some(last) = layers.last_mut() else { break };
        match c {
            '\\' => last.extend(chars.next()),
            ':' => layers.push(String::new()),
            c => last.push(c),
        }
    }
    if layers.iter().any(String::is_empty) { Err(Errno::EINVAL) } else { Ok(layers) }
}

fn unescape(text: &str) -> String {
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => plain.extend(chars.next()),
            c => plain.push(c),
        }
    }
    plain
}
