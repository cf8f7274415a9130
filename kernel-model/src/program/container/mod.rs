//! Container runtimes: ordinary programs that make nothing but system calls.
//!
//! [`runc`] builds a container from a bundle; [`docker`] stands in front of it with images. A container that is made by hand with unshare(1), mount(8) and
//! pivot_root(8) is the same thing: nothing in the kernel knows the difference.

#[cfg(test)]
mod by_hand;
mod docker;
mod golang;
mod json;
mod lxc;
mod netlink;
mod oci;
mod runc;
#[cfg(test)]
mod tests;

use super::registry::Program;

/// The programs in this folder.
pub const PROGRAMS: &[&Program] = &[&docker::CONTAINERD_SHIM, &docker::DOCKER, &runc::RUNC];

/// The programs of LXC.
pub const LXC: &[&Program] = lxc::PROGRAMS;
