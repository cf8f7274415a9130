//! Hypercalls by `/dev/xen/privcmd` (libxencall, libxenctrl): numbers of `xen/include/public`.

use crate::errno::Errno;
use crate::program::Sys;
use crate::program::libc::o;
use crate::syscall::{Ret, Sysno, Value};

/// `IOCTL_PRIVCMD_HYPERCALL`.
const HYPERCALL: i64 = 0x0030_5000;
/// Hypercalls.
pub const MEMORY_OP: i64 = 12;
pub const XEN_VERSION: i64 = 17;
pub const EVENT_CHANNEL_OP: i64 = 32;
pub const SYSCTL: i64 = 35;
pub const DOMCTL: i64 = 36;
/// `XEN_DOMCTL_*`.
pub const CREATEDOMAIN: i64 = 1;
pub const DESTROYDOMAIN: i64 = 2;
pub const PAUSEDOMAIN: i64 = 3;
pub const UNPAUSEDOMAIN: i64 = 4;
pub const GETDOMAININFO: i64 = 5;
pub const MAX_MEM: i64 = 11;
pub const SETVCPUCONTEXT: i64 = 13;
pub const GETVCPUINFO: i64 = 14;
pub const SCHEDULER_OP: i64 = 16;
/// `XEN_SYSCTL_*`.
pub const READCONSOLE: i64 = 1;
pub const PHYSINFO: i64 = 3;
pub const GETDOMAININFOLIST: i64 = 6;
pub const DEBUG_KEYS: i64 = 7;

/// The open node.
pub struct PrivCmd<'a> {
    sys: &'a Sys,
    fd: i32,
}

/// What is told of a domain.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DomainInfo {
    pub domid: i64,
    pub flags: i64,
    pub tot_pages: i64,
    pub cpu_time: i64,
    pub vcpus: i64,
    pub weight: i64,
    pub cap: i64,
}

impl DomainInfo {
    fn from_value(value: &Value) -> DomainInfo {
        let int = |name: &str| value.field(name).and_then(Value::as_int).unwrap_or(0);
        DomainInfo {
            domid: int("domain"),
            flags: int("flags"),
            tot_pages: int("tot_pages"),
            cpu_time: int("cpu_time"),
            vcpus: int("nr_online_vcpus"),
            weight: int("weight"),
            cap: int("cap"),
        }
    }

    /// It is being taken apart.
    pub fn is_dying(&self) -> bool {
        self.flags & 1 != 0
    }

    /// It has shut down, and why.
    pub fn shutdown(&self) -> Option<i64> {
        (self.flags & 1 << 2 != 0).then_some(self.flags >> 16 & 0xff)
    }

    /// The six letters of its state.
    pub fn state(&self) -> String {
        const CRASH: i64 = 3;
        let is = |bit: i64| self.flags & 1 << bit != 0;
        let letters = [
            (is(5), 'r'),
            (is(4), 'b'),
            (is(3), 'p'),
            (self.shutdown().is_some_and(|why| why != CRASH), 's'),
            (self.shutdown() == Some(CRASH), 'c'),
            (is(0), 'd'),
        ];
        letters.iter().map(|(is_so, letter)| if *is_so { *letter } else { '-' }).collect()
    }
}

impl PrivCmd<'_> {
    /// The node that was opened before as this descriptor.
    pub fn at(sys: &Sys, fd: i32) -> PrivCmd<'_> {
        PrivCmd { sys, fd }
    }

    /// Its descriptor.
    pub fn fd(&self) -> i32 {
        self.fd
    }

    /// Opens the node (`xc_interface_open`); says what is wrong if it cannot.
    ///
    /// # Errors
    /// Those of open(2).
    pub async fn open(sys: &Sys) -> Result<PrivCmd<'_>, Errno> {
        match sys.open("/dev/xen/privcmd", o::RDWR | o::CLOEXEC, 0).await {
            Ok(fd) => Ok(PrivCmd { sys, fd }),
            Err(e) => {
                let text = "Could not obtain handle on privileged command interface";
                sys.eprint(format!("xencall: error: {text}: {e}\n")).await;
                Err(e)
            }
        }
    }

    /// Makes a hypercall: number and command, and the fields of its argument.
    ///
    /// # Errors
    /// The hypercall's own.
    pub async fn call(&self, op: i64, cmd: i64, fields: &[(&'static str, Value)]) -> Result<Ret, Errno> {
        let mut all = vec![("op".into(), op.into()), ("cmd".into(), cmd.into())];
        all.extend(fields.iter().map(|(name, value)| ((*name).into(), value.clone())));
        self.sys.call(Sysno::IOCTL, vec![self.fd.into(), HYPERCALL.into(), Value::Struct(all)]).await
    }

    /// A `domctl` on a domain.
    ///
    /// # Errors
    /// The hypercall's own.
    pub async fn domctl(&self, cmd: i64, domid: i64, fields: &[(&'static str, Value)]) -> Result<Ret, Errno> {
        let all = [&[("domain", domid.into())], fields].concat();
        self.call(DOMCTL, cmd, &all).await
    }

    /// All domains.
    ///
    /// # Errors
    /// The hypercall's own.
    pub async fn domains(&self) -> Result<Vec<DomainInfo>, Errno> {
        let fields = [("first_domain", 0.into()), ("max_domains", 1024.into())];
        let ret = self.call(SYSCTL, GETDOMAININFOLIST, &fields).await?;
        let list = ret.output(2).field("domains").and_then(Value::as_list).unwrap_or_default();
        Ok(list.iter().map(DomainInfo::from_value).collect())
    }

    /// One domain.
    ///
    /// # Errors
    /// The hypercall's own.
    pub async fn domain(&self, domid: i64) -> Result<DomainInfo, Errno> {
        Ok(DomainInfo::from_value(self.domctl(GETDOMAININFO, domid, &[]).await?.output(2)))
    }
}

/// A number that a call has written.
pub fn written(ret: &Ret, name: &str) -> i64 {
    ret.output(2).field(name).and_then(Value::as_int).unwrap_or(0)
}
