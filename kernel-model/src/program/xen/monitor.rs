//! What stays of `xl create` in the background: a process that waits for the end of its domain, and does then what the
//! configuration asks for. Source: Xen 4.17, `tools/xl/xl_vmcontrol.c` (`create_domain`, `handle_domain_death`),
//! `tools/xl/xl_utils.c` (`do_daemonize`); xl.cfg(5), "Event Actions".
//!
//! The file in `/var/log/xen` to which it writes is not kept.

use super::config::{Action, DomainConfig};
use super::privcmd::{DomainInfo, PrivCmd};
use super::xenstore::XenStore;
use super::xl::Xl;
use super::{create, destroy};
use crate::errno::Errno;
use crate::program::libc::o;
use crate::program::{Resume, Sys};
use crate::syscall::Value;

/// What must be known to go on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Watching {
    domid: i64,
    privcmd: i32,
    store: i32,
    config: String,
}

impl Watching {
    fn to_value(&self) -> Value {
        Value::record([
            ("domid", self.domid.into()),
            ("privcmd", self.privcmd.into()),
            ("store", self.store.into()),
            ("config", Value::str(self.config.as_str())),
        ])
    }

    /// The reverse of how it is saved; `None` if it is something else that was saved.
    pub fn from_value(value: &Value) -> Option<Watching> {
        let int = |name: &str| value.field(name).and_then(Value::as_int);
        Some(Watching {
            domid: int("domid")?,
            privcmd: int("privcmd")? as i32,
            store: int("store")? as i32,
            config: value.field("config").and_then(Value::as_str)?.to_owned(),
        })
    }
}

/// Leaves a process behind that watches over the domain (`do_daemonize`): a child of a child, so that it belongs to nobody.
pub async fn leave_behind(xl: &Xl<'_>, domid: i64, config: &str) {
    let sys = xl.sys;
    match sys.fork().await {
        Ok(0) => {
            let null = sys.open("/dev/null", o::RDWR, 0).await.unwrap_or(0);
            for fd in 0..3 {
                let _ = sys.dup2(null, fd).await;
            }
            let _ = sys.setsid().await;
            if sys.fork().await == Ok(0) {
                let _ = sys.chdir("/").await;
                let watching =
                    Watching { domid, privcmd: xl.xen.fd(), store: xl.store.fd(), config: config.to_owned() };
                let status = match xl.store.watch("@releaseDomain", "domain-death").await {
                    Ok(()) => {
                        sys.save(Resume::Saved(watching.to_value())).await;
                        run(sys, watching).await
                    }
                    Err(_) => 1,
                };
                sys.exit(status).await;
            }
            sys.exit(0).await;
        }
        Ok(pid) => {
            let _ = sys.wait4(pid, 0).await;
        }
        Err(_) => {}
    }
}

/// Waits, and acts when the domain has ended. It goes on from what was saved with the next thing that it does.
pub async fn run(sys: &Sys, mut watching: Watching) -> i32 {
    let Ok(config) = DomainConfig::parse(&watching.config) else { return 1 };
    loop {
        let mut xl = Xl { sys, xen: PrivCmd::at(sys, watching.privcmd), store: XenStore::at(sys, watching.store) };
        let domid = watching.domid;
        match ended(&xl, domid).await.map(|why| config.action(why)) {
            None => {}
            Some(Action::Preserve) => return 0,
            Some(Action::Destroy) => {
                let _ = destroy::destroy_domain(&xl, domid).await;
                return 0;
            }
            Some(Action::Restart) => {
                if destroy::destroy_domain(&xl, domid).await.is_err() {
                    return 1;
                }
                match create::start(&mut xl, &config, false).await {
                    Ok(new) => watching.domid = new,
                    Err(status) => return status,
                }
            }
        }
        sys.save(Resume::Saved(watching.to_value())).await;
    }
}

/// Waits until a domain ends, somewhere, and looks whether it was this one: why it has shut down. One that is gone ends the
/// process.
async fn ended(xl: &Xl<'_>, domid: i64) -> Option<i64> {
    if xl.store.wait().await.is_err() {
        xl.sys.exit(1).await;
    }
    match xl.xen.domain(domid).await {
        Ok(info) if !info.is_dying() => info.shutdown(),
        _ => {
            xl.sys.exit(0).await;
            None
        }
    }
}

/// Waits in the foreground until all of these domains have ended (`wait_for_domain_deaths`).
pub async fn wait_for_deaths(xl: &Xl<'_>, mut domids: Vec<i64>) -> Result<i32, i32> {
    let sys = xl.sys;
    sys.eprint(format!("Waiting for {} domains\n", domids.len())).await;
    xl.store.watch("@releaseDomain", "domain-death").await.map_err(|_| 1)?;
    while !domids.is_empty() {
        xl.store.wait().await.map_err(|_| 1)?;
        let mut left = Vec::new();
        for domid in domids {
            match fate(xl.xen.domain(domid).await) {
                Some(text) => sys.eprint(format!("Domain {domid} has been {text}\n")).await,
                None => left.push(domid),
            }
        }
        domids = left;
    }
    Ok(0)
}

fn fate(info: Result<DomainInfo, Errno>) -> Option<String> {
    match info {
        Ok(info) if !info.is_dying() => info.shutdown().map(|why| format!("shut down, reason code {why}")),
        _ => Some("destroyed".to_owned()),
    }
}
