//! Machines that count: one for each platform, behind one type.

use kernel_model::machine::report::Report;
use kernel_model::pv_ops::{PageRange, PvOp, PvOps};
use thiserror::Error;

use super::Platform;
use super::computer::Computer;
use super::cost::Costs;
use super::counters::Counters;
use super::emulated::Emulated;
use super::hardware::Hardware;
use super::kvm::Kvm;
use super::native::Native;
use super::uml::Uml;
use crate::kvm::mmu::Paging;
use crate::memory::PAGE_SIZE;

/// Frames of the machine that a kernel sees: 2 GiB, as the kernel model's memory has.
const FRAMES: u64 = (2 << 30) / PAGE_SIZE;

/// EPT as KVM uses it on a processor that has accessed and dirty flags there (`enable_ept_ad_bits`).
const EPT: Paging = Paging::Ept { accessed_and_dirty: true, pml: false };

/// A machine that counts what it does.
pub trait Measured: PvOps {
    /// What it has counted.
    fn counters(&self) -> &Counters;

    /// A copy of it.
    fn copy(&self) -> Box<dyn Measured>;
}

impl Clone for Box<dyn Measured> {
    fn clone(&self) -> Self {
        (**self).copy()
    }
}

impl<H: Hardware + Clone + 'static> Measured for Computer<H> {
    fn counters(&self) -> &Counters {
        &self.counters
    }

    fn copy(&self) -> Box<dyn Measured> {
        Box::new(self.clone())
    }
}

impl PvOps for Box<dyn Measured> {
    fn execute(&mut self, cpu: u32, op: PvOp) {
        (**self).execute(cpu, op);
    }

    fn touch(&mut self, cpu: u32, at: PageRange, write: bool) {
        (**self).touch(cpu, at, write);
    }

    fn reports(&mut self) -> Vec<Report> {
        (**self).reports()
    }
}

/// A hypervisor found no memory for its own tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("the machine has no memory for the hypervisor's tables")]
pub struct NoMemory;

impl Platform {
    /// A machine of this platform on which a kernel has just booted.
    ///
    /// # Errors
    /// The hypervisor finds no memory.
    pub fn machine(self, costs: Costs) -> Result<Box<dyn Measured>, NoMemory> {
        let kvm = |paging| Kvm::new(FRAMES, paging, costs.clone()).ok_or(NoMemory);
        Ok(match self {
            Platform::Native | Platform::Container => {
                Box::new(Computer::new(Native::new(FRAMES, costs.clone()), FRAMES, true))
            }
            Platform::KvmEpt => Box::new(Computer::new(kvm(EPT)?, FRAMES, true)),
            Platform::KvmShadow => Box::new(Computer::new(kvm(Paging::Shadow)?, FRAMES, true)),
            Platform::Emulated => Box::new(Computer::new(Emulated::new(FRAMES, costs.clone()), FRAMES, false)),
            Platform::Uml => Box::new(Computer::new(Uml::new(FRAMES, costs.clone()), FRAMES, true)),
        })
    }
}
