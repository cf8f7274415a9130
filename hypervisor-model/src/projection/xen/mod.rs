//! Xen for eyes: each file one picture as plain data, with what a step has changed in it and its text twin.

pub mod channels;
pub mod frames;
pub mod grants;
pub mod lanes;
pub mod pv_table;
pub mod store;

use crate::machine::measured::Measured;
use crate::machine::xen::host::XenParts;
use crate::xen::domain::{DomId, GuestKind};
use crate::xen::xenstore::{Asker, XenStore};

/// Said of a machine on which there is no Xen that could be looked at: an HVM guest's among them.
pub const NOTHING: &str = "Nothing of Xen's domains can be seen from here: this kernel is not domain 0.";

/// Xen before a step and after it; none on a machine without.
pub fn parts_of<'a>(before: &'a dyn Measured, after: &'a dyn Measured) -> Option<(XenParts<'a>, XenParts<'a>)> {
    before.xen().zip(after.xen())
}

/// The domains: number and name.
pub fn domain_names(xen: XenParts<'_>) -> Vec<(u16, String)> {
    xen.xen().domains().map(|d| (d.id.0, name_of(xen.store(), d.id))).collect()
}

/// What a domain is called: by the toolstack in xenstore.
fn name_of(store: &XenStore, id: DomId) -> String {
    store.read(Asker::of(DomId::DOM0), &format!("/local/domain/{}/name", id.0)).unwrap_or_default()
}

/// How a guest runs, as `xl` names it with its width.
fn kind_name(kind: GuestKind) -> &'static str {
    match kind {
        GuestKind::Pv32 => "PV, 32 bit",
        GuestKind::Pv64 => "PV, 64 bit",
        GuestKind::Hvm => "HVM",
    }
}
