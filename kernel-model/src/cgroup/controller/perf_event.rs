//! The perf_event controller: lets perf(1) watch a group. It has no files; in version 2 it always works everywhere.

use super::{Controller, ControllerId};

/// The controller.
pub static PERF_EVENT: Controller =
    Controller { threaded: true, ..Controller::new(ControllerId::PerfEvent, "perf_event") };
