//! The hugetlb controller: how many huge pages groups may use. Its files are not modelled yet.

use super::{Controller, ControllerId};

/// The controller.
pub static HUGETLB: Controller = Controller { ..Controller::new(ControllerId::Hugetlb, "hugetlb") };
