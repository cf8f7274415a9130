//! A hypercall's way through the table: dispatch, multicall, and the calls that are small. Source:
//! `xen/arch/x86/pv/hypercall.c`, `xen/common/multicall.c`, `xen/common/kernel.c`.

use kernel_model::errno::Errno;

use super::call::{EventChannelOp, GrantTableOp, Hypercall, HypercallResult, Output, PhysdevOp, VersionOp};
use super::domain::{DomId, VcpuId};
use super::domctl::Told;
use super::hypercall::{HypercallNumber, Support};
use super::traps::CallbackKind;
use super::{Refusal, Xen, refuse};

impl Xen {
    /// A guest's kernel makes a hypercall.
    ///
    /// # Errors
    /// A negative errno, with the rule that was broken. -ENOSYS for a number that there is not, or that is not modelled.
    pub fn hypercall(&mut self, caller: VcpuId, call: Hypercall) -> HypercallResult {
        let number = match call.number() {
            Ok(number) => number,
            Err(_) => return refuse(Errno::ENOSYS, "there is no hypercall of that number"),
        };
        self.deeds.hypercall(caller, number.info(), call.command());
        self.deeds.enter();
        let result = self.dispatch(caller, call, number);
        let refusal = match &result {
            Err(refusal) => Some(*refusal),
            Ok((_, Output::Done(_, refusal))) => *refusal,
            Ok(_) => None,
        };
        if let Some(refusal) = refusal {
            self.deeds.refused(caller, refusal);
        }
        self.deeds.leave();
        result
    }

    fn dispatch(&mut self, caller: VcpuId, call: Hypercall, number: HypercallNumber) -> HypercallResult {
        let none = |()| (0, Output::None);
        match call {
            Hypercall::SetTrapTable(traps) => self.set_trap_table(caller, &traps).map(none),
            Hypercall::MmuUpdate { updates, foreign } => Ok(done(self.mmu_update(caller, &updates, foreign))),
            Hypercall::SetGdt { frames, entries } => self.set_gdt(caller, &frames, entries).map(none),
            Hypercall::StackSwitch { ss, esp } => {
                if let Some(v) = self.vcpu_mut(caller) {
                    v.kernel_stack = (ss, esp);
                }
                Ok(none(()))
            }
            Hypercall::SetCallbacks { event, failsafe, syscall } => {
                self.register_callback(caller, CallbackKind::Event, event, true)?;
                self.register_callback(caller, CallbackKind::Failsafe, failsafe, true)?;
                self.register_callback(caller, CallbackKind::Syscall, syscall, false).map(none)
            }
            Hypercall::FpuTaskswitch(set) => {
                if let Some(v) = self.vcpu_mut(caller) {
                    v.is_fpu_off = set;
                }
                Ok(none(()))
            }
            Hypercall::UpdateDescriptor { at, descriptor } => self.update_descriptor(caller, at, descriptor).map(none),
            Hypercall::Multicall(calls) => self.multicall(caller, calls),
            Hypercall::UpdateVaMapping { va, val, .. } => {
                self.update_va_mapping(caller, va, val, DomId::SELF).map(none)
            }
            Hypercall::UpdateVaMappingOtherdomain { va, val, domain, .. } => {
                self.update_va_mapping(caller, va, val, domain).map(none)
            }
            Hypercall::SetTimerOp(due) => {
                self.set_timer_op(caller, due);
                Ok(none(()))
            }
            Hypercall::XenVersion(op) => Ok(version(op)),
            Hypercall::ConsoleIo(text) => self.console_io(caller, &text),
            Hypercall::GrantTableOp(op) => self.grant_table_op(caller, op),
            Hypercall::VmAssist { enable, kind } if kind < 32 => {
                if let Some(d) = self.domain_mut(caller.domain) {
                    d.assists = if enable { d.assists | 1 << kind } else { d.assists & !(1 << kind) };
                }
                Ok(none(()))
            }
            Hypercall::VmAssist { .. } => refuse(Errno::ENOSYS, "there is no help of that number"),
            Hypercall::Iret(frame) => self.iret(caller, frame).map(none),
            Hypercall::VcpuOp(op, vcpu) => Ok((self.vcpu_op(caller, op, vcpu)?, Output::None)),
            Hypercall::SetSegmentBase { which, value } => {
                let is_base = which > 2 || super::traps::is_canonical(value);
                if which > 3 || !is_base {
                    return refuse(Errno::EINVAL, "there is no such segment base, or the address is not canonical");
                }
                if let Some(base) = self.vcpu_mut(caller).and_then(|v| v.segment_bases.get_mut(which as usize)) {
                    *base = value;
                }
                Ok(none(()))
            }
            Hypercall::MmuextOp { ops, foreign } => Ok(done(self.mmuext_op(caller, &ops, foreign))),
            Hypercall::SchedOp(op) => Ok((self.sched_op(caller, op)?, Output::None)),
            Hypercall::CallbackOp { kind, address, masks_events } => {
                self.register_callback(caller, kind, address, masks_events).map(none)
            }
            Hypercall::EventChannelOp(op) => self.event_channel_op(caller, op),
            Hypercall::PhysdevOp(op) => self.physdev_op(caller, op),
            Hypercall::MemoryOp(op) => self.memory_op(caller, op).map(|(n, frames)| (n, Output::Frames(frames))),
            Hypercall::Domctl(op) => self.domctl(caller, op).map(|(n, told)| {
                let output = match told {
                    Told::Nothing => Output::None,
                    Told::Domain(info) => Output::Domain(info),
                    Told::Vcpu(info) => Output::Vcpu(info),
                };
                (n, output)
            }),
            Hypercall::Sysctl(op) => self.sysctl(caller, op).map(|(n, told)| (n, Output::Machine(told))),
            Hypercall::Other(_) => match number.info().support {
                Support::None(why) => refuse(Errno::ENOSYS, why),
                _ => refuse(Errno::ENOSYS, "this form of the call is not modelled"),
            },
        }
    }

    /// Several calls in one crossing: each has its own result, and the whole is 0. One inside another is refused.
    fn multicall(&mut self, caller: VcpuId, calls: Vec<Hypercall>) -> HypercallResult {
        let one = |call| match call {
            Hypercall::Multicall(_) => refuse(Errno::EINVAL, "a multicall inside a multicall is disallowed"),
            call => self.hypercall(caller, call),
        };
        Ok((0, Output::Results(calls.into_iter().map(one).collect())))
    }

    fn event_channel_op(&mut self, caller: VcpuId, op: EventChannelOp) -> HypercallResult {
        use EventChannelOp as Op;
        let port = |port| (0, Output::Port(port));
        let none = |()| (0, Output::None);
        match op {
            Op::AllocUnbound { dom, remote } => self.evtchn_alloc_unbound(caller, dom, remote).map(port),
            Op::BindInterdomain { remote, port: there } => {
                self.evtchn_bind_interdomain(caller, remote, there).map(port)
            }
            Op::BindVirq { virq, vcpu } => self.evtchn_bind_virq(caller, virq, vcpu).map(port),
            Op::BindPirq(pirq) => self.evtchn_bind_pirq(caller, pirq).map(port),
            Op::BindIpi(vcpu) => self.evtchn_bind_ipi(caller, vcpu).map(port),
            Op::Close(number) => self.evtchn_close(caller.domain, number, true).map(none),
            Op::Send(number) => self.evtchn_send(caller, number).map(none),
            Op::Status { dom, port } => Ok((0, Output::Status(self.evtchn_status(caller, dom, port)?))),
            Op::BindVcpu { port, vcpu } => self.evtchn_bind_vcpu(caller, port, vcpu).map(none),
            Op::Unmask(number) => self.evtchn_unmask(caller, number).map(none),
            Op::Reset(dom) => self.evtchn_reset(caller, dom).map(none),
            Op::InitControl(vcpu) => self.evtchn_init_control(caller, vcpu).map(none),
            Op::ExpandArray => self.evtchn_expand_array(caller).map(none),
            Op::SetPriority { port, priority } => self.evtchn_set_priority(caller, port, priority).map(none),
        }
    }

    fn grant_table_op(&mut self, caller: VcpuId, op: GrantTableOp) -> HypercallResult {
        let grants = |results| (0, Output::Grants(results));
        match op {
            GrantTableOp::Map(ops) => {
                Ok((0, Output::Mapped(ops.into_iter().map(|op| self.map_grant_ref(caller, op)).collect())))
            }
            GrantTableOp::Unmap(ops) => {
                Ok(grants(ops.into_iter().map(|op| self.unmap_grant_ref(caller, op)).collect()))
            }
            GrantTableOp::SetupTable { dom, frames } => {
                Ok(grants(vec![self.grant_setup_table(caller, dom, frames).map(|_| ())]))
            }
            GrantTableOp::Transfer { frame, dom, gref } => {
                Ok(grants(vec![self.grant_transfer(caller, frame, dom, gref)]))
            }
            GrantTableOp::Copy(ops) => Ok(grants(ops.into_iter().map(|op| self.grant_copy(caller, op)).collect())),
            GrantTableOp::QuerySize(dom) => match self.grant_query_size(caller, dom) {
                Ok(size) => Ok((0, Output::Size(size))),
                Err(refusal) => Ok(grants(vec![Err(refusal)])),
            },
            GrantTableOp::SetVersion(1) => Ok((0, Output::None)),
            GrantTableOp::SetVersion(2) => refuse(Errno::ENOSYS, "version 2 of grant tables is not modelled"),
            GrantTableOp::SetVersion(_) => refuse(Errno::EINVAL, "there are versions 1 and 2 of grant tables"),
            GrantTableOp::GetVersion(dom) => match self.any_id(caller, dom) {
                Some(_) => Ok((1, Output::None)),
                None => refuse(Errno::ESRCH, "there is no domain of that number"),
            },
        }
    }

    fn console_io(&mut self, caller: VcpuId, text: &str) -> HypercallResult {
        // A domain without privilege writes here too when Xen was built for debugging; a release refuses.
        if !self.is_privileged(caller) {
            return refuse(Errno::EPERM, "only a privileged domain writes to Xen's console");
        }
        for line in text.lines() {
            self.console.push_back(line.to_owned());
        }
        Ok((0, Output::None))
    }

    fn physdev_op(&mut self, caller: VcpuId, op: PhysdevOp) -> HypercallResult {
        let may = |irq: u32| self.domain(caller.domain).is_some_and(|d| d.pirqs.contains(&irq));
        match op {
            PhysdevOp::Eoi(irq) | PhysdevOp::IrqStatusQuery(irq) if !may(irq) => {
                refuse(Errno::EINVAL, "the domain does not have this physical interrupt")
            }
            PhysdevOp::SetIopl(ring) if ring > 3 => refuse(Errno::EINVAL, "there are four rings"),
            _ => Ok((0, Output::None)),
        }
    }
}

fn done((count, result): (usize, Result<(), Refusal>)) -> (i64, Output) {
    let value = result.as_ref().err().map_or(0, |refusal| -(refusal.errno as i64));
    (value, Output::Done(count, result.err()))
}

/// Xen 4.17.7, as Debian 12 has it: the one that was recorded.
fn version(op: VersionOp) -> (i64, Output) {
    match op {
        VersionOp::Version => (4 << 16 | 17, Output::None),
        VersionOp::Extraversion => (0, Output::Text(".7")),
        VersionOp::Capabilities => (0, Output::Text("xen-3.0-x86_64 hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64 ")),
        VersionOp::Changeset => (0, Output::Text("")),
        VersionOp::PlatformParameters => (0, Output::Text("virt_start=0xffff800000000000")),
        // XENFEAT_mmu_pt_update_preserve_ad, highmem_assist, gnttab_map_avail_bits, pae_pgdir_above_4gb...
        VersionOp::GetFeatures => (1 << 5 | 1 << 7, Output::None),
        VersionOp::Pagesize => (4096, Output::None),
    }
}
