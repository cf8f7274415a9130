//! The devices controller of version 1, as in `security/device_cgroup.c`: which devices members of a group may
//! open and make nodes for. A group starts with the rules of the one above and can never allow more than that.

use serde::{Deserialize, Serialize};

use super::{Controller, ControllerId};
use crate::cgroup::CgroupId;
use crate::cgroup::event::CgroupEvent;
use crate::cgroup::file::{At, CgroupFile, Write};
use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::security::capability::Cap;
use crate::task::TaskId;
use crate::world::World;

bitflags::bitflags! {
    /// What is done with a device.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
    pub struct DeviceAccess: u8 {
        /// r: read it.
        const READ = 1;
        /// w: write it.
        const WRITE = 2;
        /// m: make a node for it.
        const MKNOD = 4;
    }
}

/// Devices and what is done with them: what an exception is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DeviceRule {
    /// Block devices, not character devices.
    pub block: bool,
    /// Major number; `None` for all.
    pub major: Option<u32>,
    /// Minor number; `None` for all.
    pub minor: Option<u32>,
    /// What is done.
    pub access: DeviceAccess,
}

/// What the controller keeps of a group.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct DeviceCgroup {
    /// What holds for devices that no exception names.
    pub allow_by_default: bool,
    /// The exceptions to that.
    pub exceptions: Vec<DeviceRule>,
}

/// The controller.
pub static DEVICES: Controller = Controller {
    in_v2: false,
    v1_files: &[
        CgroupFile::wo("devices.allow", Write::Text(|k, at, text| update(k, at, text, true))),
        CgroupFile::wo("devices.deny", Write::Text(|k, at, text| update(k, at, text, false))),
        CgroupFile::ro("devices.list", list),
    ],
    css_alloc: |w, group| {
        let above = w.cgroup(group).parent.and_then(|parent| w.cgroup(parent).css.devices.clone());
        let fresh = DeviceCgroup { allow_by_default: true, exceptions: Vec::new() };
        w.cgroups.groups[group].css.devices = Some(above.unwrap_or(fresh));
    },
    ..Controller::new(ControllerId::Devices, "devices")
};

fn list(w: &World, at: At) -> Result<String, Errno> {
    let Some(d) = &w.cgroup(at.group).css.devices else { return Err(Errno::ENODEV) };
    if d.allow_by_default {
        return Ok("a *:* rwm\n".to_owned());
    }
    Ok(d.exceptions.iter().map(|rule| format!("{rule}\n")).collect())
}

impl std::fmt::Display for DeviceRule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let number = |n: Option<u32>| n.map_or_else(|| "*".to_owned(), |n| n.to_string());
        let kind = if self.block { 'b' } else { 'c' };
        write!(f, "{kind} {}:{} {}", number(self.major), number(self.minor), self.access.letters())
    }
}

impl DeviceAccess {
    /// As `devices.list` shows it: some of `rwm`.
    pub fn letters(self) -> String {
        let letters = [(DeviceAccess::READ, 'r'), (DeviceAccess::WRITE, 'w'), (DeviceAccess::MKNOD, 'm')];
        letters.into_iter().filter(|(bit, _)| self.contains(*bit)).map(|(_, letter)| letter).collect()
    }
}

impl DeviceRule {
    /// Reads `c 1:3 rw`, byte for byte as the kernel does.
    fn parse(text: &str) -> Result<DeviceRule, Errno> {
        let mut rest = text.bytes().peekable();
        let block = match rest.next() {
            Some(b'b') => true,
            Some(b'c') => false,
            _ => return Err(Errno::EINVAL),
        };
        let space = |b: Option<u8>| if b.is_some_and(is_space) { Ok(()) } else { Err(Errno::EINVAL) };
        space(rest.next())?;
        let major = number(&mut rest)?;
        if rest.next() != Some(b':') {
            return Err(Errno::EINVAL);
        }
        let minor = number(&mut rest)?;
        space(rest.next())?;
        let mut access = DeviceAccess::empty();
        for byte in rest.take(3) {
            match byte {
                b'r' => access |= DeviceAccess::READ,
                b'w' => access |= DeviceAccess::WRITE,
                b'm' => access |= DeviceAccess::MKNOD,
                b'\n' => break,
                _ => return Err(Errno::EINVAL),
            }
        }
        Ok(DeviceRule { block, major, minor, access })
    }

    /// Whether this rule covers all of another (`match_exception`).
    fn covers(&self, other: &DeviceRule) -> bool {
        self.block == other.block
            && (self.major.is_none() || self.major == other.major)
            && (self.minor.is_none() || self.minor == other.minor)
            && self.access.contains(other.access)
    }

    /// Whether this rule covers any of another (`match_exception_partial`).
    fn touches(&self, other: &DeviceRule) -> bool {
        let meet = |a: Option<u32>, b: Option<u32>| a.is_none() || b.is_none() || a == b;
        self.block == other.block
            && meet(self.major, other.major)
            && meet(self.minor, other.minor)
            && self.access.intersects(other.access)
    }

    fn names_the_same(&self, other: &DeviceRule) -> bool {
        self.block == other.block && self.major == other.major && self.minor == other.minor
    }
}

/// `isspace` of the kernel.
fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t'..=b'\r' | 0xa0)
}

/// `*` or up to ten digits.
fn number(rest: &mut std::iter::Peekable<std::str::Bytes<'_>>) -> Result<Option<u32>, Errno> {
    if rest.next_if_eq(&b'*').is_some() {
        return Ok(None);
    }
    let mut digits = String::new();
    while digits.len() < 11
        && let Some(digit) = rest.next_if(u8::is_ascii_digit)
    {
        digits.push(char::from(digit));
    }
    digits.parse().map(Some).map_err(|_| Errno::EINVAL)
}

impl DeviceCgroup {
    /// `dev_exception_add`.
    fn add(&mut self, rule: DeviceRule) {
        match self.exceptions.iter_mut().find(|e| e.names_the_same(&rule)) {
            Some(known) => known.access |= rule.access,
            None => self.exceptions.push(rule),
        }
    }

    /// `dev_exception_rm`.
    fn remove(&mut self, rule: DeviceRule) {
        for known in self.exceptions.iter_mut().filter(|e| e.names_the_same(&rule)) {
            known.access -= rule.access;
        }
        self.exceptions.retain(|e| !e.access.is_empty());
    }

    /// Whether a group below with this default may have an exception (`verify_new_ex`).
    fn lets_child_except(&self, rule: &DeviceRule, child_allows: bool) -> bool {
        match (self.allow_by_default, child_allows) {
            (true, true) => true,
            (true, false) => !self.exceptions.iter().any(|e| e.touches(rule)),
            (false, _) => self.exceptions.iter().any(|e| e.covers(rule)),
        }
    }

    /// Whether access is allowed (`devcgroup_legacy_check_permission`).
    fn allows(&self, rule: &DeviceRule) -> bool {
        if self.allow_by_default {
            !self.exceptions.iter().any(|e| e.touches(rule))
        } else {
            self.exceptions.iter().any(|e| e.covers(rule))
        }
    }
}

/// A write to `devices.allow` or `devices.deny` (`devcgroup_update_access`).
fn update(k: &mut Kernel<'_>, at: At, text: &str, allow: bool) -> Result<(), Errno> {
    let own_ns = k.tasks[at.task].cred.user_ns;
    if !k.capable_in(at.task, own_ns, Cap::SYS_ADMIN) {
        return Err(Errno::EPERM);
    }
    let text = text.trim();
    let above = k.cgroup(at.group).parent.and_then(|parent| k.cgroup(parent).css.devices.clone());
    if text.starts_with('a') {
        return update_all(k, at.group, above, allow);
    }
    let rule = DeviceRule::parse(text)?;
    let mut own = k.cgroup(at.group).css.devices.clone().ok_or(Errno::ENODEV)?;
    match (allow, own.allow_by_default) {
        (true, true) => {
            if above.is_some_and(|a| a.exceptions.iter().any(|e| e.touches(&rule))) {
                return Err(Errno::EPERM);
            }
            own.remove(rule);
        }
        (true, false) => {
            if above.is_some_and(|a| !a.lets_child_except(&rule, false)) {
                return Err(Errno::EPERM);
            }
            own.add(rule);
        }
        (false, true) => own.add(rule),
        (false, false) => own.remove(rule),
    }
    k.cgroups.groups[at.group].css.devices = Some(own);
    if !allow {
        propagate(k, at.group, rule);
    }
    Ok(())
}

/// `a`: everything.
fn update_all(k: &mut Kernel<'_>, group: CgroupId, above: Option<DeviceCgroup>, allow: bool) -> Result<(), Errno> {
    if !k.cgroup(group).children.is_empty() {
        return Err(Errno::EINVAL);
    }
    if allow && above.as_ref().is_some_and(|a| !a.allow_by_default) {
        return Err(Errno::EPERM);
    }
    let exceptions = above.filter(|_| allow).map(|a| a.exceptions).unwrap_or_default();
    k.cgroups.groups[group].css.devices = Some(DeviceCgroup { allow_by_default: allow, exceptions });
    Ok(())
}

/// A new restriction holds below, too (`propagate_exception`).
fn propagate(k: &mut Kernel<'_>, group: CgroupId, rule: DeviceRule) {
    let by_default = k.cgroup(group).css.devices.as_ref().is_some_and(|d| d.allow_by_default);
    for below in k.cgroup_subtree(group).into_iter().skip(1) {
        let above = k.cgroup(below).parent.and_then(|parent| k.cgroup(parent).css.devices.clone());
        let Some(d) = &mut k.world.cgroups.groups[below].css.devices else { continue };
        if by_default && d.allow_by_default {
            d.add(rule);
        } else {
            d.remove(rule);
        }
        if let Some(above) = above {
            let allows = d.allow_by_default;
            d.exceptions.retain(|e| above.lets_child_except(e, allows));
        }
    }
}

impl Kernel<'_> {
    /// Whether the task's group lets it do this with a device.
    ///
    /// # Errors
    /// EPERM.
    pub(crate) fn check_device_cgroup(
        &mut self,
        task: TaskId,
        block: bool,
        (major, minor): (u32, u32),
        access: DeviceAccess,
    ) -> Result<(), Errno> {
        let group = self.css_of(task, ControllerId::Devices);
        let rule = DeviceRule { block, major: Some(major), minor: Some(minor), access };
        if self.cgroup(group).css.devices.as_ref().is_none_or(|d| d.allows(&rule)) {
            return Ok(());
        }
        let device = format!("{} {major}:{minor}", if block { 'b' } else { 'c' });
        let event = CgroupEvent::DeviceDenied { group, device: device.into(), access: access.letters().into() };
        self.emit(EventKind::Cgroup(event));
        Err(Errno::EPERM)
    }
}
