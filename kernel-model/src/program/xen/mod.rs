//! The tools of Xen 4.17 in domain 0: `xl`, the clients of xenstore, `lsevtchn`.
//!
//! They know only system calls: hypercalls by ioctl(2) of `/dev/xen/privcmd` ([`privcmd`]), messages to xenstored through
//! `/dev/xen/xenbus` ([`xenstore`]). Where there is no Xen these nodes are missing, and the tools say so.

mod client;
mod config;
mod console;
mod create;
mod destroy;
mod devices;
mod info;
mod lsevtchn;
mod monitor;
mod privcmd;
mod shutdown;
#[cfg(test)]
mod tests;
mod xenstore;
mod xl;

use super::registry::Program;

/// The programs in this folder.
pub const PROGRAMS: &[&Program] = &[
    &xl::XL,
    &client::LS,
    &client::READ,
    &client::WRITE,
    &client::LIST,
    &client::RM,
    &client::EXISTS,
    &client::WATCH,
    &lsevtchn::LSEVTCHN,
];
