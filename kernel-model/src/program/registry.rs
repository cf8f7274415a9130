//! The programs that exist, by name.

use std::future::Future;
use std::pin::Pin;

use super::Sys;

/// A program's running code.
pub type Running = Pin<Box<dyn Future<Output = i32>>>;

/// A program: what it is called, what of it is modelled, and its `main`.
pub struct Program {
    /// The name of its executable.
    pub name: &'static str,
    /// Where its executable lies in the standard world.
    pub dir: &'static str,
    /// One line: what it is for.
    pub summary: &'static str,
    /// The options that are modelled, as `help NAME` prints them: one `-x, --long ARG  meaning` a line.
    pub usage: &'static str,
    /// Its code: returns the exit status.
    pub main: fn(Sys) -> Running,
}

/// What a program's `main` may give back.
pub trait Status {
    /// The exit status.
    fn status(self) -> i32;
}

impl Status for i32 {
    fn status(self) -> i32 {
        self
    }
}

/// With `?` a program can stop early: the error is an exit status, too.
impl Status for Result<i32, i32> {
    fn status(self) -> i32 {
        self.unwrap_or_else(|status| status)
    }
}

/// Declares a [`Program`] constant from an `async fn(Sys)` that gives back a [`Status`].
#[macro_export]
macro_rules! program {
    ($konst:ident = $name:literal in $dir:literal, $summary:literal, $main:path, $usage:expr) => {
        #[doc = concat!("`", $name, "`: ", $summary)]
        pub const $konst: $crate::program::registry::Program = $crate::program::registry::Program {
            name: $name,
            dir: $dir,
            summary: $summary,
            usage: $usage,
            main: |sys| Box::pin(async { $crate::program::registry::Status::status($main(sys).await) }),
        };
    };
}

/// Every program, by folder, with what the folder is about.
const GROUPS: &[(&str, &[&Program])] = &[
    ("Files, directories and text", super::coreutils::PROGRAMS),
    ("Searching and editing text", super::text::PROGRAMS),
    ("Namespaces, mounts and the system", super::util_linux::PROGRAMS),
    ("Processes", super::procps::PROGRAMS),
    ("Trees of processes", super::psmisc::PROGRAMS),
    ("Tracing", super::strace::PROGRAMS),
    ("Using things up", super::stress::PROGRAMS),
    ("Control groups", super::libcgroup::PROGRAMS),
    ("Users and privileges", super::security::PROGRAMS),
    ("AppArmor", &super::security::apparmor::PROGRAMS),
    ("SELinux", &super::security::selinux::PROGRAMS),
    ("Networks", super::net::PROGRAMS),
    ("Container runtimes", super::container::PROGRAMS),
    ("System containers", super::container::LXC),
    ("Virtual machines", super::qemu::PROGRAMS),
    ("Xen", super::xen::PROGRAMS),
    ("The shell and help", super::shell::PROGRAMS),
];

/// The programs by area, in the order in which `help` lists them.
pub fn areas() -> impl Iterator<Item = (&'static str, &'static [&'static Program])> {
    GROUPS.iter().copied().filter(|(_, programs)| !programs.is_empty())
}

/// Every program of the standard world.
pub fn programs() -> impl Iterator<Item = &'static Program> {
    GROUPS.iter().flat_map(|(_, programs)| programs.iter().copied())
}

/// The program of this name.
pub fn find(name: &str) -> Option<&'static Program> {
    programs().find(|p| p.name == name)
}
