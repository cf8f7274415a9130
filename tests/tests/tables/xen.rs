//! Xen: hypercalls and their commands, errors of grants, virtual interrupts.

use crate::sheet::{number, rows};
use hypervisor_model::memory::Hfn;
use hypervisor_model::xen::call::{EventChannelOp, GrantTableOp};
use hypervisor_model::xen::domain::DomId;
use hypervisor_model::xen::event_channel::virq::VIRQS;
use hypervisor_model::xen::grant_table::Status;
use hypervisor_model::xen::hypercall::{HYPERCALLS, HypercallNumber};
use hypervisor_model::xen::mm::mmuext::MmuextOp;
use hypervisor_model::xen::sched::SchedOp;

#[test]
fn hypercalls_are_the_headers() {
    let sheet = rows("xen-hypercalls", 2);
    for row in &sheet {
        let number = number(&row[0]) as u32;
        let call = HypercallNumber::from_number(number).unwrap_or_else(|| panic!("{row:?} is missing"));
        assert_eq!(call.name(), row[1], "{row:?}");
    }
    let common = HYPERCALLS.iter().filter(|row| row.number < 48).count();
    assert_eq!(sheet.len(), common, "hypercalls that the sheet does not have");
}

#[test]
fn errors_of_grants_are_the_headers() {
    let sheet = rows("xen-grant-status", 2);
    assert_eq!(sheet.len(), Status::ALL.len());
    for (row, status) in sheet.iter().zip(Status::ALL) {
        assert_eq!((status as i32).to_string(), row[0]);
        let name = format!("{status:?}").to_lowercase();
        assert_eq!(name, row[1].replace('_', ""), "{row:?}");
    }
}

#[test]
fn virtual_interrupts_are_the_headers() {
    for row in rows("xen-virqs", 3) {
        let found = VIRQS.iter().find(|virq| u64::from(virq.number) == number(&row[0]));
        let virq = found.unwrap_or_else(|| panic!("{row:?} is missing"));
        assert_eq!((virq.name, format!("{:?}", virq.kind)), (row[1].as_str(), row[2].clone()));
    }
}

/// Every command of the model with its number.
fn commands() -> Vec<(&'static str, u32, String)> {
    use {EventChannelOp as E, GrantTableOp as G, MmuextOp as M, SchedOp as S};
    let (dom, frame) = (DomId::SELF, Hfn(0));
    let events = [
        E::BindInterdomain { remote: dom, port: 0 },
        E::BindVirq { virq: 0, vcpu: 0 },
        E::BindPirq(0),
        E::Close(0),
        E::Send(0),
        E::Status { dom, port: 0 },
        E::AllocUnbound { dom, remote: dom },
        E::BindIpi(0),
        E::BindVcpu { port: 0, vcpu: 0 },
        E::Unmask(0),
        E::Reset(dom),
        E::InitControl(0),
        E::ExpandArray,
        E::SetPriority { port: 0, priority: 0 },
    ];
    let grants = [
        G::Map(Vec::new()),
        G::Unmap(Vec::new()),
        G::SetupTable { dom, frames: 0 },
        G::Transfer { frame, dom, gref: 0 },
        G::Copy(Vec::new()),
        G::QuerySize(dom),
        G::SetVersion(1),
        G::GetVersion(dom),
    ];
    let tables = (1..=4).map(|level| M::PinTable(level, frame)).chain([
        M::UnpinTable(frame),
        M::NewBaseptr(frame),
        M::TlbFlushLocal,
        M::InvlpgLocal(0),
        M::TlbFlushMulti(0),
        M::InvlpgMulti(0, 0),
        M::TlbFlushAll,
        M::InvlpgAll(0),
        M::FlushCache,
        M::SetLdt(0, 0),
        M::NewUserBaseptr(frame),
        M::ClearPage(frame),
        M::CopyPage(frame, frame),
        M::FlushCacheGlobal,
    ]);
    let sched = [S::Yield, S::Block, S::Shutdown(0), S::Poll(Vec::new()), S::ShutdownCode(0)];
    let mut all: Vec<(&str, u32, String)> = Vec::new();
    all.extend(events.iter().map(|op| ("event_channel_op", op.number(), format!("{op:?}"))));
    all.extend(grants.iter().map(|op| ("grant_table_op", op.number(), format!("{op:?}"))));
    all.extend(tables.map(|op| ("mmuext_op", op.number(), format!("{op:?}"))));
    all.extend(sched.iter().map(|op| ("sched_op", op.number(), format!("{op:?}"))));
    all
}

#[test]
fn commands_are_the_headers() {
    let sheet = rows("xen-operations", 3);
    let all = commands();
    for row in &sheet {
        let found = all.iter().find(|(call, n, _)| *call == row[0] && u64::from(*n) == number(&row[1]));
        let (_, _, name) = found.unwrap_or_else(|| panic!("{row:?} is missing"));
        assert!(name.starts_with(row[2].as_str()), "{row:?}: {name}");
    }
    assert_eq!(sheet.len(), all.len(), "commands that the sheet does not have");
}
