//! Platforms: what a kernel can run on.

pub mod bare_metal;
pub mod bt;
pub mod computer;
pub mod console;
pub mod cost;
pub mod counters;
pub mod emulated;
pub mod hardware;
pub mod host;
pub mod kernel_tables;
pub mod kvm;
pub mod lmbench;
pub mod measured;
pub mod microbenchmark;
pub mod native;
pub mod processor;
mod shadowed;
pub mod told;
pub mod uml;
pub mod virtual_processor;
pub mod vmware_vt;
pub mod xen;

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

pub use bare_metal::BareMetal;
pub use host::Host;

/// A platform by name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Platform {
    /// A kernel on the bare machine.
    #[default]
    Native,
    /// A process in a container: the same kernel on the same machine. Walls within a kernel cost nothing below it.
    Container,
    /// A guest of KVM with EPT.
    KvmEpt,
    /// A guest of KVM with shadow page tables.
    KvmShadow,
    /// A guest of VMware's VMM that translates the guest's kernel.
    Bt,
    /// A guest of VMware's VMM for VT-x without EPT, of 2006.
    VmwareVt,
    /// A guest of an emulator.
    Emulated,
    /// User-mode Linux: a kernel as a process, in an address space of its own (skas mode).
    Uml,
    /// User-mode Linux as it was first: the kernel in the address space of each of its processes, and a tracing thread (tt mode).
    UmlTt,
    /// A 32-bit PV guest of Xen: its kernel in ring 1.
    XenPv32,
    /// A 64-bit PV guest of Xen: kernel and programs in ring 3.
    XenPv64,
    /// An HVM guest of Xen with hardware-assisted paging.
    XenHvm,
}

/// The platforms with their names.
const PLATFORMS: [(Platform, &str); 12] = [
    (Platform::Native, "native"),
    (Platform::Container, "container"),
    (Platform::KvmEpt, "kvm-ept"),
    (Platform::KvmShadow, "kvm-shadow"),
    (Platform::Bt, "bt"),
    (Platform::VmwareVt, "vmware-vt"),
    (Platform::Emulated, "emulated"),
    (Platform::Uml, "uml"),
    (Platform::UmlTt, "uml-tt"),
    (Platform::XenPv32, "xen-pv32"),
    (Platform::XenPv64, "xen-pv64"),
    (Platform::XenHvm, "xen-hvm"),
];

/// Why a platform cannot be had.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum PlatformError {
    /// Nobody has heard of it.
    #[error("there is no platform '{0}'; there are: {names}", names = names())]
    Unknown(String),
}

fn names() -> String {
    PLATFORMS.map(|(_, name)| name).join(", ")
}

/// What the machines of sessions are numbered by: links hold these numbers, so they never change.
const CODES: [(Platform, u8); 12] = [
    (Platform::Native, 1),
    (Platform::Container, 2),
    (Platform::KvmEpt, 3),
    (Platform::KvmShadow, 4),
    (Platform::Emulated, 5),
    (Platform::Uml, 6),
    (Platform::XenPv32, 7),
    (Platform::XenPv64, 8),
    (Platform::XenHvm, 9),
    (Platform::Bt, 10),
    (Platform::VmwareVt, 11),
    (Platform::UmlTt, 12),
];

impl Platform {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Platform> {
        PLATFORMS.into_iter().map(|(platform, _)| platform)
    }

    /// Its number in a session's [`Config`](kernel_model::world::Config).
    pub fn code(self) -> u8 {
        CODES.iter().find(|(platform, _)| *platform == self).map_or(0, |(_, code)| *code)
    }

    /// What the tables are that the processor walks, in one sentence.
    pub fn tables(self) -> &'static str {
        match self {
            Platform::Native | Platform::Container => "The processor walks the kernel's own tables.",
            Platform::KvmEpt => "The processor walks the guest's tables, and nested ones (EPT) to find each of them.",
            Platform::XenHvm => "The processor walks the guest's tables, and Xen's nested ones to find each of them.",
            Platform::KvmShadow => "The processor walks shadow tables that KVM keeps instead of the guest's own.",
            Platform::Bt | Platform::VmwareVt => {
                "The processor walks shadow tables that the VMM keeps instead of the guest's own, by traces."
            }
            Platform::Emulated => "The emulator walks the guest's tables in software.",
            Platform::Uml | Platform::UmlTt => {
                "The processor walks the tables of the host, in which the guest's kernel has put its pages."
            }
            Platform::XenPv32 | Platform::XenPv64 => {
                "The processor walks the guest's own tables, in which every change went through Xen."
            }
        }
    }

    /// The platform with a number; none for 0, a machine that nobody looks at.
    pub fn of_code(code: u8) -> Option<Platform> {
        CODES.iter().find(|(_, known)| *known == code).map(|(platform, _)| *platform)
    }

    /// Whether its kernel runs in a mode that the processor has for guests, so that there are VM exits.
    pub fn is_hardware_assisted(self) -> bool {
        matches!(self, Platform::KvmEpt | Platform::KvmShadow | Platform::VmwareVt | Platform::XenHvm)
    }

    /// What it is, in one line.
    pub fn about(self) -> &'static str {
        match self {
            Platform::Native => "the kernel on the bare machine",
            Platform::Container => "the same kernel on the same machine: walls within a kernel cost nothing below it",
            Platform::KvmEpt => "a guest of KVM with nested paging (EPT)",
            Platform::KvmShadow => "a guest of KVM with shadow page tables",
            Platform::Bt => "a guest of VMware's VMM that translates its kernel (binary translation)",
            Platform::VmwareVt => "a guest of VMware's VMM for VT-x as of 2006, without EPT",
            Platform::Emulated => "a guest of an emulator",
            Platform::Uml => "user-mode Linux: the kernel as a process",
            Platform::UmlTt => "user-mode Linux in tt mode: a tracing thread, and the kernel in each process",
            Platform::XenPv32 => "a 32-bit paravirtual guest of Xen: its kernel in ring 1",
            Platform::XenPv64 => "a 64-bit paravirtual guest of Xen: kernel and programs in ring 3",
            Platform::XenHvm => "an HVM guest of Xen with nested paging",
        }
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(name: &str) -> Result<Self, PlatformError> {
        match PLATFORMS.iter().find(|(_, known)| *known == name) {
            Some((platform, _)) => Ok(*platform),
            None => Err(PlatformError::Unknown(name.to_owned())),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = PLATFORMS.iter().find(|(platform, _)| platform == self).map_or("?", |(_, name)| name);
        f.write_str(name)
    }
}
