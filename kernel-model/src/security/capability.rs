//! Capabilities: the pieces into which root's power is cut, as in capabilities(7).

use std::fmt;

use serde::{Deserialize, Serialize};

/// One capability, by its number in `linux/capability.h`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cap(pub u8);

#[allow(missing_docs)] // each is described in capabilities(7) under its name
impl Cap {
    pub const CHOWN: Cap = Cap(0);
    pub const DAC_OVERRIDE: Cap = Cap(1);
    pub const DAC_READ_SEARCH: Cap = Cap(2);
    pub const FOWNER: Cap = Cap(3);
    pub const FSETID: Cap = Cap(4);
    pub const KILL: Cap = Cap(5);
    pub const SETGID: Cap = Cap(6);
    pub const SETUID: Cap = Cap(7);
    pub const SETPCAP: Cap = Cap(8);
    pub const LINUX_IMMUTABLE: Cap = Cap(9);
    pub const NET_BIND_SERVICE: Cap = Cap(10);
    pub const NET_BROADCAST: Cap = Cap(11);
    pub const NET_ADMIN: Cap = Cap(12);
    pub const NET_RAW: Cap = Cap(13);
    pub const IPC_LOCK: Cap = Cap(14);
    pub const IPC_OWNER: Cap = Cap(15);
    pub const SYS_MODULE: Cap = Cap(16);
    pub const SYS_RAWIO: Cap = Cap(17);
    pub const SYS_CHROOT: Cap = Cap(18);
    pub const SYS_PTRACE: Cap = Cap(19);
    pub const SYS_PACCT: Cap = Cap(20);
    pub const SYS_ADMIN: Cap = Cap(21);
    pub const SYS_BOOT: Cap = Cap(22);
    pub const SYS_NICE: Cap = Cap(23);
    pub const SYS_RESOURCE: Cap = Cap(24);
    pub const SYS_TIME: Cap = Cap(25);
    pub const SYS_TTY_CONFIG: Cap = Cap(26);
    pub const MKNOD: Cap = Cap(27);
    pub const LEASE: Cap = Cap(28);
    pub const AUDIT_WRITE: Cap = Cap(29);
    pub const AUDIT_CONTROL: Cap = Cap(30);
    pub const SETFCAP: Cap = Cap(31);
    pub const MAC_OVERRIDE: Cap = Cap(32);
    pub const MAC_ADMIN: Cap = Cap(33);
    pub const SYSLOG: Cap = Cap(34);
    pub const WAKE_ALARM: Cap = Cap(35);
    pub const BLOCK_SUSPEND: Cap = Cap(36);
    pub const AUDIT_READ: Cap = Cap(37);
    pub const PERFMON: Cap = Cap(38);
    pub const BPF: Cap = Cap(39);
    pub const CHECKPOINT_RESTORE: Cap = Cap(40);
}

/// The names, without `CAP_`, lower case, in numeric order.
pub const NAMES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

impl Cap {
    /// The name as the kernel's headers write it, such as `CAP_SYS_ADMIN`.
    pub fn name(self) -> String {
        NAMES
            .get(usize::from(self.0))
            .map_or_else(|| format!("CAP_{}", self.0), |n| format!("CAP_{}", n.to_uppercase()))
    }

    /// The capability of this name, with or without `cap_`, in any case.
    pub fn from_name(name: &str) -> Option<Cap> {
        let name = name.to_ascii_lowercase();
        let short = name.strip_prefix("cap_").unwrap_or(&name);
        NAMES.iter().position(|n| *n == short).map(|i| Cap(i as u8))
    }
}

impl fmt::Display for Cap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

/// A set of capabilities: bit N is capability N.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CapSet(pub u64);

impl CapSet {
    /// No capability.
    pub const EMPTY: CapSet = CapSet(0);
    /// All 41 of them.
    pub const FULL: CapSet = CapSet((1 << NAMES.len()) - 1);

    /// Whether `cap` is in the set.
    pub const fn has(self, cap: Cap) -> bool {
        cap.0 < 64 && self.0 & (1 << cap.0) != 0
    }

    /// The set with `cap` added.
    #[must_use]
    pub const fn with(self, cap: Cap) -> CapSet {
        CapSet(self.0 | (1 << cap.0))
    }

    /// The set without `cap`.
    #[must_use]
    pub const fn without(self, cap: Cap) -> CapSet {
        CapSet(self.0 & !(1 << cap.0))
    }

    /// Whether every capability of `self` is in `other`.
    pub const fn is_subset(self, other: CapSet) -> bool {
        self.0 & !other.0 == 0
    }

    /// The capabilities in the set, in numeric order.
    pub fn iter(self) -> impl Iterator<Item = Cap> {
        (0..64).map(Cap).filter(move |c| self.has(*c))
    }
}

impl std::ops::BitAnd for CapSet {
    type Output = CapSet;
    fn bitand(self, other: CapSet) -> CapSet {
        CapSet(self.0 & other.0)
    }
}

impl std::ops::BitOr for CapSet {
    type Output = CapSet;
    fn bitor(self, other: CapSet) -> CapSet {
        CapSet(self.0 | other.0)
    }
}

impl fmt::Display for CapSet {
    /// Sixteen hexadecimal digits, as in `/proc/PID/status`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}
