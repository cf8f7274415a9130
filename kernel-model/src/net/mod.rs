//! The network of a network namespace: its devices, its routes, and the sockets by which programs talk
//! to it and about it.
//!
//! [`device`] says what a device is, [`route`] where a packet goes, [`socket`] what is behind a socket's
//! descriptor, [`netlink`] how programs look at devices and change them, [`icmp`] how an echo comes back.
//! So far the only device is `lo`.

pub mod device;
pub mod icmp;
pub mod netlink;
pub mod route;
pub mod socket;
