//! Xen as one plain value: the hypervisor with its domains, as its public headers describe it.
//!
//! A guest asks by hypercall ([`call::Hypercall`]); everything else that crosses between domains is in memory that they
//! share, and Xen has no part in it: rings ([`io`]), pending bits ([`event_channel`]), entries of grant tables
//! ([`grant_table`]). Facts are from Xen master of August 2026 (commit c447b7308b13); each file names its source. Errors are
//! negative errno values with Linux's numbers (`xen/include/public/errno.h`), and each refusal here also says which rule was
//! broken ([`Refusal`]), where the real one writes to its log.

pub mod abi;
pub mod attack;
pub mod call;
pub mod debug_keys;
pub mod deeds;
pub mod dispatch;
pub mod domain;
pub mod domctl;
pub mod driver;
pub mod event_channel;
pub mod grant_table;
pub mod hypercall;
pub mod io;
pub mod memory;
pub mod mm;
pub mod sched;
pub mod sysctl;
pub mod traps;
pub mod typed;
pub mod vcpu;
pub mod xenstore;

use std::collections::BTreeMap;
use std::fmt;

use imbl::OrdMap;
use kernel_model::errno::Errno;
use serde::Serialize;

use crate::memory::{Hfn, Owner, PhysicalMemory};
use deeds::Deeds;
use domain::{DomId, Domain, VcpuId};
use mm::FrameTable;

/// A hypercall was refused: with which error, and by which rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Refusal {
    /// The error, returned as a negative number.
    pub errno: Errno,
    /// The rule that was broken.
    pub rule: &'static str,
}

impl Refusal {
    /// A refusal.
    pub const fn new(errno: Errno, rule: &'static str) -> Refusal {
        Refusal { errno, rule }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "-{}: {}", self.errno.name(), self.rule)
    }
}

/// Refuses.
///
/// # Errors
/// Always.
pub const fn refuse<T>(errno: Errno, rule: &'static str) -> Result<T, Refusal> {
    Err(Refusal::new(errno, rule))
}

/// The hypervisor. The default is one without a machine: what stands where Xen is for as long as it is somewhere else.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Xen {
    /// The machine's memory.
    pub memory: PhysicalMemory,
    /// What Xen keeps of each frame.
    pub frames: FrameTable,
    domains: OrdMap<DomId, Domain>,
    /// Who handles global virtual interrupts that were given away from domain 0.
    virq_handlers: BTreeMap<u32, DomId>,
    /// Lines of Xen's console, as `xl dmesg` shows them.
    pub console: imbl::Vector<String>,
    /// The number after the highest that was ever given to a domain.
    pub next_domain: u16,
    /// Processors of the machine.
    pub nr_cpus: u32,
    /// Nanoseconds since boot.
    pub now: u64,
    /// What happened, to be reported.
    pub deeds: Deeds,
}

impl Xen {
    /// A machine with so many frames on which only Xen runs, in the lowest of them.
    pub fn new(frames: u64, own: u64) -> Xen {
        let mut memory = PhysicalMemory::new(frames);
        for _ in 0..own {
            memory.allocate(Owner::Host);
        }
        Xen {
            memory,
            frames: FrameTable::new(frames),
            domains: OrdMap::new(),
            virq_handlers: BTreeMap::new(),
            console: imbl::Vector::new(),
            next_domain: 0,
            nr_cpus: 1,
            now: 0,
            deeds: Deeds::default(),
        }
    }

    /// A domain.
    pub fn domain(&self, id: DomId) -> Option<&Domain> {
        self.domains.get(&id)
    }

    /// A domain, to be changed.
    pub fn domain_mut(&mut self, id: DomId) -> Option<&mut Domain> {
        self.domains.get_mut(&id)
    }

    /// All domains, by number.
    pub fn domains(&self) -> impl Iterator<Item = &Domain> + '_ {
        self.domains.values()
    }

    /// Puts a domain among the others.
    pub fn insert_domain(&mut self, domain: Domain) {
        self.next_domain = self.next_domain.max(domain.id.0 + 1);
        self.domains.insert(domain.id, domain);
    }

    /// Takes a domain out.
    pub fn remove_domain(&mut self, id: DomId) {
        self.domains.remove(&id);
    }

    /// The domain that a caller names, itself among them (`rcu_lock_domain_by_any_id`).
    pub fn any_id(&self, caller: VcpuId, id: DomId) -> Option<DomId> {
        let id = if id == DomId::SELF { caller.domain } else { id };
        self.domains.contains_key(&id).then_some(id)
    }

    /// A processor of a domain.
    pub fn vcpu(&self, who: VcpuId) -> Option<&domain::Vcpu> {
        self.domain(who.domain).and_then(|d| d.vcpu(who.vcpu))
    }

    /// A processor of a domain, to be changed.
    pub fn vcpu_mut(&mut self, who: VcpuId) -> Option<&mut domain::Vcpu> {
        self.domain_mut(who.domain).and_then(|d| d.vcpu_mut(who.vcpu))
    }

    /// Whether the caller is privileged (`XSM_PRIV`, `XSM_HOOK` for domain 0).
    pub fn is_privileged(&self, caller: VcpuId) -> bool {
        self.domain(caller.domain).is_some_and(|d| d.is_privileged)
    }

    /// The default policy for acting on a domain (`XSM_TARGET`): itself, one for which one is the device model, or
    /// everybody if privileged.
    ///
    /// # Errors
    /// EPERM with the rule.
    pub fn require_target(&self, caller: VcpuId, on: DomId, rule: &'static str) -> Result<(), Refusal> {
        let is_target = self.domain(caller.domain).is_some_and(|d| d.target == Some(on));
        if caller.domain == on || is_target || self.is_privileged(caller) { Ok(()) } else { refuse(Errno::EPERM, rule) }
    }

    /// The domain that handles a global virtual interrupt (`get_global_virq_handler`).
    pub fn virq_handler(&self, virq: u32) -> DomId {
        self.virq_handlers.get(&virq).copied().unwrap_or(DomId::DOM0)
    }

    /// Gives a global virtual interrupt to another domain (`XEN_DOMCTL_set_virq_handler`).
    pub fn set_virq_handler(&mut self, virq: u32, domain: DomId) {
        self.virq_handlers.insert(virq, domain);
    }

    /// Writes a line to Xen's console.
    pub fn print(&mut self, line: String) {
        self.console.push_back(format!("(XEN) {line}"));
    }

    /// The domain that owns a frame.
    pub fn owner(&self, frame: Hfn) -> Option<DomId> {
        match self.memory.owner(frame) {
            Owner::Guest(guest) => Some(DomId(guest.0 as u16)),
            _ => None,
        }
    }

    /// What must always hold; the text says what does not.
    pub fn check(&self) -> Result<(), String> {
        self.memory.check()?;
        self.check_channels()?;
        self.check_grants()?;
        self.check_frames()
    }
}
