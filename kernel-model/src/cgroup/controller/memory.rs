//! The memory controller: what groups may keep in memory. Its files are not modelled yet.

use super::{Controller, ControllerId};

/// The controller.
pub static MEMORY: Controller = Controller { ..Controller::new(ControllerId::Memory, "memory") };
