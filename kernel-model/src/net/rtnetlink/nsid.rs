//! Numbers for other namespaces: `RTM_NEWNSID`, `RTM_GETNSID` (`net/core/net_namespace.c`).

use super::{Answer, Asker, Request, refuse};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::namespace::net::NetNsId;
use crate::syscall::Value;

impl Kernel<'_> {
    pub(super) fn nsid_request(&mut self, asker: Asker<'_>, asked: Request<'_>) -> Answer {
        let net = asker.net;
        if asked.is_dump() {
            let mut ids: Vec<u32> = self.net_namespaces[net].nsids.values().copied().collect();
            ids.sort_unstable();
            return Ok(ids.into_iter().map(|id| message(i64::from(id))).collect());
        }
        let other = self.nsid_peer(asker, asked)?;
        let known = self.net_namespaces[net].nsids.get(&other).copied();
        if asked.kind == "RTM_GETNSID" {
            return Ok(vec![message(known.map_or(-1, i64::from))]);
        }
        let wanted = asked.int("NETNSA_NSID").unwrap_or(-1);
        if known.is_some() {
            return refuse(Errno::EEXIST, "Peer netns already has a nsid assigned");
        }
        match u32::try_from(wanted) {
            Err(_) => drop(self.world.nsid_of(net, other)),
            Ok(wanted) => {
                let namespace = &mut self.net_namespaces[net];
                if namespace.nsids.values().any(|used| *used == wanted) {
                    return refuse(Errno::EEXIST, "The specified nsid is already used");
                }
                namespace.nsids.insert(other, wanted);
            }
        }
        Ok(Vec::new())
    }

    /// The namespace that a request is about.
    fn nsid_peer(&self, asker: Asker<'_>, asked: Request<'_>) -> Result<NetNsId, super::Refusal> {
        if let Some(fd) = asked.int("NETNSA_FD") {
            return match self.net_of_fd(asker.caller, fd as i32) {
                Ok(net) => Ok(net),
                Err(errno) => refuse(errno, "Peer netns reference is invalid"),
            };
        }
        if let Some(nsid) = asked.number("NETNSA_NSID") {
            let found = self.net_namespaces[asker.net].nsids.iter().find(|(_, id)| **id == nsid);
            return found.map(|(net, _)| *net).ok_or(super::Refusal::from(Errno::ENOENT));
        }
        refuse(Errno::EINVAL, "Peer netns reference is missing")
    }
}

fn message(nsid: i64) -> Value {
    Value::record([("rtgen_family", 0.into()), ("NETNSA_NSID", nsid.into())])
}
