//! Platforms: what a kernel can run on.

pub mod bare_metal;
pub mod computer;
pub mod console;
pub mod counters;
pub mod hardware;
pub mod kernel_tables;

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

pub use bare_metal::BareMetal;

/// A platform by name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Platform {
    /// A kernel on the bare machine.
    #[default]
    Native,
}

/// The names of the platforms to come, so that asking for one is answered with the truth.
const NOT_MODELLED: [&str; 10] =
    ["container", "kvm-ept", "kvm-shadow", "xen-pv", "xen-pv32", "xen-pv64", "xen-hvm", "bt", "emulated", "uml"];

/// Why a platform cannot be had.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum PlatformError {
    /// It is known and not there yet.
    #[error("the platform '{0}' is not modelled yet; there is: native")]
    NotModelled(String),
    /// Nobody has heard of it.
    #[error("there is no platform '{0}'; there is: native")]
    Unknown(String),
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(name: &str) -> Result<Self, PlatformError> {
        match name {
            "native" => Ok(Platform::Native),
            known if NOT_MODELLED.contains(&known) => Err(PlatformError::NotModelled(name.to_owned())),
            other => Err(PlatformError::Unknown(other.to_owned())),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Platform::Native => f.write_str("native"),
        }
    }
}
