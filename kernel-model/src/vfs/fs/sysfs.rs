//! sysfs, as in sysfs(5): the kernel's objects as files. What of it programs here look at.

use crate::security::lsm::LsmChoice;

/// The length that every attribute file shows.
pub const ATTRIBUTE_SIZE: u64 = 4096;

/// Directories, parents first.
pub const DIRECTORIES: &[&str] = &[
    "block",
    "bus",
    "class",
    "class/mem",
    "class/net",
    "class/tty",
    "dev",
    "dev/block",
    "dev/char",
    "devices",
    "devices/pci0000:00",
    "devices/pci0000:00/virtio0",
    "devices/pci0000:00/virtio0/block",
    "devices/pci0000:00/virtio0/block/vda",
    "devices/pci0000:00/virtio0/block/vda/queue",
    "devices/system",
    "devices/system/cpu",
    "devices/system/cpu/cpu0",
    "devices/system/cpu/cpu1",
    "devices/system/node",
    "devices/system/node/node0",
    "devices/virtual",
    "devices/virtual/net",
    "firmware",
    "fs",
    "fs/cgroup",
    "hypervisor",
    "kernel",
    "kernel/mm",
    "kernel/mm/transparent_hugepage",
    "module",
    "power",
];

/// Files: path, permission bits, contents.
pub const FILES: &[(&str, u32, &str)] = &[
    ("devices/pci0000:00/virtio0/block/vda/dev", 0o444, "254:0\n"),
    ("devices/pci0000:00/virtio0/block/vda/size", 0o444, "2097152\n"),
    ("devices/pci0000:00/virtio0/block/vda/ro", 0o444, "0\n"),
    ("devices/pci0000:00/virtio0/block/vda/queue/scheduler", 0o644, "[none] mq-deadline\n"),
    ("devices/pci0000:00/virtio0/block/vda/queue/logical_block_size", 0o444, "512\n"),
    ("devices/pci0000:00/virtio0/block/vda/queue/rotational", 0o644, "0\n"),
    ("devices/system/cpu/isolated", 0o444, "\n"),
    ("devices/system/cpu/kernel_max", 0o444, "8191\n"),
    ("devices/system/cpu/offline", 0o444, "\n"),
    ("devices/system/cpu/online", 0o444, "0-1\n"),
    ("devices/system/cpu/possible", 0o444, "0-1\n"),
    ("devices/system/cpu/present", 0o444, "0-1\n"),
    ("devices/system/cpu/cpu1/online", 0o644, "1\n"),
    ("devices/system/node/online", 0o444, "0\n"),
    ("devices/system/node/possible", 0o444, "0\n"),
    ("kernel/mm/transparent_hugepage/enabled", 0o644, "always [madvise] never\n"),
    ("kernel/mm/transparent_hugepage/hpage_pmd_size", 0o444, "2097152\n"),
    ("kernel/uevent_seqnum", 0o444, "1000\n"),
];

/// Symbolic links: path, target.
pub const LINKS: &[(&str, &str)] = &[
    ("block/vda", "../devices/pci0000:00/virtio0/block/vda"),
    ("dev/block/254:0", "../../devices/pci0000:00/virtio0/block/vda"),
];

/// Directories and files that are there because of the active security module.
pub fn of_security_module(lsm: LsmChoice) -> (&'static [&'static str], &'static [(&'static str, u32, &'static str)]) {
    match lsm {
        LsmChoice::None => (&[], &[]),
        LsmChoice::AppArmor => (
            &["kernel/security", "module/apparmor", "module/apparmor/parameters"],
            &[
                ("module/apparmor/parameters/enabled", 0o444, "Y\n"),
                ("module/apparmor/parameters/mode", 0o600, "enforce\n"),
            ],
        ),
        LsmChoice::Selinux => (&["kernel/security", "fs/selinux"], &[]),
    }
}
