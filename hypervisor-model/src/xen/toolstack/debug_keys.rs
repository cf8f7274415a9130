//! Xen's own dumps, for tests: see [`crate::xen::debug_keys`].

use super::XenSystem;

impl XenSystem {
    /// Key g: grant tables.
    pub fn debug_key_g(&self) -> String {
        self.host.xen.dump_grants()
    }

    /// Key e: event channels.
    pub fn debug_key_e(&self) -> String {
        self.host.xen.dump_channels()
    }
}
