//! A Linux-like kernel as one plain value, and the user land on top of it.
//!
//! [`world::World`] is everything there is. The outside changes it only through an
//! [`action::Action`]; the world answers with [`event::Event`]s. [`timeline`] keeps the actions and
//! finds the state at any step again. Nothing in here knows a browser, a hypervisor or a clock.

pub mod action;
pub mod block;
pub mod boot;
#[cfg(feature = "calls")]
pub mod calls;
pub mod cgroup;
pub mod check;
pub mod console;
pub mod errno;
pub mod event;
pub mod ipc;
pub mod kernel;
pub mod machine;
pub mod mm;
pub mod namespace;
pub mod net;
pub mod printk;
pub mod program;
pub mod projection;
pub mod pv_ops;
pub mod security;
#[cfg(test)]
mod session;
pub mod shell;
pub mod step;
pub mod strace;
pub mod syscall;
pub mod table;
pub mod task;
#[cfg(test)]
mod testing;
pub mod time;
pub mod timeline;
pub mod tty;
pub mod vfs;
pub mod world;
