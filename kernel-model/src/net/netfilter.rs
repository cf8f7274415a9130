//! The packet filter: where rules see a packet on its way.

use super::device::NetDevId;
use super::packet::Packet;
use crate::kernel::Kernel;
use crate::namespace::net::NetNsId;

/// Where a packet is when rules see it (`NF_INET_*`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hook {
    /// It has come in.
    PreRouting,
    /// It is for this host.
    Input,
    /// It goes on.
    Forward,
    /// It is sent from here.
    Output,
    /// It leaves.
    PostRouting,
}

/// What becomes of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It goes on its way.
    Accept,
    /// It is gone.
    Drop,
    /// It is gone, and whoever sent it has been told.
    Stolen,
}

/// A packet that rules look at (`struct nf_hook_state`).
pub struct Passage {
    /// Where.
    pub net: NetNsId,
    /// The packet.
    pub packet: Packet,
    /// The device through which it has come in.
    pub in_dev: Option<NetDevId>,
    /// The device through which it is about to leave.
    pub out_dev: Option<NetDevId>,
}

impl Kernel<'_> {
    /// Lets the rules of a hook see a packet.
    pub(crate) fn nf_hook(&mut self, _hook: Hook, _passage: &mut Passage) -> Verdict {
        Verdict::Accept
    }
}
