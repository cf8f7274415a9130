//! Timers of the network: what happens because nothing else has happened.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::device::NetDevId;
use super::socket::SocketId;
use crate::kernel::Kernel;

/// What a timer is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum NetTimer {
    /// A neighbour that was asked for, or whose entry grows old.
    Neighbour(NetDevId, Ipv4Addr),
    /// A TCP connection that waits for the other end, or for its last moment.
    Tcp(SocketId),
}

impl Kernel<'_> {
    /// Lets everything happen whose time has come.
    pub(crate) fn expire_net_timers(&mut self) {
        while let Some((at, timer)) = self.net_timers.get_min().copied()
            && at <= self.clock
        {
            self.net_timers.remove(&(at, timer));
            match timer {
                NetTimer::Neighbour(dev, address) => {
                    if let Some(n) = self.net_devices.get_mut(dev).and_then(|d| d.neighbours.get_mut(&address)) {
                        n.timer = None;
                    }
                    self.neigh_timer(dev, address);
                }
                NetTimer::Tcp(socket) => self.tcp_timer(socket),
            }
            self.net_rx_action();
        }
    }
}
