//! The cpuacct controller of version 1: counts processor time. Its files are not modelled yet.

use super::{Controller, ControllerId};

/// The controller.
pub static CPUACCT: Controller = Controller { in_v2: false, ..Controller::new(ControllerId::Cpuacct, "cpuacct") };
