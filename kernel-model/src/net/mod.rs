//! The network of network namespaces: devices, addresses, routes and neighbours, the packets that travel between them,
//! and the sockets by which programs talk through it and about it.
//!
//! - [`device`] says what a device is, [`registry`] how it comes, changes and goes, [`bridge`] what a bridge does;
//! - [`address`], [`fib`], [`route`], [`neighbour`] decide where a packet goes, [`conf`] holds the settings for that;
//! - [`packet`] is what travels, [`softnet`] moves it from device to device, [`ip`] through a host, [`netfilter`] looks
//!   at it on the way;
//! - [`icmp`], [`udp`], [`tcp`] are what is in it, [`socket`] is what a program holds of it;
//! - [`unix`] is what programs of one machine use among themselves, without any packet;
//! - [`rtnetlink`] is how programs look at all this and change it, [`sock_diag`] how they look at sockets; `sysfs` shows devices as
//!   files; [`timer`] is what happens when nothing else does.

pub mod address;
pub mod bridge;
mod check;
pub mod conf;
pub mod device;
pub mod fib;
pub mod icmp;
pub mod ip;
pub mod mac;
pub mod neighbour;
pub mod netfilter;
pub mod packet;
pub mod registry;
pub mod route;
pub mod rtnetlink;
pub mod sock_diag;
pub mod socket;
pub mod softnet;
mod sysfs;
pub mod tcp;
mod tcp_input;
pub mod timer;
pub mod tun;
pub mod udp;
pub mod unix;
pub mod wire;
