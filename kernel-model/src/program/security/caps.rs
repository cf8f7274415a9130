//! The capability calls as libcap makes them, and the text forms of capability sets (cap_from_text(3)).

use crate::errno::Errno;
use crate::program::Sys;
use crate::security::capability::CapSet;
use crate::syscall::identity::capset::LINUX_CAPABILITY_VERSION_3;
use crate::syscall::{Sysno, Value};

/// The three classic sets of a thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sets {
    /// What counts.
    pub effective: CapSet,
    /// What may be made effective.
    pub permitted: CapSet,
    /// What execve(2) may hand on.
    pub inheritable: CapSet,
}

fn header(pid: i32) -> Value {
    Value::record([("version", LINUX_CAPABILITY_VERSION_3.into()), ("pid", pid.into())])
}

#[allow(clippy::missing_errors_doc)] // each has the errors of its call
impl Sys {
    /// capget(2). Output at position 1.
    pub async fn capget(&self, pid: i32) -> Result<Sets, Errno> {
        let ret = self.call(Sysno::CAPGET, vec![header(pid), Value::Null]).await?;
        let set = |name| CapSet(ret.output(1).field(name).and_then(Value::as_int).unwrap_or(0) as u64);
        Ok(Sets { effective: set("effective"), permitted: set("permitted"), inheritable: set("inheritable") })
    }

    /// capset(2), for the caller itself.
    pub async fn capset(&self, sets: &Sets) -> Result<(), Errno> {
        let data = Value::record([
            ("effective", sets.effective.0.into()),
            ("permitted", sets.permitted.0.into()),
            ("inheritable", sets.inheritable.0.into()),
        ]);
        self.call(Sysno::CAPSET, vec![header(0), data]).await.map(drop)
    }

    /// setgroups(2).
    pub async fn setgroups(&self, groups: &[u32]) -> Result<(), Errno> {
        let list = groups.iter().map(|g| Value::from(*g)).collect();
        self.call(Sysno::SETGROUPS, vec![groups.len().into(), Value::List(list)]).await.map(drop)
    }
}
