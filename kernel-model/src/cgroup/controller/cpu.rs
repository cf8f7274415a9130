//! The cpu controller: how groups share the processors, and how much of them they may use. Its files are not modelled yet.

use super::{Controller, ControllerId};

/// The controller.
pub static CPU: Controller = Controller { threaded: true, ..Controller::new(ControllerId::Cpu, "cpu") };
