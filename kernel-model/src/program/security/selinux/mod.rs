//! The tools of SELinux: its mode, and the labels of files and processes.

mod label;
mod mode;
#[cfg(test)]
mod tests;

use super::super::registry::Program;
use crate::errno::Errno;
use crate::program::Sys;
use crate::security::lsm::selinux::XATTR;
use crate::syscall::{Sysno, Value};

/// The programs in this folder.
pub const PROGRAMS: [&Program; 8] = [
    &label::CHCON,
    &label::RESTORECON,
    &label::RUNCON,
    &mode::GETENFORCE,
    &mode::GETSEBOOL,
    &mode::SESTATUS,
    &mode::SETENFORCE,
    &mode::SETSEBOOL,
];

/// Where the kernel is asked.
const SELINUXFS: &str = "/sys/fs/selinux";

impl Sys {
    /// Whether SELinux is there (is_selinux_enabled(3)).
    pub async fn is_selinux_enabled(&self) -> bool {
        self.stat(&format!("{SELINUXFS}/enforce")).await.is_ok()
    }

    /// The label of a file (getfilecon(3)).
    ///
    /// # Errors
    /// Those of getxattr(2).
    pub async fn file_label(&self, path: &str, follow: bool) -> Result<String, Errno> {
        let nr = if follow { Sysno::GETXATTR } else { Sysno::LGETXATTR };
        let ret = self.call(nr, vec![path.into(), XATTR.into(), Value::Null, 255.into()]).await?;
        let bytes = ret.output(2).as_bytes().unwrap_or_default();
        Ok(String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned())
    }

    /// Gives a file a label (setfilecon(3)).
    ///
    /// # Errors
    /// Those of setxattr(2).
    pub async fn set_file_label(&self, path: &str, label: &str, follow: bool) -> Result<(), Errno> {
        let nr = if follow { Sysno::SETXATTR } else { Sysno::LSETXATTR };
        let value = format!("{label}\0").into_bytes();
        let size = value.len();
        self.call(nr, vec![path.into(), XATTR.into(), Value::bytes(value), size.into(), 0.into()]).await.map(drop)
    }

    /// The label of the caller (getcon(3)).
    ///
    /// # Errors
    /// Those of open(2) and read(2): EINVAL without SELinux.
    pub async fn own_label(&self) -> Result<String, Errno> {
        Ok(self.read_file("/proc/self/attr/current").await?.trim_end_matches(['\0', '\n']).to_owned())
    }
}
