//! State machines in all their ways: every order in which guests, Xen and domain 0 can act, up to a bound.

use std::hash::{Hash, Hasher};

use hypervisor_model::memory::{GuestId, Hfn, Owner};
use hypervisor_model::paging::format::{P, RW};
use hypervisor_model::xen::Xen;
use hypervisor_model::xen::domain::{DomId, Domain, GuestKind, VcpuId};
use hypervisor_model::xen::driver::blkback::BlkBack;
use hypervisor_model::xen::driver::blkfront::BlkFront;
use hypervisor_model::xen::driver::{DriverPool, Host};
use hypervisor_model::xen::event_channel::guest::UpcallStep;
use hypervisor_model::xen::grant_table::entry::Revoked;
use hypervisor_model::xen::grant_table::map::{GNTMAP_HOST_MAP, GNTMAP_READONLY, MapGrantRef, UnmapGrantRef};
use hypervisor_model::xen::io::xenbus::{DeviceId, DeviceKind, XenbusState};
use hypervisor_model::xen::mm::PageType;
use hypervisor_model::xen::mm::mmuext::MmuextOp;
use hypervisor_model::xen::mm::update::{Foreign, MmuUpdate};
use hypervisor_model::xen::xenstore::Asker;
use hypervisor_model::xen::xenstore::permission::{Permissions, Right};
use stateright::{Checker, Model, Property};

const DOM0: VcpuId = VcpuId::first(DomId(0));
const ONE: VcpuId = VcpuId::first(DomId(1));

/// A machine with two domains of so many frames each; the second one's frames.
fn machine(frames: u64) -> (Xen, Vec<Hfn>) {
    let mut xen = Xen::new(2 * frames + 4, 2);
    let mut own = Vec::new();
    for id in 0..2_u16 {
        let mut d = Domain::new(DomId(id), GuestKind::Pv64, 1);
        (d.tot_pages, d.max_pages) = (frames, frames);
        (d.vcpus[0].is_up, d.vcpus[0].upcall_mask) = (true, false);
        xen.insert_domain(d);
        let owner = Owner::Guest(GuestId(id.into()));
        let all: Vec<Hfn> = (0..frames).filter_map(|_| xen.memory.allocate(owner)).collect();
        if id == 1 {
            own = all;
        }
    }
    (xen, own)
}

/// Reports how many states there were, and that no property failed.
fn prove<M>(name: &str, model: M, depth: usize)
where
    M: Model + Send + Sync + 'static,
    M::State: Hash + Send + Sync + std::fmt::Debug + Clone + PartialEq + 'static,
    M::Action: std::fmt::Debug + Clone + PartialEq + Send + Sync + 'static,
{
    let checker = model.checker().target_max_depth(depth).spawn_bfs().join();
    println!("{name}: {} states", checker.unique_state_count());
    checker.assert_properties();
    assert!(checker.unique_state_count() > 10, "{name}: hardly anything was tried");
}

/// Event channels: a sender, a receiver that takes events step by step and masks its port.
#[derive(Clone, Debug)]
struct Channel {
    xen: Xen,
    front: u32,
    back: u32,
    step: Option<UpcallStep>,
    /// Events sent since the handler ran last.
    unseen: u8,
    sent: u8,
}

impl Channel {
    /// What tells two states apart: the bits, and where the handler is.
    fn key(&self) -> impl PartialEq + Hash + use<'_> {
        let d = self.xen.domain(DomId(1)).expect("it is there");
        let v = &d.vcpus[0];
        (d.channels.bits.words(), v.upcall_pending, v.upcall_mask, v.pending_sel, &self.step, self.unseen, self.sent)
    }
}

impl PartialEq for Channel {
    fn eq(&self, other: &Channel) -> bool {
        self.key() == other.key()
    }
}

impl Hash for Channel {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

#[derive(Clone, PartialEq, Debug)]
enum Signal {
    Send,
    Mask,
    Unmask,
    Upcall,
    Step,
}

struct Channels;

impl Model for Channels {
    type State = Channel;
    type Action = Signal;

    fn init_states(&self) -> Vec<Channel> {
        let (mut xen, _) = machine(4);
        let front = xen.evtchn_alloc_unbound(ONE, DomId::SELF, DomId(0)).expect("it may");
        let back = xen.evtchn_bind_interdomain(DOM0, DomId(1), front).expect("it is kept for domain 0");
        vec![Channel { xen, front, back, step: None, unseen: 0, sent: 0 }]
    }

    fn actions(&self, state: &Channel, actions: &mut Vec<Signal>) {
        if state.sent < 4 {
            actions.push(Signal::Send);
        }
        match &state.step {
            Some(_) => actions.push(Signal::Step),
            None if state.xen.upcall_is_due(ONE) => actions.extend([Signal::Upcall, Signal::Mask, Signal::Unmask]),
            None => actions.extend([Signal::Mask, Signal::Unmask]),
        }
    }

    fn next_state(&self, last: &Channel, action: Signal) -> Option<Channel> {
        let mut next = last.clone();
        match action {
            Signal::Send => {
                next.xen.evtchn_send(DOM0, next.back).ok()?;
                next.sent += 1;
                next.unseen += 1;
            }
            Signal::Mask => next.xen.mask_port(ONE, next.front),
            Signal::Unmask => next.xen.evtchn_unmask(ONE, next.front).ok()?,
            Signal::Upcall => {
                next.xen.set_upcall_mask(ONE, true);
                next.step = Some(UpcallStep::Start);
            }
            Signal::Step => {
                let step = next.xen.upcall_step(ONE, next.step.as_ref()?);
                if let UpcallStep::Handling { port, .. } = step
                    && port == next.front
                {
                    // The pending bit is clear and the handler is about to run: it will see all that was sent before.
                    next.unseen = 0;
                }
                next.step = Some(step).filter(|step| *step != UpcallStep::Done);
                if next.step.is_none() {
                    next.xen.set_upcall_mask(ONE, false);
                }
            }
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::<Self>::always("no event is lost", |_, state| {
                let d = state.xen.domain(DomId(1)).expect("it is there");
                // What was sent and not seen is still marked somewhere, and where nothing is masked an upcall will come.
                let is_marked = state.unseen == 0 || d.channels.is_pending(state.front);
                let will_look =
                    d.channels.is_masked(state.front) || state.step.is_some() || state.xen.upcall_is_due(ONE);
                is_marked && (state.unseen == 0 || will_look)
            }),
            Property::<Self>::always("ends know each other", |_, state| state.xen.check_channels().is_ok()),
            Property::<Self>::sometimes("an event waits behind a mask", |_, state| {
                let d = state.xen.domain(DomId(1)).expect("it is there");
                state.unseen > 0 && d.channels.is_masked(state.front) && !state.xen.upcall_is_due(ONE)
            }),
        ]
    }
}

#[test]
fn no_order_of_sending_masking_and_looking_loses_an_event() {
    prove("event channels", Channels, 24);
}

/// Grants: the owner grants and revokes, the other domain maps and unmaps.
#[derive(Clone, Debug)]
struct Lending {
    xen: Xen,
    frame: Hfn,
    handles: Vec<u32>,
    is_revoked: bool,
}

impl Lending {
    fn key(&self) -> (String, &Vec<u32>, bool) {
        let tables = [0, 1].map(|id| self.xen.domain(DomId(id)).map(|d| d.grants.clone()));
        (format!("{tables:?} {:?}", self.xen.frames.info(self.frame)), &self.handles, self.is_revoked)
    }
}

impl PartialEq for Lending {
    fn eq(&self, other: &Lending) -> bool {
        self.key() == other.key()
    }
}

impl Hash for Lending {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

#[derive(Clone, PartialEq, Debug)]
enum Grant {
    Give(bool),
    Revoke,
    Map(bool),
    Unmap(u32),
    UseAsTable,
}

struct Grants;

impl Model for Grants {
    type State = Lending;
    type Action = Grant;

    fn init_states(&self) -> Vec<Lending> {
        let (xen, frames) = machine(4);
        vec![Lending { xen, frame: frames[0], handles: Vec::new(), is_revoked: false }]
    }

    fn actions(&self, state: &Lending, actions: &mut Vec<Grant>) {
        actions.extend([Grant::Give(false), Grant::Give(true), Grant::Revoke, Grant::UseAsTable]);
        if state.handles.len() < 3 {
            actions.extend([Grant::Map(false), Grant::Map(true)]);
        }
        actions.extend(state.handles.iter().map(|handle| Grant::Unmap(*handle)));
    }

    fn next_state(&self, last: &Lending, action: Grant) -> Option<Lending> {
        let mut next = last.clone();
        let d = next.xen.domain_mut(DomId(1))?;
        match action {
            Grant::Give(is_readonly) => {
                // An entry that is in use is not written over.
                if d.grants.active.contains_key(&8) {
                    return None;
                }
                d.grants.grant_access(8, DomId(0), next.frame, is_readonly);
                next.is_revoked = false;
            }
            Grant::Revoke => next.is_revoked = d.grants.end_access(8) == Revoked::Done,
            Grant::Map(is_readonly) => {
                let flags = GNTMAP_HOST_MAP | if is_readonly { GNTMAP_READONLY } else { 0 };
                let op = MapGrantRef { host_addr: 0x1000, flags, gref: 8, dom: DomId(1) };
                next.handles.push(next.xen.map_grant_ref(DOM0, op).ok()?.handle);
            }
            Grant::Unmap(handle) => {
                let op = UnmapGrantRef { host_addr: 0x1000, dev_bus_addr: 0, handle };
                next.xen.unmap_grant_ref(DOM0, op).ok()?;
                next.handles.retain(|known| *known != handle);
            }
            Grant::UseAsTable => {
                let pin = MmuextOp::PinTable(1, next.frame);
                let unpin = MmuextOp::UnpinTable(next.frame);
                let is_pinned = next.xen.frames.info(next.frame).is_pinned;
                let op = if is_pinned { unpin } else { pin };
                next.xen.mmuext_op(ONE, &[op], Foreign::NONE).1.ok()?;
            }
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::<Self>::always("no grant is mapped after it was revoked", |_, state| {
                !state.is_revoked || state.handles.is_empty()
            }),
            Property::<Self>::always("marks, pins, handles and counts agree", |_, state| state.xen.check().is_ok()),
            Property::<Self>::sometimes("a page table is lent for reading", |_, state| {
                !state.handles.is_empty() && state.xen.frames.info(state.frame).is_pinned
            }),
        ]
    }
}

#[test]
fn no_order_of_granting_mapping_and_revoking_leaves_a_mapping_behind() {
    prove("grant tables", Grants, 9);
}

/// Page tables: a guest with four frames tries everything.
#[derive(Clone, Debug)]
struct Tables {
    xen: Xen,
    frames: Vec<Hfn>,
}

impl Tables {
    fn key(&self) -> Vec<(u64, String)> {
        let entries = self.frames.iter().flat_map(|frame| [0, 1].map(|slot| (*frame, slot)));
        entries
            .map(|(frame, slot)| {
                let entry = self.xen.memory.read_u64(frame.address().plus(8 * slot));
                (entry, format!("{:?}", self.xen.frames.info(frame)))
            })
            .collect()
    }
}

impl PartialEq for Tables {
    fn eq(&self, other: &Tables) -> bool {
        self.key() == other.key()
    }
}

impl Hash for Tables {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

#[derive(Clone, PartialEq, Debug)]
enum Paging {
    Pin(u8, usize),
    Unpin(usize),
    Write(usize, u64, usize, u64),
    Clear(usize, u64),
}

struct PageTables;

impl Model for PageTables {
    type State = Tables;
    type Action = Paging;

    fn init_states(&self) -> Vec<Tables> {
        let (xen, frames) = machine(3);
        vec![Tables { xen, frames }]
    }

    fn actions(&self, state: &Tables, actions: &mut Vec<Paging>) {
        let all = 0..state.frames.len();
        for frame in all.clone() {
            actions.extend([Paging::Pin(1, frame), Paging::Pin(2, frame), Paging::Unpin(frame)]);
            // One slot of each table is enough for every tangle of three frames.
            actions.push(Paging::Clear(frame, 0));
            actions.extend(all.clone().flat_map(|to| [0, RW].map(|rights| Paging::Write(frame, 0, to, rights))));
        }
    }

    fn next_state(&self, last: &Tables, action: Paging) -> Option<Tables> {
        let mut next = last.clone();
        let frame = |at: usize| last.frames[at];
        let write = |xen: &mut Xen, at: usize, slot: u64, value: u64| {
            let update = MmuUpdate::normal(frame(at).address().plus(8 * slot), value);
            xen.mmu_update(ONE, &[update], Foreign::NONE).1
        };
        match action {
            Paging::Pin(level, at) => next.xen.mmuext_op(ONE, &[MmuextOp::PinTable(level, frame(at))], Foreign::NONE).1,
            Paging::Unpin(at) => next.xen.mmuext_op(ONE, &[MmuextOp::UnpinTable(frame(at))], Foreign::NONE).1,
            Paging::Write(at, slot, to, rights) => write(&mut next.xen, at, slot, frame(to).address().0 | P | rights),
            Paging::Clear(at, slot) => write(&mut next.xen, at, slot, 0),
        }
        .ok()?;
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::<Self>::always("counts are those of the entries, and no table is writable", |_, state| {
                state.xen.check_frames().is_ok()
            }),
            Property::<Self>::sometimes("a table names a table that maps a frame writable", |_, state| {
                let kinds: Vec<PageType> = state.frames.iter().map(|f| state.xen.frames.info(*f).kind).collect();
                [PageType::Table(2), PageType::Table(1), PageType::Writable].iter().all(|kind| kinds.contains(kind))
            }),
        ]
    }
}

#[test]
fn no_order_of_updates_and_pins_makes_a_page_table_writable() {
    prove("direct paging", PageTables, 7);
}

/// The handshake of a disk: both halves, and a toolstack that may end it at any time.
#[derive(Clone, Debug)]
struct Handshake {
    host: Host,
    front: BlkFront,
    back: BlkBack,
    told: (XenbusState, XenbusState),
    is_ending: bool,
}

impl Handshake {
    fn states(&self) -> (XenbusState, XenbusState) {
        (self.front.device.front_state(&self.host.store), self.front.device.back_state(&self.host.store))
    }

    fn key(&self) -> ((XenbusState, XenbusState), (XenbusState, XenbusState), bool, bool, bool) {
        (self.states(), self.told, self.is_ending, self.front.port().is_some(), self.back.port().is_some())
    }
}

impl PartialEq for Handshake {
    fn eq(&self, other: &Handshake) -> bool {
        self.key() == other.key()
    }
}

impl Hash for Handshake {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

#[derive(Clone, PartialEq, Debug)]
enum Turn {
    FrontLooks,
    BackLooks,
    End,
}

struct Handshakes;

impl Model for Handshakes {
    type State = Handshake;
    type Action = Turn;

    fn init_states(&self) -> Vec<Handshake> {
        let (xen, _) = machine(16);
        let mut host = Host::new(xen);
        for id in 0..2_u16 {
            let owner = Owner::Guest(GuestId(id.into()));
            let frames = host.xen.memory.owned().filter(|(_, known)| *known == owner).map(|(frame, _)| frame).collect();
            host.pools.insert(DomId(id), DriverPool::new(frames));
        }
        let device = DeviceId { kind: DeviceKind::Vbd, number: 51712, frontend: DomId(1), backend: DomId(0) };
        let dom0 = Asker::of(DomId(0));
        for (path, owner, reader) in [(device.front(), DomId(1), DomId(0)), (device.back(), DomId(0), DomId(1))] {
            host.store.write(dom0, &path, "").expect("domain 0 may");
            host.store.set_permissions(dom0, &path, Permissions::of(owner).with(Right::Read, reader)).expect("it may");
            host.store.write(dom0, &format!("{path}/state"), "1").expect("domain 0 may");
        }
        let back = BlkBack::new(&mut host, device, 8);
        let front = BlkFront::new(device);
        let unknown = XenbusState::Unknown;
        vec![Handshake { host, front, back, told: (unknown, unknown), is_ending: false }]
    }

    fn actions(&self, state: &Handshake, actions: &mut Vec<Turn>) {
        let (front, back) = state.states();
        if state.told.0 != back {
            actions.push(Turn::FrontLooks);
        }
        if state.told.1 != front {
            actions.push(Turn::BackLooks);
        }
        if !state.is_ending {
            actions.push(Turn::End);
        }
    }

    fn next_state(&self, last: &Handshake, action: Turn) -> Option<Handshake> {
        let mut next = last.clone();
        let (front, back) = next.states();
        match action {
            Turn::FrontLooks => {
                next.told.0 = back;
                next.front.backend_changed(&mut next.host, back);
            }
            Turn::BackLooks => {
                next.told.1 = front;
                next.back.frontend_changed(&mut next.host, front);
            }
            Turn::End => {
                // `xl block-detach`: the backend is told to close.
                next.is_ending = true;
                let path = format!("{}/state", next.front.device.back());
                next.host.store.write(Asker::of(DomId(0)), &path, "5").ok()?;
            }
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::<Self>::always("a handshake at rest is connected or closed", |model, state| {
                let mut actions = Vec::new();
                model.actions(state, &mut actions);
                let is_at_rest = actions.iter().all(|action| *action == Turn::End);
                let both = |wanted| state.states() == (wanted, wanted);
                !is_at_rest || both(XenbusState::Connected) || both(XenbusState::Closed)
            }),
            Property::<Self>::always("the hypervisor's books are right", |_, state| state.host.xen.check().is_ok()),
            Property::<Self>::sometimes("connected", |_, state| {
                state.states() == (XenbusState::Connected, XenbusState::Connected)
            }),
            Property::<Self>::sometimes("closed", |_, state| {
                state.states() == (XenbusState::Closed, XenbusState::Closed)
            }),
        ]
    }
}

#[test]
fn every_handshake_ends_connected_or_closed() {
    prove("xenbus handshake", Handshakes, 40);
}
