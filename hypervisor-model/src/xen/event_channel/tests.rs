//! Event channels as guests use them.

use super::PortState;
use super::guest::UpcallStep;
use crate::xen::call::{EventChannelOp as Op, Hypercall, Output};
use crate::xen::domain::{DomId, Domain, GuestKind, VcpuId};
use crate::xen::{Refusal, Xen};
use kernel_model::errno::Errno;

const DOM0: VcpuId = VcpuId::first(DomId(0));
const ONE: VcpuId = VcpuId::first(DomId(1));
const TWO: VcpuId = VcpuId::first(DomId(2));

fn machine() -> Xen {
    let mut xen = Xen::new(64, 4);
    for id in 0..3 {
        let mut d = Domain::new(DomId(id), GuestKind::Pv64, 2);
        d.vcpus[0].is_up = true;
        d.vcpus[0].upcall_mask = false;
        xen.insert_domain(d);
    }
    if let Some(d) = xen.domain_mut(DomId(0)) {
        d.pirqs = vec![9];
    }
    xen
}

fn call(xen: &mut Xen, who: VcpuId, op: Op) -> Result<Output, Refusal> {
    let result = xen.hypercall(who, Hypercall::EventChannelOp(op)).map(|(_, output)| output);
    assert_eq!(xen.check_channels(), Ok(()), "after {op:?}");
    result
}

fn port(xen: &mut Xen, who: VcpuId, op: Op) -> u32 {
    match call(xen, who, op) {
        Ok(Output::Port(port)) => port,
        other => panic!("{op:?}: {other:?}"),
    }
}

fn error(xen: &mut Xen, who: VcpuId, op: Op) -> Errno {
    call(xen, who, op).expect_err("it is refused").errno
}

/// A channel from domain 1 to domain 0: the ports there and here.
fn channel(xen: &mut Xen) -> (u32, u32) {
    let front = port(xen, ONE, Op::AllocUnbound { dom: DomId::SELF, remote: DomId(0) });
    let back = port(xen, DOM0, Op::BindInterdomain { remote: DomId(1), port: front });
    xen.take_events(DOM0);
    (front, back)
}

#[test]
fn ports_are_given_out_from_1_and_come_back() {
    let mut xen = machine();
    assert_eq!(port(&mut xen, ONE, Op::AllocUnbound { dom: DomId::SELF, remote: DomId(0) }), 1);
    assert_eq!(port(&mut xen, ONE, Op::BindIpi(0)), 2);
    call(&mut xen, ONE, Op::Close(1)).expect("it is open");
    assert_eq!(port(&mut xen, ONE, Op::BindVirq { virq: 0, vcpu: 0 }), 1);
}

#[test]
fn an_event_sets_the_three_levels_and_the_binder_finds_one_waiting() {
    let mut xen = machine();
    let front = port(&mut xen, ONE, Op::AllocUnbound { dom: DomId::SELF, remote: DomId(0) });
    let back = port(&mut xen, DOM0, Op::BindInterdomain { remote: DomId(1), port: front });
    assert_eq!(xen.take_events(DOM0), [back], "an event that was sent before might be lost");
    assert!(xen.take_events(DOM0).is_empty());
    call(&mut xen, DOM0, Op::Send(back)).expect("it is bound");
    let v = xen.vcpu(ONE).expect("it is there");
    assert_eq!((v.upcall_pending, v.pending_sel), (true, 1));
    assert!(xen.upcall_is_due(ONE));
    assert_eq!(xen.take_events(ONE), [front]);
}

#[test]
fn several_events_become_one_and_a_masked_port_stays_pending() {
    let mut xen = machine();
    let (front, back) = channel(&mut xen);
    xen.mask_port(ONE, front);
    call(&mut xen, DOM0, Op::Send(back)).expect("it is bound");
    call(&mut xen, DOM0, Op::Send(back)).expect("it is bound");
    assert!(!xen.upcall_is_due(ONE));
    let d = xen.domain(DomId(1)).expect("it is there");
    assert_eq!((d.channels.is_pending(front), d.vcpus[0].pending_sel), (true, 0));
    call(&mut xen, ONE, Op::Unmask(front)).expect("it is a port");
    assert_eq!(xen.take_events(ONE), [front]);
    assert!(xen.take_events(ONE).is_empty());
}

#[test]
fn what_comes_while_the_guest_looks_makes_it_look_again() {
    let mut xen = machine();
    let (front, back) = channel(&mut xen);
    call(&mut xen, DOM0, Op::Send(back)).expect("it is bound");
    let mut at = UpcallStep::Start;
    let mut handled = Vec::new();
    while at != UpcallStep::Done {
        at = xen.upcall_step(ONE, &at);
        if let UpcallStep::Handling { port, .. } = at {
            handled.push(port);
            if handled.len() == 1 {
                call(&mut xen, DOM0, Op::Send(back)).expect("it is bound");
            }
        }
    }
    assert_eq!(handled, [front, front]);
}

#[test]
fn sending_into_a_port_that_waits_is_dropped_and_into_an_interrupts_port_is_refused() {
    let mut xen = machine();
    let front = port(&mut xen, ONE, Op::AllocUnbound { dom: DomId::SELF, remote: DomId(0) });
    assert_eq!(call(&mut xen, ONE, Op::Send(front)), Ok(Output::None));
    let virq = port(&mut xen, ONE, Op::BindVirq { virq: 0, vcpu: 0 });
    assert_eq!(error(&mut xen, ONE, Op::Send(virq)), Errno::EINVAL);
    assert_eq!(error(&mut xen, ONE, Op::Send(50)), Errno::EINVAL, "closed");
    assert_eq!(error(&mut xen, ONE, Op::Send(5000)), Errno::EINVAL, "beyond what there is");
    let ipi = port(&mut xen, ONE, Op::BindIpi(0));
    call(&mut xen, ONE, Op::Send(ipi)).expect("to oneself");
    assert_eq!(xen.take_events(ONE), [ipi]);
}

#[test]
fn closing_makes_the_other_end_wait_again() {
    let mut xen = machine();
    let (front, back) = channel(&mut xen);
    call(&mut xen, DOM0, Op::Close(back)).expect("it is bound");
    let state = |xen: &Xen| xen.domain(DomId(1)).and_then(|d| d.channels.ports.get(&front)).map(|port| port.state);
    assert_eq!(state(&xen), Some(PortState::Unbound { remote: DomId(0) }));
    assert_eq!(error(&mut xen, DOM0, Op::Close(back)), Errno::EINVAL);
    assert_eq!(port(&mut xen, DOM0, Op::BindInterdomain { remote: DomId(1), port: front }), back);
}

#[test]
fn binding_is_for_whom_the_port_is_kept() {
    let mut xen = machine();
    let front = port(&mut xen, ONE, Op::AllocUnbound { dom: DomId::SELF, remote: DomId(0) });
    assert_eq!(error(&mut xen, TWO, Op::BindInterdomain { remote: DomId(1), port: front }), Errno::EINVAL);
    assert_eq!(error(&mut xen, DOM0, Op::BindInterdomain { remote: DomId(9), port: front }), Errno::ESRCH);
    assert_eq!(error(&mut xen, TWO, Op::AllocUnbound { dom: DomId(1), remote: DomId(2) }), Errno::EPERM);
    assert_eq!(error(&mut xen, TWO, Op::AllocUnbound { dom: DomId(9), remote: DomId(2) }), Errno::ESRCH);
    assert_eq!(error(&mut xen, TWO, Op::Status { dom: DomId(1), port: front }), Errno::EPERM);
    assert_eq!(port(&mut xen, DOM0, Op::AllocUnbound { dom: DomId(1), remote: DomId(2) }), 2, "the toolstack may");
}

#[test]
fn virtual_interrupts_are_refused_in_xens_order() {
    let mut xen = machine();
    assert_eq!(error(&mut xen, ONE, Op::BindVirq { virq: 24, vcpu: 9 }), Errno::EINVAL, "no such interrupt");
    assert_eq!(error(&mut xen, ONE, Op::BindVirq { virq: 3, vcpu: 1 }), Errno::EINVAL, "global, not on processor 0");
    assert_eq!(error(&mut xen, ONE, Op::BindVirq { virq: 0, vcpu: 9 }), Errno::ENOENT);
    assert_eq!(error(&mut xen, ONE, Op::BindVirq { virq: 3, vcpu: 0 }), Errno::EBUSY, "domain 0 handles it");
    port(&mut xen, ONE, Op::BindVirq { virq: 0, vcpu: 1 });
    assert_eq!(error(&mut xen, ONE, Op::BindVirq { virq: 0, vcpu: 1 }), Errno::EEXIST);
    let own = port(&mut xen, ONE, Op::BindVirq { virq: 0, vcpu: 0 });
    assert_eq!(error(&mut xen, ONE, Op::BindVcpu { port: own, vcpu: 1 }), Errno::EINVAL, "it belongs to its processor");
    assert_eq!(error(&mut xen, ONE, Op::BindVcpu { port: own, vcpu: 7 }), Errno::ENOENT);
}

#[test]
fn physical_interrupts_are_for_those_who_were_given_them() {
    let mut xen = machine();
    assert_eq!(error(&mut xen, ONE, Op::BindPirq(9)), Errno::EPERM);
    assert_eq!(error(&mut xen, DOM0, Op::BindPirq(256)), Errno::EINVAL);
    port(&mut xen, DOM0, Op::BindPirq(9));
    assert_eq!(error(&mut xen, DOM0, Op::BindPirq(9)), Errno::EEXIST);
}

#[test]
fn when_all_ports_are_in_use_there_is_no_space() {
    let mut xen = machine();
    for expected in 1..=1023 {
        assert_eq!(xen.evtchn_bind_ipi(ONE, 0).ok(), Some(expected));
    }
    assert_eq!(error(&mut xen, ONE, Op::BindIpi(0)), Errno::ENOSPC);
}

#[test]
fn the_ports_of_a_32_bit_guest_are_in_words_of_32() {
    let mut xen = machine();
    xen.insert_domain(Domain::new(DomId(3), GuestKind::Pv32, 1));
    let who = VcpuId::first(DomId(3));
    let last = (0..33).filter_map(|_| xen.evtchn_bind_ipi(who, 0).ok()).last();
    xen.evtchn_send(who, last.expect("there are ports")).expect("to oneself");
    assert_eq!(xen.vcpu(who).map(|v| v.pending_sel), Some(2), "port 33 is in the second word");
    assert_eq!(xen.domain(DomId(3)).map(|d| d.channels.limit()), Some(1024));
}

#[test]
fn queues_keep_the_order_in_which_events_came() {
    let mut xen = machine();
    call(&mut xen, ONE, Op::InitControl(0)).expect("the first switches");
    assert_eq!(error(&mut xen, TWO, Op::ExpandArray), Errno::EOPNOTSUPP);
    call(&mut xen, ONE, Op::ExpandArray).expect("there is room");
    let ports = [(); 3].map(|()| port(&mut xen, ONE, Op::BindIpi(0)));
    assert_eq!(error(&mut xen, ONE, Op::SetPriority { port: ports[0], priority: 16 }), Errno::EINVAL);
    call(&mut xen, ONE, Op::SetPriority { port: ports[0], priority: 0 }).expect("there are sixteen");
    for at in [2, 1, 0] {
        call(&mut xen, ONE, Op::Send(ports[at])).expect("to oneself");
    }
    assert_eq!(xen.take_events(ONE), [ports[0], ports[2], ports[1]]);
    call(&mut xen, ONE, Op::Reset(DomId::SELF)).expect("one may reset oneself");
    assert_eq!(xen.domain(DomId(1)).map(|d| (d.channels.limit(), d.channels.ports.len())), Some((4096, 0)));
}

#[test]
fn block_clears_the_mask_and_does_not_sleep_over_an_event() {
    let mut xen = machine();
    let (_, back) = channel(&mut xen);
    xen.set_upcall_mask(ONE, true);
    call(&mut xen, DOM0, Op::Send(back)).expect("it is bound");
    let block = Hypercall::SchedOp(crate::xen::sched::SchedOp::Block);
    xen.hypercall(ONE, block.clone()).expect("it may sleep");
    let v = xen.vcpu(ONE).expect("it is there");
    assert_eq!((v.is_blocked, v.upcall_mask), (false, false), "the event was there already");
    xen.take_events(ONE);
    xen.hypercall(ONE, block).expect("it may sleep");
    assert_eq!(xen.vcpu(ONE).map(|v| v.is_blocked), Some(true));
    call(&mut xen, DOM0, Op::Send(back)).expect("it is bound");
    assert_eq!(xen.vcpu(ONE).map(|v| v.is_blocked), Some(false), "the event wakes it");
}
