//! Hypercalls of programs of domain 0 (`drivers/xen/privcmd.c`), and what follows from those that make and end domains.

use kernel_model::errno::Errno;
use kernel_model::machine::device::DeviceAnswer;
use kernel_model::syscall::Value;
use kernel_model::time::Nanos;

use super::{DOM0, XenHost};
use crate::memory::Hfn;
use crate::xen::abi;
use crate::xen::call::{Hypercall, Output};
use crate::xen::domain::{DomId, StartInfo};
use crate::xen::domctl::Domctl;

impl XenHost {
    /// `privcmd_ioctl_hypercall`.
    pub(super) fn privcmd_hypercall(&mut self, argument: &Value) -> Result<DeviceAnswer, Errno> {
        let call = abi::decode(argument)?;
        let domctl = match &call {
            Hypercall::Domctl(op) => Some(op.clone()),
            _ => None,
        };
        let (number, output) =
            self.with_host(|host| host.xen.hypercall(DOM0, call)).map_err(|refusal| refusal.errno)?;
        if let Output::Done(_, Some(refusal)) = output {
            return Err(refusal.errno);
        }
        if let Some(op) = domctl {
            if let Domctl::SetVcpuContext(id, 0) = op {
                self.built(id, argument);
            }
            self.after_domctl(&op);
        }
        let cost = Nanos(self.costs.hypercall.cycles);
        Ok(DeviceAnswer::After(cost, Box::new(DeviceAnswer::Done(number, abi::encode(&output)))))
    }

    /// What follows in domain 0's kernel and beside it when Xen has done what a `domctl` asks for.
    pub(super) fn after_domctl(&mut self, op: &Domctl) {
        match op {
            Domctl::Unpause(id) => self.first_run(*id),
            Domctl::Destroy(id) => self.destroyed(*id),
            _ => {}
        }
    }

    /// The builder has written the start-info page, and the two entries of the grant table that are its to write
    /// (`xc_dom_gnttab_seed`).
    fn built(&mut self, id: DomId, argument: &Value) {
        let field = |name: &str| argument.field(name).and_then(Value::as_int).unwrap_or(0) as u64;
        let line = argument.field("cmd_line").and_then(Value::as_str).unwrap_or_default().to_owned();
        let (store, console, shared) =
            (Hfn(field("store_mfn")), Hfn(field("console_mfn")), Hfn(field("shared_info_frame")));
        self.with_host(|host| {
            let Some(d) = host.xen.domain_mut(id) else { return };
            d.shared_info = Some(shared);
            d.start_info = StartInfo {
                magic: "xen-3.0-x86_64".to_owned(),
                nr_pages: d.tot_pages,
                shared_info: shared.address().0,
                store_mfn: store,
                store_evtchn: field("store_evtchn") as u32,
                console_mfn: console,
                console_evtchn: field("console_evtchn") as u32,
                cmd_line: line,
                ..StartInfo::default()
            };
            d.grants.grant_access(0, DomId::DOM0, console, false);
            d.grants.grant_access(1, DomId::DOM0, store, false);
        });
    }

    /// A domain that was built runs for the first time: its kernel boots.
    fn first_run(&mut self, id: DomId) {
        let is_ready = self.dom0.hardware.xen.domain(id).is_some_and(|d| {
            d.pause_count == 0 && d.start_info.nr_pages > 0 && d.vcpus.first().is_some_and(|v| v.is_initialised)
        });
        if is_ready && !self.domus.contains_key(&id) && !self.start(id) {
            // A kernel that finds too little memory panics.
            self.with_host(|host| {
                host.xen.crash(crate::xen::domain::VcpuId::first(id), "its kernel finds too little memory");
            });
        }
    }

    /// A domain ends: domain 0's halves of its devices let go, so that its memory is free.
    fn destroyed(&mut self, id: DomId) {
        self.domus.remove(&id);
        self.drop_backends(id);
        self.with_host(|host| host.xen.reap(id));
    }
}
