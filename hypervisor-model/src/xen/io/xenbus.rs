//! XenbusState: how two halves of a driver find and leave each other. Source: `xen/include/public/io/xenbus.h`; Linux 6.1,
//! `drivers/xen/xenbus/xenbus_client.c`.
//!
//! Each half writes its own state into its directory of xenstore, and watches the other's.

use serde::{Deserialize, Serialize};

use crate::xen::domain::DomId;
use crate::xen::driver::Host;
use crate::xen::xenstore::wire::MessageType;
use crate::xen::xenstore::{Asker, XenStore};

/// The state of one half of a driver.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub enum XenbusState {
    /// Nothing is known of it: it is not there.
    #[default]
    Unknown = 0,
    /// The toolstack has made it.
    Initialising = 1,
    /// The backend waits for the frontend's details.
    InitWait = 2,
    /// The frontend has told its details.
    Initialised = 3,
    /// It works.
    Connected = 4,
    /// It is to end.
    Closing = 5,
    /// It has ended.
    Closed = 6,
    /// It is being changed.
    Reconfiguring = 7,
    /// It has been changed.
    Reconfigured = 8,
}

impl XenbusState {
    /// All of them.
    pub const ALL: [XenbusState; 9] = [
        XenbusState::Unknown,
        XenbusState::Initialising,
        XenbusState::InitWait,
        XenbusState::Initialised,
        XenbusState::Connected,
        XenbusState::Closing,
        XenbusState::Closed,
        XenbusState::Reconfiguring,
        XenbusState::Reconfigured,
    ];

    /// What a text in xenstore says (`xenbus_read_driver_state`).
    pub fn from_text(text: &str) -> XenbusState {
        let number = text.parse::<usize>().unwrap_or(0);
        XenbusState::ALL.get(number).copied().unwrap_or_default()
    }
}

/// Which kind of device.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum DeviceKind {
    /// A disk.
    Vbd,
    /// A network interface.
    Vif,
}

impl DeviceKind {
    /// What its directory is called.
    pub fn name(self) -> &'static str {
        match self {
            DeviceKind::Vbd => "vbd",
            DeviceKind::Vif => "vif",
        }
    }
}

/// A device: a frontend in one domain, a backend in another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct DeviceId {
    /// Which kind.
    pub kind: DeviceKind,
    /// Its number: 51712 for `xvda`, 0 for the first interface.
    pub number: u32,
    /// The domain of the frontend.
    pub frontend: DomId,
    /// The domain of the backend: 0, or a driver domain.
    pub backend: DomId,
}

impl DeviceId {
    /// The frontend's directory.
    pub fn front(&self) -> String {
        format!("/local/domain/{}/device/{}/{}", self.frontend.0, self.kind.name(), self.number)
    }

    /// The backend's directory.
    pub fn back(&self) -> String {
        let (backend, frontend) = (self.backend.0, self.frontend.0);
        format!("/local/domain/{backend}/backend/{}/{frontend}/{}", self.kind.name(), self.number)
    }

    /// The state of a half as xenstore has it.
    pub fn state(&self, store: &XenStore, directory: &str) -> XenbusState {
        let text = store.read(Asker::of(DomId::DOM0), &format!("{directory}/state")).unwrap_or_default();
        XenbusState::from_text(&text)
    }

    /// The frontend's.
    pub fn front_state(&self, store: &XenStore) -> XenbusState {
        self.state(store, &self.front())
    }

    /// The backend's.
    pub fn back_state(&self, store: &XenStore) -> XenbusState {
        self.state(store, &self.back())
    }
}

/// Writes a node of a device's directory (`xenbus_printf`); what one's own domain may not write is not written.
pub fn write(host: &mut Host, domain: DomId, directory: &str, name: &str, value: &str) {
    host.xenbus_write(domain, 0, &format!("{directory}/{name}"), value);
}

/// Says in which state a half is (`__xenbus_switch_state`): only if its directory is still there, in one transaction.
pub fn switch_state(host: &mut Host, domain: DomId, directory: &str, state: XenbusState) {
    let path = format!("{directory}/state");
    loop {
        let started = host.xenbus(domain, MessageType::TransactionStart, 0, vec![0]);
        let number = String::from_utf8_lossy(&started.payload).trim_end_matches('\0').parse();
        let (MessageType::TransactionStart, Ok(transaction)) = (started.kind, number) else { return };
        let is_there = host.xenbus_read(domain, transaction, &path).is_some();
        if is_there {
            host.xenbus_write(domain, transaction, &path, &(state as u32).to_string());
        }
        let end: &[u8] = if is_there { b"T\0" } else { b"F\0" };
        let ended = host.xenbus(domain, MessageType::TransactionEnd, transaction, end.to_vec());
        if ended.kind != MessageType::Error || ended.payload != b"EAGAIN\0" {
            return;
        }
    }
}

/// Reads a node of a device's directory as a number.
pub fn read_number(host: &mut Host, domain: DomId, directory: &str, name: &str) -> Option<u64> {
    host.xenbus_read(domain, 0, &format!("{directory}/{name}"))?.parse().ok()
}
