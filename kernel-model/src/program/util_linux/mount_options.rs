//! Options of mount(8): which are bits for mount(2), which are for the file system, which are for the tool.

/// Bits of mount(2).
#[allow(missing_docs)] // the flags of mount(2)
pub mod ms {
    pub const RDONLY: u64 = 1;
    pub const NOSUID: u64 = 2;
    pub const NODEV: u64 = 4;
    pub const NOEXEC: u64 = 8;
    pub const SYNCHRONOUS: u64 = 16;
    pub const REMOUNT: u64 = 32;
    pub const MANDLOCK: u64 = 64;
    pub const DIRSYNC: u64 = 128;
    pub const NOSYMFOLLOW: u64 = 256;
    pub const NOATIME: u64 = 1024;
    pub const NODIRATIME: u64 = 2048;
    pub const BIND: u64 = 4096;
    pub const MOVE: u64 = 8192;
    pub const REC: u64 = 16384;
    pub const SILENT: u64 = 32768;
    pub const UNBINDABLE: u64 = 1 << 17;
    pub const PRIVATE: u64 = 1 << 18;
    pub const SLAVE: u64 = 1 << 19;
    pub const SHARED: u64 = 1 << 20;
    pub const RELATIME: u64 = 1 << 21;
    pub const I_VERSION: u64 = 1 << 23;
    pub const STRICTATIME: u64 = 1 << 24;
    pub const LAZYTIME: u64 = 1 << 25;
    /// All bits that change the propagation type.
    pub const PROPAGATION: u64 = UNBINDABLE | PRIVATE | SLAVE | SHARED;
}

/// An option: its bit, and whether it clears it.
const OPTIONS: &[(&str, u64, bool)] = &[
    ("ro", ms::RDONLY, false),
    ("rw", ms::RDONLY, true),
    ("exec", ms::NOEXEC, true),
    ("noexec", ms::NOEXEC, false),
    ("suid", ms::NOSUID, true),
    ("nosuid", ms::NOSUID, false),
    ("dev", ms::NODEV, true),
    ("nodev", ms::NODEV, false),
    ("sync", ms::SYNCHRONOUS, false),
    ("async", ms::SYNCHRONOUS, true),
    ("dirsync", ms::DIRSYNC, false),
    ("remount", ms::REMOUNT, false),
    ("bind", ms::BIND, false),
    ("rbind", ms::BIND | ms::REC, false),
    ("move", ms::MOVE, false),
    ("mand", ms::MANDLOCK, false),
    ("nomand", ms::MANDLOCK, true),
    ("silent", ms::SILENT, false),
    ("loud", ms::SILENT, true),
    ("atime", ms::NOATIME, true),
    ("noatime", ms::NOATIME, false),
    ("diratime", ms::NODIRATIME, true),
    ("nodiratime", ms::NODIRATIME, false),
    ("relatime", ms::RELATIME, false),
    ("norelatime", ms::RELATIME, true),
    ("strictatime", ms::STRICTATIME, false),
    ("nostrictatime", ms::STRICTATIME, true),
    ("lazytime", ms::LAZYTIME, false),
    ("nolazytime", ms::LAZYTIME, true),
    ("iversion", ms::I_VERSION, false),
    ("noiversion", ms::I_VERSION, true),
    ("symfollow", ms::NOSYMFOLLOW, true),
    ("nosymfollow", ms::NOSYMFOLLOW, false),
];

/// Propagation types. They are never combined with others in one call of mount(2).
const PROPAGATION: &[(&str, u64)] = &[
    ("unbindable", ms::UNBINDABLE),
    ("runbindable", ms::UNBINDABLE | ms::REC),
    ("private", ms::PRIVATE),
    ("rprivate", ms::PRIVATE | ms::REC),
    ("slave", ms::SLAVE),
    ("rslave", ms::SLAVE | ms::REC),
    ("shared", ms::SHARED),
    ("rshared", ms::SHARED | ms::REC),
];

/// Options of the tool and of fstab(5), of which the kernel hears nothing.
const OWN: &[&str] = &["defaults", "auto", "noauto", "nouser", "nousers", "nogroup", "_netdev", "nofail", "owner"];

/// A list of options taken apart.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MountOptions {
    /// Bits for mount(2).
    pub flags: u64,
    /// Every bit that an option named, in order, and whether it was cleared.
    pub changes: Vec<(u64, bool)>,
    /// Propagation types to set, each in a call of its own.
    pub propagation: Vec<u64>,
    /// What is left for the file system.
    pub data: Vec<String>,
    /// A loop device was asked for.
    pub wants_loop: bool,
}

impl MountOptions {
    /// Takes in a comma-separated list; later options win.
    pub fn add(&mut self, list: &str) {
        for option in list.split(',').filter(|o| !o.is_empty()) {
            self.add_one(option);
        }
    }

    fn add_one(&mut self, option: &str) {
        if let Some((_, bit, clears)) = OPTIONS.iter().find(|(name, ..)| *name == option) {
            if *clears {
                self.flags &= !bit
            } else {
                self.flags |= bit
            }
            self.changes.push((*bit, *clears));
        } else if let Some((_, bits)) = PROPAGATION.iter().find(|(name, _)| *name == option) {
            self.propagation.push(*bits);
        } else if matches!(option, "user" | "users" | "group") {
            self.flags |= ms::NOSUID | ms::NODEV;
            if option != "group" {
                self.flags |= ms::NOEXEC;
            }
        } else if option == "loop" || option.starts_with("loop=") {
            self.wants_loop = true;
        } else if !OWN.contains(&option) && !option.starts_with("x-") && !option.starts_with("X-") {
            self.data.push(option.to_owned());
        }
    }

    /// What the file system gets to read.
    pub fn data(&self) -> Option<String> {
        (!self.data.is_empty()).then(|| self.data.join(","))
    }
}

/// The bits of a propagation type by its name.
pub fn propagation(name: &str) -> Option<u64> {
    PROPAGATION.iter().find(|(n, _)| *n == name).map(|(_, bits)| *bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_options_win_and_the_rest_is_for_the_file_system() {
        let mut o = MountOptions::default();
        o.add("ro,nosuid,size=1m,x-a=b,noatime,rw,mode=700,private,defaults");
        assert_eq!(o.flags, ms::NOSUID | ms::NOATIME);
        assert_eq!(o.data().as_deref(), Some("size=1m,mode=700"));
        assert_eq!(o.propagation, [ms::PRIVATE]);
    }
}
