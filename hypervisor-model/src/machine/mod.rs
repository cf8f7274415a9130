//! Platforms: what a kernel can run on.

pub mod bare_metal;
pub mod computer;
pub mod console;
pub mod cost;
pub mod counters;
pub mod emulated;
pub mod hardware;
pub mod kernel_tables;
pub mod kvm;
pub mod measured;
pub mod native;
pub mod processor;
pub mod uml;

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

pub use bare_metal::BareMetal;

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
    /// A guest of an emulator.
    Emulated,
    /// User-mode Linux: a kernel as a process.
    Uml,
}

/// The platforms with their names.
const PLATFORMS: [(Platform, &str); 6] = [
    (Platform::Native, "native"),
    (Platform::Container, "container"),
    (Platform::KvmEpt, "kvm-ept"),
    (Platform::KvmShadow, "kvm-shadow"),
    (Platform::Emulated, "emulated"),
    (Platform::Uml, "uml"),
];

/// The names of the platforms to come, so that asking for one is answered with the truth.
const NOT_MODELLED: [&str; 5] = ["bt", "xen-pv", "xen-pv32", "xen-pv64", "xen-hvm"];

/// Why a platform cannot be had.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum PlatformError {
    /// It is known and not there yet.
    #[error("the platform '{0}' is not modelled yet; there are: {names}", names = names())]
    NotModelled(String),
    /// Nobody has heard of it.
    #[error("there is no platform '{0}'; there are: {names}", names = names())]
    Unknown(String),
}

fn names() -> String {
    PLATFORMS.map(|(_, name)| name).join(", ")
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(name: &str) -> Result<Self, PlatformError> {
        match PLATFORMS.iter().find(|(_, known)| *known == name) {
            Some((platform, _)) => Ok(*platform),
            None if NOT_MODELLED.contains(&name) => Err(PlatformError::NotModelled(name.to_owned())),
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
