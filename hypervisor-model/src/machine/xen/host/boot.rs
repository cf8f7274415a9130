//! How the machine starts: Xen builds domain 0, whose kernel binds its interrupts, and whose daemons start. Source: as
//! recorded from Xen 4.17 with a Linux 6.1 (which ports are bound in which order); `tools/helpers/init-dom0.c`.

use crate::machine::computer::Computer;
use crate::machine::cost::Costs;
use crate::machine::kernel_tables::KernelPages;
use crate::machine::xen::{KernelRing, XenPv};
use crate::memory::{GuestId, Hfn, Owner};
use crate::xen::Xen;
use crate::xen::call::EventChannelOp as Op;
use crate::xen::domain::{DomId, Domain, GuestKind};
use crate::xen::driver::{DriverPool, Host};
use crate::xen::xenstore::Asker;

/// The machine of the recording: 1535 MiB, of which Xen keeps 19 and domain 0 gets 640.
const FRAMES: u64 = 1535 << 8;
const XENS_FRAMES: u64 = 19 << 8;
const DOM0_FRAMES: u64 = 640 << 8;
/// What of domain 0's memory its kernel hands out; a power of two. The rest it keeps.
const KERNELS_FRAMES: u64 = 512 << 8;
/// Physical interrupts of domain 0.
const PIRQS: [u32; 5] = [1, 3, 8, 9, 12];

/// Domain 0's computer, and what its drivers have. Domain 0 has as many processors as the machine.
pub(super) fn boot(ring: KernelRing, costs: Costs, vcpus: u32) -> Option<(Computer<XenPv>, Host)> {
    let mut xen = Xen::new(FRAMES, XENS_FRAMES);
    xen.nr_cpus = vcpus;
    for line in ["Xen version 4.17.7 (Debian 4.17.7-1)", "Using scheduler: SMP Credit Scheduler (credit)"] {
        xen.print(line.to_owned());
    }
    let mut dom0 = Domain::new(DomId::DOM0, GuestKind::Pv64, vcpus);
    (dom0.max_pages, dom0.tot_pages) = (DOM0_FRAMES, DOM0_FRAMES);
    dom0.pirqs = PIRQS.to_vec();
    dom0.iomem = vec![(0xf_0000, 0xf_ffff)];
    xen.insert_domain(dom0);
    let owner = Owner::Guest(GuestId(u32::from(DomId::DOM0.0)));
    let first = xen.memory.allocate_block(KERNELS_FRAMES, owner)?;
    for _ in KERNELS_FRAMES..DOM0_FRAMES {
        xen.memory.allocate(owner)?;
    }
    xen.print(format!("*** LOADING DOMAIN 0: {} MiB, {vcpus} vcpus ***", DOM0_FRAMES >> 8));
    let frames = (first.0..first.0 + KERNELS_FRAMES).map(Hfn);
    let guest = XenPv { sleeps: true, ..XenPv::guest(xen, DomId::DOM0, frames, ring, costs)? };
    let mut host = Host::new(Xen::default());
    host.pools.insert(DomId::DOM0, DriverPool::new(guest.driver_frames()));
    Some((Computer::with_pages(guest, KERNELS_FRAMES, false, KernelPages::Small), host))
}

/// The kernel of domain 0 binds its interrupts, then the daemons theirs: in this order the ports are given out. What
/// `init-dom0` and the kernel write into the new store.
pub(super) fn init_dom0(host: &mut Host, vcpus: u32) {
    bind_interrupts(host, DomId::DOM0, vcpus);
    let mut bind = |op| host.port(DomId::DOM0, op);
    let store = bind(Op::AllocUnbound { dom: DomId::SELF, remote: DomId::DOM0 });
    bind(Op::BindVirq { virq: 9, vcpu: 0 });
    bind(Op::BindPirq(9));
    bind(Op::BindVirq { virq: 16, vcpu: 0 });
    bind(Op::BindVirq { virq: 2, vcpu: 0 });
    [12, 1, 8].into_iter().for_each(|pirq| {
        bind(Op::BindPirq(pirq));
    });
    // xenstored: who ends, and the kernel of domain 0 itself.
    bind(Op::BindVirq { virq: 3, vcpu: 0 });
    if let Some(port) = store {
        bind(Op::BindInterdomain { remote: DomId::DOM0, port });
    }
    bind(Op::BindPirq(3));
    // xenconsoled: what Xen writes to its console.
    bind(Op::BindVirq { virq: 8, vcpu: 0 });
    for (path, value) in [
        ("/tool/xenstored", ""),
        ("/local/domain/0/control/feature-poweroff", "1"),
        ("/local/domain/0/control/feature-reboot", "1"),
        ("/local/domain/0/control/feature-suspend", "1"),
        ("/local/domain/0/domid", "0"),
        ("/local/domain/0/name", "Domain-0"),
        ("/local/pool/0/name", "Pool-0"),
    ] {
        let _written = host.store.write(Asker::of(DomId::DOM0), path, value);
    }
}

/// A kernel binds its timer and the interrupts between its processors.
pub(super) fn bind_interrupts(host: &mut Host, id: DomId, vcpus: u32) {
    for vcpu in 0..vcpus {
        host.port(id, Op::BindVirq { virq: 0, vcpu });
        (0..4).for_each(|_| {
            host.port(id, Op::BindIpi(vcpu));
        });
    }
}
