//! The cpuset controller: on which processors and memory nodes groups may run. Its files are not modelled yet.

use super::{Controller, ControllerId};

/// The controller.
pub static CPUSET: Controller = Controller { threaded: true, ..Controller::new(ControllerId::Cpuset, "cpuset") };
