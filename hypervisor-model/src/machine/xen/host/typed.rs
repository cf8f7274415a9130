//! Hypercalls that somebody outside makes in the name of a domain's kernel: the hypercall console.
//!
//! Xen treats them like any other of that kernel, which itself knows nothing of them: whoever closes a port or unpins a table
//! behind its back has a domain that is broken in itself, and no other.

use kernel_model::machine::report::{Deed, DeedKind, Lane};
use kernel_model::time::Nanos;

use super::XenHost;
use crate::xen::abi;
use crate::xen::call::{Hypercall, HypercallResult, Output};
use crate::xen::domain::{DomId, VcpuId};
use crate::xen::typed;

impl XenHost {
    /// A call in the name of a domain, as it is typed.
    pub(super) fn hypercall_typed(&mut self, now: Nanos, who: u32, text: &str) {
        self.collect();
        self.dom0.hardware.xen.now = now.0;
        let caller = VcpuId::first(DomId(u16::try_from(who).unwrap_or(DomId::INVALID.0)));
        let refused =
            |sentence| Deed::new(DeedKind::Hypercall, "refused").with("domain", u64::from(who)).says(sentence, "");
        if self.dom0.hardware.xen.vcpu(caller).is_none() {
            return self.tell(refused("There is no domain {domain} that could call."));
        }
        let Some(call) = typed::parse(text).ok().and_then(|(_, structure)| abi::decode(&structure).ok()) else {
            return self.tell(refused("This is no hypercall that could be typed."));
        };
        let domctl = match &call {
            Hypercall::Domctl(op) => Some(op.clone()),
            _ => None,
        };
        let result = self.with_host(|host| {
            host.xen.deeds.cpu = 0;
            host.xen.hypercall(caller, call)
        });
        self.tell(came_back(caller, &result));
        if let Some(op) = domctl.filter(|_| result.is_ok()) {
            self.after_domctl(&op);
        }
    }
}

/// What the kernel that called has in its registers and its structure afterwards.
fn came_back(caller: VcpuId, result: &HypercallResult) -> Deed {
    let header = "xen/include/public";
    let deed = Deed::new(DeedKind::Hypercall, "returns").with("domain", u64::from(caller.domain.0)).goes(
        0,
        Lane::Hypervisor,
        Lane::GuestKernel,
    );
    let refusal = match result {
        Err(refusal) | Ok((_, Output::Done(_, Some(refusal)))) => Some(refusal),
        Ok(_) => None,
    };
    if let Some(refusal) = refusal {
        let deed = deed.with("errno", refusal.errno as u64);
        return deed.says("The hypercall returns -{errno}: nothing was done.", "xen/include/public/errno.h");
    }
    let Ok((value, output)) = result else { return deed };
    match output {
        Output::Port(port) => deed.with("port", u64::from(*port)).says("Xen gives port {port}.", header),
        Output::Status(status) => {
            let told = abi::encode(&Output::Status(*status));
            let number = |name: &str| told.as_ref().and_then(|v| v.field(name)).and_then(|v| v.as_int()).unwrap_or(0);
            deed.with("status", number("status") as u64)
                .with("dom", number("dom") as u64)
                .with("port", number("port") as u64)
                .says("Xen says: EVTCHNSTAT {status}, other end domain {dom} port {port}.", header)
        }
        Output::Mapped(results) => match results.first() {
            Some(Err(refusal)) => {
                Deed { name: "refused", ..deed }.says(refusal.rule, "xen/include/public/grant_table.h")
            }
            Some(Ok(mapped)) => deed
                .with("handle", u64::from(mapped.handle))
                .with("address", mapped.dev_bus_addr)
                .says("The frame at {address:x} is mapped; its handle is {handle}.", header),
            None => deed.says("Nothing was asked.", header),
        },
        Output::Grants(results) => match results.first() {
            Some(Err(refusal)) => {
                Deed { name: "refused", ..deed }.says(refusal.rule, "xen/include/public/grant_table.h")
            }
            _ => deed.says("It is done.", header),
        },
        Output::Size(size) => deed
            .with("frames", u64::from(size.frames))
            .with("max", u64::from(size.max_frames))
            .says("The table has {frames} frames and may have {max}.", header),
        Output::Frames(frames) if !frames.is_empty() => deed
            .with("count", frames.len() as u64)
            .with("first", frames[0].0)
            .says("Xen gives {count} frames, the first is {first:x}.", header),
        Output::Domain(info) => deed
            .with("pages", info.tot_pages)
            .with("most", info.max_pages)
            .says("Xen tells of the domain: {pages} frames, at most {most}.", header),
        _ => deed.with("value", *value as u64).says("The hypercall returns {value}.", header),
    }
}
