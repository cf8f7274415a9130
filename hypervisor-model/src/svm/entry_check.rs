//! The checks of VMRUN: a VMCB with an illegal state is left at once, with exit code VMEXIT_INVALID.
//!
//! Source: AMD64 APM vol. 2 rev. 3.30, 15.5.1 "Basic Operation", "Canonicalization and Consistency Checks"; 15.20 "Event
//! Injection". In the manual's order; the first failure counts. Other than VT-x, AMD-V does not tell which it was.

use super::intercept::Intercept;
use super::vmcb::{SaveArea, Vmcb};
use crate::cpu::control::{Cr0, Cr4, Efer};
use crate::cpu::segment::Descriptor;
use crate::vmx::interruption::EventType;

/// Physical addresses have this many bits.
const ADDRESS_BITS: u32 = 48;

/// Makes all checks.
///
/// # Errors
/// The first that fails, in words.
pub fn check(vmcb: &Vmcb) -> Result<(), &'static str> {
    state(&vmcb.save)?;
    let control = &vmcb.control;
    require(control.intercepts.has(Intercept::Vmrun), "VMRUN is not intercepted")?;
    require(control.asid != 0, "the ASID is 0, which is the host's")?;
    let root = control.nested_cr3;
    require(!control.nested_paging || root >> ADDRESS_BITS == 0, "N_CR3: a reserved bit is 1")?;
    injection(vmcb)
}

fn require(holds: bool, what: &'static str) -> Result<(), &'static str> {
    if holds { Ok(()) } else { Err(what) }
}

fn state(save: &SaveArea) -> Result<(), &'static str> {
    let (cr0, cr4, efer) = (save.cr0, save.cr4, save.efer);
    require(efer.contains(Efer::SVME), "EFER.SVME is 0")?;
    require(cr0.contains(Cr0::CD) || !cr0.contains(Cr0::NW), "CR0.NW is 1 and CR0.CD is 0")?;
    require(cr0.bits() >> 32 == 0, "CR0: bits 63:32 must be 0")?;
    let is_long = efer.contains(Efer::LME) && cr0.contains(Cr0::PG);
    require(!is_long || save.cr3 >> 52 == 0, "CR3: a reserved bit is 1")?;
    let known = Cr4::all() - Cr4::VMXE;
    require(cr4.bits() & !known.bits() == 0, "CR4: a reserved bit is 1")?;
    require(save.dr6 >> 32 == 0, "DR6: bits 63:32 must be 0")?;
    require(save.dr7 >> 32 == 0, "DR7: bits 63:32 must be 0")?;
    require(efer.bits() & !Efer::all().bits() == 0, "EFER: a reserved bit is 1")?;
    require(!is_long || cr4.contains(Cr4::PAE), "EFER.LME and CR0.PG are 1, and CR4.PAE is 0")?;
    require(!is_long || cr0.contains(Cr0::PE), "EFER.LME and CR0.PG are 1, and CR0.PE is 0")?;
    let code = save.segments.cs.descriptor.rights;
    let both = Descriptor::L | Descriptor::DB;
    require(!is_long || code & both != both, "CS.L and CS.D are 1 in long mode")
}

/// 15.20: the event that is to be injected.
fn injection(vmcb: &Vmcb) -> Result<(), &'static str> {
    let Some(event) = vmcb.control.event_injection else { return Ok(()) };
    let fits = match event.kind {
        EventType::External | EventType::Nmi | EventType::SoftwareInterrupt => true,
        // Vectors 2 (NMI is a type of its own) and those above 31 are no exceptions.
        EventType::HardwareException => event.vector != 2 && event.vector <= 31,
        _ => false,
    };
    require(fits, "EVENTINJ: the type is reserved, or the vector is no exception")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::{Mode, Vendor};
    use crate::kvm::vcpu::hardware::Svm;
    use crate::machine::console::standard_processor::standard_processor;
    use crate::svm::intercepts::Deviations;
    use crate::vmx::interruption::Interruption;

    fn valid() -> Vmcb {
        let (mut cpu, _) = standard_processor(Vendor::Amd, Mode::Long, 0);
        cpu.efer |= Efer::SVME;
        Vmcb { save: SaveArea::of(&cpu), ..Svm::new(true, Deviations::default()).vmcb }
    }

    #[test]
    fn each_illegal_state_is_refused() {
        assert_eq!(check(&valid()), Ok(()));
        let refused = |what: &str, change: fn(&mut Vmcb)| {
            let mut vmcb = valid();
            change(&mut vmcb);
            assert!(check(&vmcb).is_err_and(|why| why.contains(what)), "{what}: {:?}", check(&vmcb));
        };
        refused("SVME", |v| v.save.efer -= Efer::SVME);
        refused("CR0.NW", |v| v.save.cr0 |= Cr0::NW);
        refused("CR0: bits", |v| v.save.cr0 |= Cr0::from_bits_retain(1 << 32));
        refused("CR3", |v| v.save.cr3 |= 1 << 52);
        refused("CR4: a reserved", |v| v.save.cr4 |= Cr4::from_bits_retain(1 << 40));
        refused("DR6", |v| v.save.dr6 |= 1 << 32);
        refused("DR7", |v| v.save.dr7 |= 1 << 63);
        refused("EFER: a reserved", |v| v.save.efer |= Efer::from_bits_retain(1 << 30));
        refused("CR4.PAE", |v| v.save.cr4 -= Cr4::PAE);
        refused("CR0.PE", |v| v.save.cr0 -= Cr0::PE);
        refused("CS.D", |v| v.save.segments.cs.descriptor.rights |= Descriptor::L | Descriptor::DB);
        refused("not intercepted", |v| v.control.intercepts.clear(Intercept::Vmrun));
        refused("ASID", |v| v.control.asid = 0);
        refused("N_CR3", |v| v.control.nested_cr3 = 1 << 50);
        refused("EVENTINJ", |v| v.control.event_injection = Some(Interruption::exception(2, None)));
        refused("EVENTINJ", |v| v.control.event_injection = Some(Interruption::exception(40, None)));
    }

    #[test]
    fn what_is_legal_is_not_refused() {
        // Real mode with paging is what AMD-V has instead of unrestricted guests: CR0.PG without PE outside long mode.
        let mut vmcb = valid();
        vmcb.save.efer -= Efer::LME | Efer::LMA;
        vmcb.save.cr0 -= Cr0::PE;
        assert_eq!(check(&vmcb), Ok(()));
        // CR3 is looked at in long mode only.
        vmcb.save.cr3 |= 1 << 52;
        assert_eq!(check(&vmcb), Ok(()));
    }
}
