//! Event channels: interrupts between domains, and from Xen to a domain.
//!
//! A domain has *ports*. An event sent into a port arrives at the other end as one bit. What a port is, Xen keeps
//! ([`Port`]); which ports are pending or masked is in memory that guest and Xen share ([`two_level`]). Source: Xen master
//! (c447b7308b13), `xen/common/event_channel.c`, `xen/include/public/event_channel.h`.
//!
//! Invariants ([`EventChannels::check`], [`Xen::check_channels`](super::Xen::check_channels)):
//! 1. The other end of an interdomain port is an interdomain port whose other end is this one.
//! 2. Port 0 is never given out.
//! 3. A processor with a selector bit set has its upcall pending.

pub mod bind;
pub mod fifo;
pub mod guest;
pub mod operations;
#[cfg(test)]
mod tests;
pub mod two_level;
pub mod virq;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::domain::{DomId, GuestKind};
use fifo::Fifo;
use two_level::SharedBits;

/// What a port is bound to (`struct evtchn`, `ECS_...`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum PortState {
    /// Kept for somebody who has not come yet (`ECS_UNBOUND`).
    Unbound {
        /// Who may bind to it.
        remote: DomId,
    },
    /// Bound to a port of a domain (`ECS_INTERDOMAIN`).
    Interdomain {
        /// The other domain.
        remote: DomId,
        /// Its port.
        port: u32,
    },
    /// A physical interrupt (`ECS_PIRQ`).
    Pirq(u32),
    /// A virtual interrupt, which Xen raises (`ECS_VIRQ`).
    Virq(u32),
    /// From one processor of the domain to another (`ECS_IPI`).
    Ipi,
}

impl PortState {
    /// The number that Xen's dump has after `s=` (`ECS_...`, `xen/include/xen/sched.h`).
    pub fn number(self) -> u32 {
        match self {
            PortState::Unbound { .. } => 2,
            PortState::Interdomain { .. } => 3,
            PortState::Pirq(_) => 4,
            PortState::Virq(_) => 5,
            PortState::Ipi => 6,
        }
    }
}

/// A port that is in use.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Port {
    /// What it is bound to.
    pub state: PortState,
    /// The processor that gets its events.
    pub notify_vcpu: u32,
    /// Xen itself is at this end: the guest can neither close it nor send.
    pub is_xens: bool,
    /// Its priority, 0 the most urgent: only the FIFO ABI looks at it.
    pub priority: u8,
}

impl Port {
    /// A port of processor `notify_vcpu`.
    pub fn new(state: PortState, notify_vcpu: u32) -> Port {
        Port { state, notify_vcpu, is_xens: false, priority: fifo::PRIORITY_DEFAULT }
    }
}

/// How pending ports are told to the guest.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Abi {
    /// Bits in two levels.
    TwoLevel,
    /// Queues by priority.
    Fifo(Fifo),
}

/// What the toolstack allows by default: ports up to this number (`max_event_channels = 1023`, xl.cfg(5)).
pub const DEFAULT_MAX_PORT: u32 = 1023;

/// Structures for ports come in buckets of a page (`EVTCHNS_PER_BUCKET`).
const BUCKET: u32 = 64;

/// The event channels of a domain.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct EventChannels {
    /// Ports in use.
    pub ports: BTreeMap<u32, Port>,
    /// The highest port that may be given out (`max_evtchn_port`).
    pub max_port: u32,
    /// Ports below this have a structure in Xen (`valid_evtchns`); it grows by buckets.
    pub valid: u32,
    /// The bits of the two-level ABI, in the shared-info page.
    pub bits: SharedBits,
    /// Which ABI is in use.
    pub abi: Abi,
}

impl EventChannels {
    /// No ports; the two-level ABI.
    pub fn new(kind: GuestKind) -> EventChannels {
        let bits = SharedBits::new(kind);
        EventChannels { ports: BTreeMap::new(), max_port: DEFAULT_MAX_PORT, valid: BUCKET, bits, abi: Abi::TwoLevel }
    }

    /// How many ports the ABI can tell of (`max_evtchns`).
    pub fn limit(&self) -> u32 {
        match self.abi {
            Abi::TwoLevel => self.bits.ports(),
            Abi::Fifo(_) => fifo::PORTS,
        }
    }

    /// Whether Xen has a structure for this port (`port_is_valid`).
    pub fn is_valid(&self, port: u32) -> bool {
        port < self.valid
    }

    /// Puts a port to use.
    pub fn insert(&mut self, number: u32, port: Port) {
        self.ports.insert(number, port);
        self.valid = self.valid.max(number / BUCKET * BUCKET + BUCKET);
    }

    /// The lowest port that is free (`get_free_port`); `None` when there is none.
    pub fn free_port(&self) -> Option<u32> {
        (1..=self.max_port).take_while(|port| *port < self.limit()).find(|port| !self.ports.contains_key(port))
    }

    /// Whether an event is waiting at a port.
    pub fn is_pending(&self, port: u32) -> bool {
        match &self.abi {
            Abi::TwoLevel => self.bits.is_pending(port),
            Abi::Fifo(fifo) => fifo.is_pending(port),
        }
    }

    /// Whether the guest has masked a port.
    pub fn is_masked(&self, port: u32) -> bool {
        match &self.abi {
            Abi::TwoLevel => self.bits.is_masked(port),
            Abi::Fifo(fifo) => fifo.is_masked(port),
        }
    }

    /// What must always hold within one domain; the text says what does not.
    pub fn check(&self) -> Result<(), String> {
        match self.ports.keys().next() {
            Some(0) => Err("port 0 was given out".to_owned()),
            _ => Ok(()),
        }
    }
}
