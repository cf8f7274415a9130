//! What a guest might try against the others, and what comes of it: each attempt is made for real, on a machine with two
//! guests, and the refusal is Xen's own.

use super::call::{EventChannelOp, Hypercall, Output};
use super::domain::{DomId, Domain, GuestKind, VcpuId};
use super::domctl::Domctl;
use super::driver::{DriverPool, Host};
use super::event_channel::DEFAULT_MAX_PORT;
use super::grant_table::MAX_FRAMES;
use super::grant_table::map::{GNTMAP_HOST_MAP, MapGrantRef};
use super::mm::mmuext::MmuextOp;
use super::mm::update::{Foreign, MmuUpdate};
use crate::memory::{GuestId, Hfn, Owner};
use crate::paging::format::{P, RW};
use crate::xen::Xen;

/// What an attempt led to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It was refused: with which error, and by which rule.
    Refused(String, &'static str),
    /// It did nothing to anybody else.
    Harmless(String),
    /// It succeeded: what protects against it was not there.
    Succeeded(String),
}

/// An attempt.
#[derive(Clone, Copy, Debug)]
pub struct Attack {
    /// What it is called.
    pub name: &'static str,
    /// What the guest does.
    pub attempt: &'static str,
    /// Why it comes out as it does.
    pub explanation: &'static str,
    run: fn(&mut Ground) -> Outcome,
}

/// Two guests on a machine.
struct Ground {
    host: Host,
    attacker: VcpuId,
    victim: DomId,
}

/// Frames of the machine, of Xen itself, and of each domain.
const FRAMES: u64 = 26 << 8;
const XENS: u64 = 19 << 8;
const EACH: u64 = 2 << 8;
/// Of these, how many a domain's drivers have.
const DRIVERS: usize = 64;

impl Ground {
    fn new() -> Option<Ground> {
        let mut host = Host::new(Xen::new(FRAMES, XENS));
        let mut dom0 = Domain::new(DomId::DOM0, GuestKind::Pv64, 1);
        (dom0.max_pages, dom0.vcpus[0].is_up) = (EACH, true);
        host.xen.insert_domain(dom0);
        let victim = guest(&mut host)?;
        let attacker = VcpuId::first(guest(&mut host)?);
        Some(Ground { host, attacker, victim })
    }

    fn xen(&mut self) -> &mut Xen {
        &mut self.host.xen
    }

    fn frame_of(&self, domain: DomId) -> Hfn {
        let owner = Owner::Guest(GuestId(u32::from(domain.0)));
        let own = self.host.xen.memory.owned().find(|(_, known)| *known == owner);
        own.map_or(Hfn(0), |(frame, _)| frame)
    }

    /// A frame of the attacker's that is a page table of the last level.
    fn table(&mut self) -> Hfn {
        let table = self.host.take_frame(self.attacker.domain).unwrap_or_default();
        let attacker = self.attacker;
        let _pinned = self.xen().mmuext_op(attacker, &[MmuextOp::PinTable(1, table)], Foreign::NONE);
        table
    }

    fn call(&mut self, call: Hypercall) -> Outcome {
        let attacker = self.attacker;
        match self.xen().hypercall(attacker, call) {
            Err(refusal) | Ok((_, Output::Done(_, Some(refusal)))) => {
                Outcome::Refused(format!("-{}", refusal.errno.name()), refusal.rule)
            }
            Ok((_, Output::Mapped(results))) => match results.first() {
                Some(Err(refusal)) => Outcome::Refused(refusal.status.text().to_owned(), refusal.rule),
                _ => Outcome::Succeeded("the frame is mapped".to_owned()),
            },
            Ok(_) => Outcome::Succeeded("the call was carried out".to_owned()),
        }
    }

    fn write_entry(&mut self, frame: Hfn) -> Outcome {
        let at = self.table().address();
        let update = MmuUpdate::normal(at, frame.address().0 | P | RW);
        self.call(Hypercall::MmuUpdate { updates: vec![update], foreign: Foreign::NONE })
    }
}

/// A guest as the toolstack builds one: memory, and a channel to xenstore that domain 0 has bound.
fn guest(host: &mut Host) -> Option<DomId> {
    let dom0 = VcpuId::first(DomId::DOM0);
    let create = Domctl::Create {
        kind: GuestKind::Pv64,
        vcpus: 1,
        handle: [0; 16],
        max_port: DEFAULT_MAX_PORT,
        max_grant_frames: MAX_FRAMES,
    };
    let (id, _) = host.xen.domctl(dom0, create).ok()?;
    let id = DomId(id as u16);
    host.xen.domctl(dom0, Domctl::MaxMem(id, EACH * 4)).ok()?;
    let frames: Vec<Hfn> = (0..EACH).map_while(|_| host.xen.allocate_frame(id)).collect();
    host.pools.insert(id, DriverPool::new(frames.get(frames.len().checked_sub(DRIVERS)?..)?.to_vec()));
    let port = host.port(DomId::DOM0, EventChannelOp::AllocUnbound { dom: id, remote: DomId::DOM0 })?;
    host.port(DomId::DOM0, EventChannelOp::BindInterdomain { remote: id, port })?;
    host.xen.domctl(dom0, Domctl::SetVcpuContext(id, 0)).ok()?;
    host.xen.domctl(dom0, Domctl::Unpause(id)).ok()?;
    host.xen.vcpu_mut(VcpuId::first(id))?.upcall_mask = false;
    Some(id)
}

fn map_foreign_frame(ground: &mut Ground) -> Outcome {
    let frame = ground.frame_of(ground.victim);
    ground.write_entry(frame)
}

fn map_own_table_writable(ground: &mut Ground) -> Outcome {
    let table = ground.table();
    ground.write_entry(table)
}

fn map_xen(ground: &mut Ground) -> Outcome {
    ground.write_entry(Hfn(0))
}

fn send_on_others_channel(ground: &mut Ground) -> Outcome {
    let port = 1;
    let op = EventChannelOp::BindInterdomain { remote: ground.victim, port };
    ground.call(Hypercall::EventChannelOp(op))
}

fn reuse_revoked_grant(ground: &mut Ground) -> Outcome {
    let (victim, attacker) = (ground.victim, ground.attacker.domain);
    let frame = ground.frame_of(victim);
    if let Some(d) = ground.xen().domain_mut(victim) {
        d.grants.grant_access(8, attacker, frame, false);
        d.grants.end_access(8);
    }
    let op = MapGrantRef { host_addr: 0x1000, flags: GNTMAP_HOST_MAP, gref: 8, dom: victim };
    ground.call(Hypercall::GrantTableOp(super::call::GrantTableOp::Map(vec![op])))
}

fn destroy_other(ground: &mut Ground) -> Outcome {
    ground.call(Hypercall::Domctl(Domctl::Destroy(ground.victim)))
}

fn flood(ground: &mut Ground) -> Outcome {
    // A channel that both have agreed on, and a hundred thousand events in it.
    let (victim, attacker) = (ground.victim, ground.attacker);
    let allocate = EventChannelOp::AllocUnbound { dom: DomId::SELF, remote: attacker.domain };
    let Some(port) = ground.host.port(victim, allocate) else { return Outcome::Harmless(String::new()) };
    let bind = EventChannelOp::BindInterdomain { remote: victim, port };
    let Some(own) = ground.host.port(attacker.domain, bind) else { return Outcome::Harmless(String::new()) };
    for _ in 0..100_000 {
        let _sent = ground.xen().evtchn_send(attacker, own);
    }
    let seen = ground.xen().take_events(VcpuId::first(victim)).len();
    Outcome::Harmless(format!("100000 events, and the victim's handlers run {seen} times"))
}

fn dma(ground: &mut Ground, has_iommu: bool) -> Outcome {
    let frame = ground.frame_of(ground.victim);
    let attacker = ground.attacker.domain;
    match ground.xen().dma_write(attacker, frame, 0x6576_696c, has_iommu) {
        true => Outcome::Succeeded(format!("frame {frame} of the victim holds what the device wrote")),
        false => {
            Outcome::Refused("IOMMU fault".to_owned(), "the device's domain has no such frame in its IOMMU tables")
        }
    }
}

fn dma_without_iommu(ground: &mut Ground) -> Outcome {
    dma(ground, false)
}

fn dma_with_iommu(ground: &mut Ground) -> Outcome {
    dma(ground, true)
}

impl Xen {
    /// A device that a domain was given writes to memory by itself. Without an IOMMU nothing stands between; with one it
    /// reaches what its domain has, and what was lent to it for devices. Whether it reached memory.
    pub fn dma_write(&mut self, domain: DomId, frame: Hfn, value: u64, has_iommu: bool) -> bool {
        let is_reachable = self.owner(frame) == Some(domain) || self.is_lent_to_device(domain, frame);
        if has_iommu && !is_reachable {
            return false;
        }
        self.memory.write_u64(frame.address(), value);
        true
    }

    fn is_lent_to_device(&self, domain: DomId, frame: Hfn) -> bool {
        let mappings = self.domain(domain).into_iter().flat_map(|d| d.grants.maptrack.values());
        mappings.filter(|mapping| mapping.flags & super::grant_table::map::GNTMAP_READONLY == 0).any(|mapping| {
            let active = self.domain(mapping.domid).and_then(|d| d.grants.active.get(&mapping.gref));
            active.is_some_and(|active| active.mfn == frame)
        })
    }
}

/// The attempts.
pub static ATTACKS: [Attack; 9] = [
    Attack {
        name: "map a foreign frame",
        attempt: "mmu_update: an entry of a page table of its own names a frame of another guest",
        explanation: "Xen knows the owner of every frame, and an entry takes a reference only to a frame of the table's owner.",
        run: map_foreign_frame,
    },
    Attack {
        name: "write a page table directly",
        attempt: "mmu_update: a page table is mapped writable, so that entries can be written without asking",
        explanation: "A frame has one type at a time. While it is a page table it cannot be writable.",
        run: map_own_table_writable,
    },
    Attack {
        name: "map the hypervisor",
        attempt: "mmu_update: an entry names a frame of Xen itself",
        explanation: "Xen's frames belong to no domain.",
        run: map_xen,
    },
    Attack {
        name: "use another's channel",
        attempt: "event_channel_op bind_interdomain: the port that the victim keeps for xenstore",
        explanation: "A port says for whom it waits, and once it is bound it waits for nobody.",
        run: send_on_others_channel,
    },
    Attack {
        name: "reuse a revoked grant",
        attempt: "grant_table_op map_grant_ref: a reference that was granted once and taken back",
        explanation: "The owner cleared the entry, which is possible only while nobody has it mapped; nothing is left to map.",
        run: reuse_revoked_grant,
    },
    Attack {
        name: "destroy another guest",
        attempt: "domctl destroydomain",
        explanation: "Only a privileged domain controls domains.",
        run: destroy_other,
    },
    Attack {
        name: "flood with events",
        attempt: "event_channel_op send, a hundred thousand times",
        explanation: "An event is one bit: however often it is set, the handler finds it once. Time is what is taken, and that \
                      is the scheduler's business.",
        run: flood,
    },
    Attack {
        name: "DMA without an IOMMU",
        attempt: "a device that the attacker was given writes into the victim's memory",
        explanation: "Devices use machine addresses and no page table. A domain with a device is as powerful as Xen.",
        run: dma_without_iommu,
    },
    Attack {
        name: "DMA with an IOMMU",
        attempt: "the same, and the device's addresses are translated",
        explanation: "The IOMMU has page tables for devices, and Xen fills them with the frames of the device's domain.",
        run: dma_with_iommu,
    },
];

impl Attack {
    /// Makes the attempt; `None` if the machine has no room for two guests.
    pub fn run(&self) -> Option<Outcome> {
        let mut ground = Ground::new()?;
        let outcome = (self.run)(&mut ground);
        debug_assert_eq!(ground.xen().check(), Ok(()));
        Some(outcome)
    }
}

/// All attempts with their outcomes, as a text.
pub fn text() -> String {
    let mut text = String::new();
    for attack in &ATTACKS {
        let outcome = match attack.run() {
            Some(Outcome::Refused(error, rule)) => format!("refused, {error}: {rule}"),
            Some(Outcome::Harmless(what)) => format!("harmless: {what}"),
            Some(Outcome::Succeeded(what)) => format!("succeeds: {what}"),
            None => "no room".to_owned(),
        };
        text.push_str(&format!(
            "{}\n  tried    {}\n  outcome  {outcome}\n  why      {}\n",
            attack.name, attack.attempt, attack.explanation
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attempt_is_refused_for_its_own_reason_and_only_a_device_without_iommu_gets_through() {
        let outcomes: Vec<String> = ATTACKS
            .iter()
            .map(|attack| match attack.run().expect("there is room") {
                Outcome::Refused(error, rule) => format!("{}: {error}: {rule}", attack.name),
                Outcome::Harmless(what) => format!("{}: {what}", attack.name),
                Outcome::Succeeded(_) => format!("{}: succeeds", attack.name),
            })
            .collect();
        assert_eq!(
            outcomes,
            [
                "map a foreign frame: -EBUSY: the frame belongs to another domain, or to Xen",
                "write a page table directly: -EBUSY: a page table cannot be mapped writable",
                "map the hypervisor: -EBUSY: the frame belongs to another domain, or to Xen",
                "use another's channel: -EINVAL: the port is not waiting for anybody",
                "reuse a revoked grant: undefined error: the entry does not permit access",
                "destroy another guest: -EPERM: only a privileged domain controls domains",
                "flood with events: 100000 events, and the victim's handlers run 1 times",
                "DMA without an IOMMU: succeeds",
                "DMA with an IOMMU: IOMMU fault: the device's domain has no such frame in its IOMMU tables",
            ]
        );
    }
}
