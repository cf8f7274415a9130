//! What xenstored and xenconsoled of domain 0 have of each guest: the rings that they share with it, and the channels. Source:
//! Xen 4.17, `tools/xenstored/domain.c`, `tools/console/daemon/io.c`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{DOM0, XenHost};
use crate::memory::Hfn;
use crate::xen::call::EventChannelOp as Op;
use crate::xen::domain::DomId;
use crate::xen::driver::Host;
use crate::xen::event_channel::PortState;
use crate::xen::event_channel::virq::DOM_EXC;
use crate::xen::grant_table::map::{GNTMAP_APPLICATION_MAP, GNTMAP_HOST_MAP, MapGrantRef, UnmapGrantRef};
use crate::xen::io::byte_ring::ByteRing;
use crate::xen::io::console::{IN, OUT};
use crate::xen::xenstore::Asker;

/// Where a mapping of a daemon lies: in the kernel, and in the program.
const MAPPED_AT: [u64; 2] = [0xffff_8880_0000_0000, 0x7f00_0000_0000];
/// How much a console keeps that nobody has read.
const BACKLOG: usize = 64 << 10;

/// A daemon's end: its port, and the handles of its mappings.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct End {
    port: u32,
    handles: [Option<u32>; 2],
}

/// What xenconsoled has of a guest.
#[derive(Clone, PartialEq, Debug)]
struct Console {
    end: End,
    ring: ByteRing,
    /// What the guest has printed and nobody has read.
    printed: VecDeque<u8>,
    /// What was typed, and does not fit into the ring yet.
    typed: VecDeque<u8>,
}

/// Both daemons.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Daemons {
    stores: BTreeMap<DomId, End>,
    consoles: BTreeMap<DomId, Console>,
    /// Domains of whose end xenstored has told those who wait for it.
    ended: BTreeSet<DomId>,
}

impl Daemons {
    /// Whether a domain has a console.
    pub fn has_console(&self, domain: DomId) -> bool {
        self.consoles.contains_key(&domain)
    }

    /// Whether a read of it would not sleep.
    pub fn is_console_readable(&self, domain: DomId) -> bool {
        self.consoles.get(&domain).is_none_or(|console| !console.printed.is_empty())
    }

    /// What a domain has printed, at most so many bytes; `None` when it is gone.
    pub fn read_console(&mut self, domain: DomId, count: usize) -> Option<Vec<u8>> {
        let printed = &mut self.consoles.get_mut(&domain)?.printed;
        let count = printed.len().min(count);
        Some(printed.drain(..count).collect())
    }
}

impl End {
    /// A daemon maps a page through `/dev/xen/gntdev`, which in a PV domain 0 is two mappings (`use_ptemod`), and binds its end
    /// of the channel.
    fn new(host: &mut Host, dom: DomId, gref: u32, port: u32) -> End {
        let flags = [GNTMAP_HOST_MAP, GNTMAP_HOST_MAP | GNTMAP_APPLICATION_MAP];
        let port = host.port(DomId::DOM0, Op::BindInterdomain { remote: dom, port }).unwrap_or_default();
        let mut handles = [None; 2];
        for ((handle, host_addr), flags) in handles.iter_mut().zip(MAPPED_AT).zip(flags) {
            let mapped = host.xen.map_grant_ref(DOM0, MapGrantRef { host_addr, flags, gref, dom });
            *handle = mapped.ok().map(|mapped| mapped.handle);
        }
        End { port, handles }
    }

    fn close(self, host: &mut Host) {
        host.close(DomId::DOM0, self.port);
        for (handle, host_addr) in self.handles.into_iter().zip(MAPPED_AT) {
            if let Some(handle) = handle {
                let _unmapped = host.xen.unmap_grant_ref(DOM0, UnmapGrantRef { host_addr, dev_bus_addr: 0, handle });
            }
        }
    }
}

impl XenHost {
    /// `XS_INTRODUCE`: domain, frame, port, each as a text. xenstored takes the ring over.
    pub(super) fn introduced(&mut self, payload: &[u8]) {
        let text = String::from_utf8_lossy(payload).into_owned();
        let mut parts = text.split('\0').map(|part| part.parse::<u32>().ok());
        let (Some(Some(id)), Some(_), Some(Some(port))) = (parts.next(), parts.next(), parts.next()) else { return };
        let id = DomId(id as u16);
        if !self.daemons.stores.contains_key(&id) {
            let end = self.with_host(|host| End::new(host, id, 1, port));
            self.daemons.stores.insert(id, end);
        }
    }

    /// `XS_RELEASE`: both daemons let go of a domain.
    pub(super) fn released(&mut self, payload: &[u8]) {
        let text = String::from_utf8_lossy(payload).into_owned();
        let Some(id) = text.split('\0').next().and_then(|id| id.parse().ok()).map(DomId) else { return };
        let store = self.daemons.stores.remove(&id);
        self.host.lines.remove(&id);
        let console = self.daemons.consoles.remove(&id);
        self.files.wake_console(id, &mut self.interrupts);
        self.with_host(|host| {
            store.into_iter().chain(console.map(|console| console.end)).for_each(|end| end.close(host));
            host.xen.reap(id);
            host.pools.remove(&id);
        });
    }

    /// Whether a port of domain 0 is where Xen says that a domain has ended (`VIRQ_DOM_EXC`).
    pub(super) fn is_end_of_a_domain(&self, port: u32) -> bool {
        let known = self.dom0.hardware.xen.domain(DomId::DOM0).and_then(|d| d.channels.ports.get(&port));
        known.is_some_and(|port| port.state == PortState::Virq(DOM_EXC))
    }

    /// xenstored's end of its channel with a domain.
    pub(super) fn store_port(&self, id: DomId) -> Option<u32> {
        self.daemons.stores.get(&id).map(|end| end.port)
    }

    /// xenstored looks which domains have ended, and tells those who wait for that (`domain_cleanup`).
    pub(super) fn domains_ended(&mut self) {
        let xen = &self.dom0.hardware.xen;
        let has_ended = |id: &DomId| xen.domain(*id).is_none_or(|d| d.is_dying || d.shutdown.is_some());
        let ended: BTreeSet<DomId> = self.daemons.stores.keys().copied().filter(has_ended).collect();
        if !ended.is_subset(&self.daemons.ended) {
            self.host.store.tell_of_an_end();
        }
        self.daemons.ended = ended;
    }

    /// xenconsoled looks for consoles that are new (`domain_create_ring`).
    pub(super) fn find_consoles(&mut self) {
        let is_new = |id: &DomId| !self.daemons.consoles.contains_key(id);
        let ids: Vec<DomId> = self.daemons.stores.keys().copied().filter(is_new).collect();
        for id in ids {
            let read = |name: &str| {
                let path = format!("/local/domain/{}/console/{name}", id.0);
                self.host.store.read(Asker::of(DomId::DOM0), &path).ok()?.parse::<u64>().ok()
            };
            let (Some(port), Some(frame)) = (read("port"), read("ring-ref")) else { continue };
            let end = self.with_host(|host| End::new(host, id, 0, port as u32));
            let ring = ByteRing { frame: Hfn(frame) };
            let console = Console { end, ring, printed: VecDeque::new(), typed: VecDeque::new() };
            self.daemons.consoles.insert(id, console);
        }
    }

    /// An event at a port of xenstored's or xenconsoled's; whether it is one of theirs (`handle_ring_read`).
    pub(super) fn console_event(&mut self, port: u32) -> bool {
        if self.daemons.stores.values().any(|end| end.port == port) {
            return true;
        }
        let Some((id, _)) = self.daemons.consoles.iter().find(|(_, c)| c.end.port == port) else { return false };
        let id = *id;
        let Some(mut console) = self.daemons.consoles.remove(&id) else { return false };
        let bytes = self.with_host(|host| {
            let bytes = console.ring.consume(&mut host.xen.memory, OUT);
            let typed = console.typed.make_contiguous();
            let sent = console.ring.produce(&mut host.xen.memory, IN, typed);
            console.typed.drain(..sent);
            if !bytes.is_empty() || sent > 0 {
                let numbers = vec![("domain", u64::from(id.0)), ("bytes", bytes.len() as u64)];
                host.tell(
                    kernel_model::machine::report::Lane::Device,
                    numbers,
                    "xenconsoled takes {bytes} bytes off the console ring of domain {domain}, and says so.",
                );
                host.notify(DomId::DOM0, port);
            }
            bytes
        });
        console.printed.extend(bytes);
        let excess = console.printed.len().saturating_sub(BACKLOG);
        console.printed.drain(..excess);
        self.daemons.consoles.insert(id, console);
        self.files.wake_console(id, &mut self.interrupts);
        true
    }

    /// Something is typed at a domain's console (`handle_tty_read`).
    pub(super) fn type_at_console(&mut self, id: DomId, bytes: &[u8]) {
        let Some(mut console) = self.daemons.consoles.remove(&id) else { return };
        console.typed.extend(bytes);
        self.with_host(|host| {
            let typed = console.typed.make_contiguous();
            let sent = console.ring.produce(&mut host.xen.memory, IN, typed);
            console.typed.drain(..sent);
            host.notify(DomId::DOM0, console.end.port);
        });
        self.daemons.consoles.insert(id, console);
    }
}
