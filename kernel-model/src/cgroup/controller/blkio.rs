//! The io controller, in version 1 blkio: how groups share block devices. Its files are not modelled yet.

use super::{Controller, ControllerId};

/// The controller.
pub static IO: Controller = Controller {
    legacy_name: "blkio",
    depends_on: super::ControllerSet::MEMORY,
    ..Controller::new(ControllerId::Io, "io")
};
