//! What the processor does with an address of the guest, by the tables that KVM has given it.

use serde::{Deserialize, Serialize};

use super::fault::pferr;
use super::{Mmu, Paging};
use crate::cpu::sensitive::NestedFault;
use crate::cpu::{AccessKind, Cr0, Cr4, Efer};
use crate::paging::fault::{Attempt, PageFault, TranslationStop, error_code};
use crate::paging::walk::{Leaf, walk};
use crate::paging::{Ept, Flat, Npt, PagingState, Regime, Trace};

/// An exit because of memory.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum MemoryExit {
    /// A page fault of the shadow tables: intercepted, whether it is the guest's own or not.
    PageFault {
        /// The fault as the hardware reports it.
        fault: PageFault,
        /// The access.
        attempt: Attempt,
    },
    /// A violation or misconfiguration of EPT, or a nested page fault.
    Nested(NestedFault),
    /// The page-modification log is full.
    PmlFull,
}

impl MemoryExit {
    /// The error code as `kvm_mmu_page_fault` gets it.
    pub fn error_code(&self) -> u64 {
        match self {
            MemoryExit::PageFault { fault, .. } => u64::from(fault.code),
            MemoryExit::Nested(fault) => {
                let mut code = u64::from(error_code::U);
                code |= match fault.kind {
                    AccessKind::Read => 0,
                    AccessKind::Write => u64::from(error_code::W),
                    AccessKind::Fetch => u64::from(error_code::I),
                };
                if fault.rights != 0 {
                    code |= u64::from(error_code::P);
                }
                if fault.is_misconfigured {
                    code |= u64::from(error_code::P | error_code::RSVD);
                }
                code | if fault.is_final { pferr::GUEST_FINAL } else { pferr::GUEST_PAGE }
            }
            MemoryExit::PmlFull => 0,
        }
    }
}

/// Why an access of the guest did not reach memory.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum MemoryStop {
    /// A page fault of the guest's own, which it takes without an exit.
    GuestFault(PageFault),
    /// An exit.
    Exit(MemoryExit),
}

impl Mmu<'_> {
    /// The second dimension of EPT as the processor has it now.
    pub fn ept(&self) -> Option<Ept> {
        let Paging::Ept { accessed_and_dirty, .. } = self.vm.config.paging else { return None };
        let mut ept = Ept::new(self.vcpu.root?.hpa, accessed_and_dirty);
        ept.pml = self.vcpu.pml;
        ept.features.address_bits = self.vcpu.guest.features.address_bits;
        Some(ept)
    }

    /// The second dimension of NPT as the processor has it now.
    pub fn npt(&self) -> Option<Npt> {
        if self.vm.config.paging != Paging::Npt {
            return None;
        }
        Some(Npt::new(&self.host_state(self.vcpu.root?.hpa.0)))
    }

    fn host_state(&self, cr3: u64) -> PagingState {
        PagingState {
            cr0: Cr0::PE | Cr0::PG | Cr0::WP,
            cr3,
            cr4: Cr4::PAE,
            efer: Efer::LME | Efer::LMA | Efer::NXE,
            features: self.vcpu.guest.features,
            ..PagingState::default()
        }
    }

    /// What the processor runs the guest with under shadow tables: the shadow root in CR3, CR0.WP always set, NX
    /// always on, and the guest's SMEP and SMAP while its paging is on.
    pub fn shadow_state(&self) -> Option<PagingState> {
        let root = self.vcpu.root?;
        let guest = &self.vcpu.guest;
        let mut state = PagingState { ac: guest.ac, ..self.host_state(root.hpa.0) };
        if guest.format().is_some() {
            state.cr4 |= guest.cr4 & (Cr4::SMEP | Cr4::SMAP | Cr4::PGE);
        }
        if root.role.level > 4 {
            state.cr4 |= Cr4::LA57;
        }
        if root.page.is_none() {
            state.efer -= Efer::LME | Efer::LMA;
            for (at, entry) in state.pdptes.iter_mut().enumerate() {
                *entry = self.memory.read_u64(root.hpa.plus(8 * at as u64));
            }
        }
        Some(state)
    }

    /// Does what the processor does with a linear address of the guest: walks whatever tables it has been given.
    ///
    /// # Errors
    /// A page fault of the guest's own, or an exit.
    pub fn access<T: Trace>(&mut self, linear: u64, attempt: Attempt, trace: &mut T) -> Result<Leaf, MemoryStop> {
        match self.vm.config.paging {
            Paging::Shadow => {
                let Some(state) = self.shadow_state() else { return Err(no_root(linear)) };
                let mut regime = Regime::new(&state);
                regime.pdptes = state.format().filter(|f| *f == crate::paging::FormatKind::Pae).map(|_| state.pdptes);
                let result = walk(self.memory, &mut Flat, &regime, linear, attempt, None, trace);
                result.map(|walked| walked.leaf).map_err(|stop| match stop {
                    TranslationStop::PageFault(fault) => MemoryStop::Exit(MemoryExit::PageFault { fault, attempt }),
                    other => exit(other),
                })
            }
            Paging::Ept { .. } => {
                let Some(mut ept) = self.ept() else { return Err(no_root(linear)) };
                let regime = self.vcpu.regime;
                let result = walk(self.memory, &mut ept, &regime, linear, attempt, None, trace);
                self.vcpu.pml = ept.pml;
                result.map(|walked| walked.leaf).map_err(exit)
            }
            Paging::Npt => {
                let Some(mut npt) = self.npt() else { return Err(no_root(linear)) };
                let regime = self.vcpu.regime;
                walk(self.memory, &mut npt, &regime, linear, attempt, None, trace)
                    .map(|walked| walked.leaf)
                    .map_err(exit)
            }
        }
    }
}

fn exit(stop: TranslationStop) -> MemoryStop {
    match stop {
        TranslationStop::PageFault(fault) => MemoryStop::GuestFault(fault),
        TranslationStop::Nested(fault) => MemoryStop::Exit(MemoryExit::Nested(fault)),
        TranslationStop::PmlFull => MemoryStop::Exit(MemoryExit::PmlFull),
    }
}

/// Entering without a root is a mistake of ours: [`Mmu::enter`] comes first.
fn no_root(linear: u64) -> MemoryStop {
    debug_assert!(false, "a guest runs only after `enter` has loaded a root");
    MemoryStop::GuestFault(PageFault { linear, code: 0 })
}
