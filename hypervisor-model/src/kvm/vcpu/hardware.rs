//! What KVM asks of either vendor's hardware for a virtual processor: what exits, which control registers the processor
//! runs the guest with, and which of their bits are the guest's own.
//!
//! Sources: Linux 6.1 `arch/x86/kvm/vmx/vmx.c` (`vmx_exec_control`, `vmx_set_cr0`, `vmx_set_cr4`,
//! `set_cr4_guest_host_mask`, `vmx_vcpu_create`), `arch/x86/kvm/svm/svm.c` (`init_vmcb`, `svm_set_cr0`, `svm_set_cr4`,
//! `svm_set_efer`, `direct_access_msrs`, `svm_recalc_instruction_intercepts`).

use crate::cpu::control::{Cr0, Cr4, Efer};
use crate::cpu::msr::Msr;
use crate::cpu::{Cpu, Vector};
use crate::svm::intercept::Intercept;
use crate::svm::intercepts::Deviations;
use crate::svm::permission_map::MsrPermissionMap;
use crate::svm::vmcb::{SaveArea, Vmcb};
use crate::vmx::controls::{Allowed, Control, Controls};
use crate::vmx::fields::Field;
use crate::vmx::msr_bitmap::MsrBitmap;
use crate::vmx::state::host_fields;
use crate::vmx::vmcs::Vmcs;
use serde::{Deserialize, Serialize};

/// A control structure with what belongs to it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Hardware {
    /// VT-x.
    Vmx(Box<Vmx>),
    /// AMD-V.
    Svm(Box<Svm>),
}

/// KVM's part of VT-x (`struct vcpu_vmx`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Vmx {
    /// The VMCS.
    pub vmcs: Vmcs,
    /// The page at its MSR-bitmap address.
    pub msr_bitmap: MsrBitmap,
    /// EPT is used; else shadow tables.
    pub has_ept: bool,
}

/// KVM's part of AMD-V (`struct vcpu_svm`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Svm {
    /// The VMCB.
    pub vmcb: Vmcb,
    /// The map at its MSRPM address.
    pub permission_map: MsrPermissionMap,
    /// The host's state while the guest runs.
    pub host: SaveArea,
    /// Nested paging is used; else shadow tables.
    pub has_npt: bool,
    /// What the processor does otherwise than the manual.
    pub deviations: Deviations,
}

/// The guest's registers as the guest has them, from which the hardware's are made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GuestControl {
    pub cr0: Cr0,
    pub cr3: u64,
    pub cr4: Cr4,
    pub efer: Efer,
}

/// `KVM_POSSIBLE_CR0_GUEST_BITS`.
const POSSIBLE_CR0: Cr0 = Cr0::TS.union(Cr0::WP);
/// `KVM_POSSIBLE_CR4_GUEST_BITS`.
const POSSIBLE_CR4: Cr4 = Cr4::PVI
    .union(Cr4::DE)
    .union(Cr4::PCE)
    .union(Cr4::OSFXSR)
    .union(Cr4::OSXMMEXCPT)
    .union(Cr4::PGE)
    .union(Cr4::TSD)
    .union(Cr4::FSGSBASE);
/// `X86_CR4_TLBFLUSH_BITS | X86_CR4_PDPTR_BITS`.
const CR4_FLUSHES: Cr4 = Cr4::PGE.union(Cr4::PCIDE).union(Cr4::PAE).union(Cr4::SMEP).union(Cr4::PSE);

impl Vmx {
    /// A VMCS with KVM's controls; `has_irqchip` says that the local APIC is in the kernel.
    pub fn new(has_ept: bool, has_irqchip: bool, host: &Cpu) -> Vmx {
        let mut vmcs = Vmcs::default();
        vmcs.set_controls(&controls(has_ept, has_irqchip));
        // Whoever enters a guest is in VMX operation (`kvm_cpu_vmxon`).
        let host = Cpu { cr0: host.cr0 | Cr0::NE, cr4: host.cr4 | Cr4::VMXE, ..host.clone() };
        for (field, value) in host_fields(&host) {
            vmcs.write(field, value);
        }
        vmcs.write(Field::VmcsLinkPointer, u64::MAX);
        vmcs.write(Field::VirtualProcessorId, 1);
        let mut msr_bitmap = MsrBitmap::all();
        msr_bitmap.pass(Msr::TSC, true, false);
        let passed =
            [Msr::FS_BASE, Msr::GS_BASE, Msr::KERNEL_GS_BASE, Msr::SYSENTER_CS, Msr::SYSENTER_ESP, Msr::SYSENTER_EIP];
        for msr in passed {
            msr_bitmap.pass(msr, true, true);
        }
        let mut vmx = Vmx { vmcs, msr_bitmap, has_ept };
        vmx.update_exception_bitmap(true);
        vmx
    }

    /// Which exceptions exit: all of them while real mode is run in virtual-8086 mode (`vmx_update_exception_bitmap`).
    fn update_exception_bitmap(&mut self, is_protected: bool) {
        let exceptions = [Vector::DB, Vector::UD, Vector::AC, Vector::MC];
        let mut bitmap = exceptions.iter().fold(0u64, |bits, vector| bits | 1 << vector.0);
        if !self.has_ept {
            bitmap |= 1 << Vector::PF.0;
            if !is_protected {
                bitmap = !0;
            }
        }
        self.vmcs.write(Field::ExceptionBitmap, bitmap);
    }

    /// The bits of CR0 that are the guest's own.
    pub fn guest_cr0_bits(&self) -> Cr0 {
        if self.has_ept { POSSIBLE_CR0 } else { POSSIBLE_CR0 - Cr0::WP }
    }

    /// The bits of CR4 that are the guest's own.
    pub fn guest_cr4_bits(&self) -> Cr4 {
        if self.has_ept { POSSIBLE_CR4 } else { POSSIBLE_CR4 - CR4_FLUSHES }
    }

    fn set_control_registers(&mut self, cpu: &mut Cpu, guest: GuestControl) {
        let is_paging = guest.cr0.contains(Cr0::PG);
        cpu.cr0 = guest.cr0 | Cr0::NE | if self.has_ept { Cr0::empty() } else { Cr0::PG | Cr0::WP };
        cpu.cr4 = guest.cr4 | Cr4::VMXE;
        cpu.efer = guest.efer;
        if !self.has_ept {
            cpu.cr4 |= Cr4::PAE;
            if !is_paging {
                cpu.cr4 -= Cr4::SMEP | Cr4::SMAP | Cr4::PKE;
            }
            cpu.efer |= Efer::NXE;
        }
        self.update_exception_bitmap(guest.cr0.contains(Cr0::PE));
        self.vmcs.write(Field::Cr0GuestHostMask, !self.guest_cr0_bits().bits());
        self.vmcs.write(Field::Cr0ReadShadow, guest.cr0.bits());
        self.vmcs.write(Field::Cr4GuestHostMask, !self.guest_cr4_bits().bits());
        self.vmcs.write(Field::Cr4ReadShadow, guest.cr4.bits());
        let mut controls = self.vmcs.controls();
        controls.put(Control::Ia32eModeGuest, guest.efer.contains(Efer::LMA));
        self.vmcs.set_controls(&controls);
    }
}

/// What KVM asks of VT-x: what it must and what it would like, without what the recorded processor lacks (posted
/// interrupts and their kin, page-modification logging).
fn controls(has_ept: bool, has_irqchip: bool) -> Controls {
    use Control::*;
    let mut wish = Controls::default();
    let always = [
        ExternalInterruptExiting,
        NmiExiting,
        VirtualNmis,
        HltExiting,
        MwaitExiting,
        MonitorExiting,
        RdpmcExiting,
        MovDrExiting,
        UnconditionalIoExiting,
        UseMsrBitmaps,
        TscOffsetting,
        ActivateSecondary,
        EnableRdtscp,
        EnableVpid,
        WbinvdExiting,
        EnableInvpcid,
        SaveDebugControls,
        HostAddressSpaceSize,
        AcknowledgeInterrupt,
        SaveEfer,
        ExitLoadEfer,
        SavePat,
        ExitLoadPat,
        LoadDebugControls,
        EntryLoadEfer,
        EntryLoadPat,
        Control::PreemptionTimer,
    ];
    for control in always {
        wish.set(control);
    }
    let paging: &[Control] =
        if has_ept { &[EnableEpt, UnrestrictedGuest] } else { &[InvlpgExiting, Cr3LoadExiting, Cr3StoreExiting] };
    for control in paging {
        wish.set(*control);
    }
    let priority: &[Control] = if has_irqchip { &[TprShadow] } else { &[Cr8LoadExiting, Cr8StoreExiting] };
    for control in priority {
        wish.set(*control);
    }
    Allowed::all_but(&[]).adjust(wish)
}

impl Svm {
    /// A VMCB with KVM's intercepts.
    pub fn new(has_npt: bool, deviations: Deviations) -> Svm {
        use Intercept as I;
        let mut vmcb = Vmcb::default();
        let vectors = &mut vmcb.control.intercepts;
        let always = [
            I::Intr,
            I::Nmi,
            I::Smi,
            I::Init,
            I::SelectiveCr0,
            I::Rdpmc,
            I::Cpuid,
            I::Invd,
            I::Hlt,
            I::Invlpg,
            I::Invlpga,
            I::IoioProt,
            I::MsrProt,
            I::TaskSwitch,
            I::Shutdown,
            I::Vmrun,
            I::Vmmcall,
            I::Vmload,
            I::Vmsave,
            I::Stgi,
            I::Clgi,
            I::Skinit,
            I::Wbinvd,
            I::Monitor,
            I::Mwait,
            I::Xsetbv,
            I::Rdpru,
            I::Rsm,
        ];
        for intercept in always {
            vectors.set(intercept);
        }
        for register in [0, 3, 4] {
            vectors.set(I::cr(register, false));
            vectors.set(I::cr(register, true));
        }
        vectors.set(I::cr(8, true));
        for vector in [Vector::PF, Vector::UD, Vector::MC, Vector::AC, Vector::DB] {
            vectors.set(I::exception(vector.0));
        }
        if has_npt {
            vectors.clear(I::Invlpg);
            vectors.clear(I::exception(Vector::PF.0));
            vectors.clear(I::cr(3, false));
            vectors.clear(I::cr(3, true));
        } else {
            vectors.set(I::Invpcid);
        }
        vmcb.control.nested_paging = has_npt;
        vmcb.control.asid = 1;
        let mut permission_map = MsrPermissionMap::default();
        let passed = [
            Msr::STAR,
            Msr::SYSENTER_CS,
            Msr::SYSENTER_ESP,
            Msr::SYSENTER_EIP,
            Msr::GS_BASE,
            Msr::FS_BASE,
            Msr::KERNEL_GS_BASE,
            Msr::LSTAR,
            Msr::CSTAR,
            Msr::FMASK,
        ];
        for msr in passed {
            permission_map.pass(msr);
        }
        let mut svm = Svm { vmcb, permission_map, host: SaveArea::default(), has_npt, deviations };
        svm.intercept_debug_registers(true);
        svm
    }

    fn set_control_registers(&mut self, cpu: &mut Cpu, guest: GuestControl) {
        cpu.cr0 = guest.cr0;
        cpu.cr4 = guest.cr4;
        cpu.efer = guest.efer | Efer::SVME;
        if !self.has_npt {
            cpu.cr0 |= Cr0::PG | Cr0::WP;
            cpu.cr4 |= Cr4::PAE;
            if !guest.cr0.contains(Cr0::PG) {
                cpu.cr4 -= Cr4::SMEP | Cr4::SMAP | Cr4::PKE;
            }
            cpu.efer |= Efer::NXE;
            if !guest.efer.contains(Efer::LMA) {
                cpu.efer -= Efer::LME;
            }
        }
        cpu.cr0 -= Cr0::CD | Cr0::NW;
        // While the guest runs with its own CR0, only writes that change it are of interest.
        let differs = cpu.cr0 != guest.cr0;
        self.vmcb.control.intercepts.put(Intercept::cr(0, false), differs);
        self.vmcb.control.intercepts.put(Intercept::cr(0, true), differs);
    }

    fn intercept_debug_registers(&mut self, is_on: bool) {
        for register in 0..8 {
            self.vmcb.control.intercepts.put(Intercept::dr(register, false), is_on);
            self.vmcb.control.intercepts.put(Intercept::dr(register, true), is_on);
        }
    }
}

impl Hardware {
    /// The guest's control registers have changed: those of the processor follow, and what exits with them.
    pub(crate) fn set_control_registers(&mut self, cpu: &mut Cpu, guest: GuestControl) {
        match self {
            Hardware::Vmx(vmx) => vmx.set_control_registers(cpu, guest),
            Hardware::Svm(svm) => svm.set_control_registers(cpu, guest),
        }
    }

    /// What the guest changed by itself while it ran.
    pub(super) fn observe(&self, cpu: &Cpu, guest: &mut GuestControl) {
        match self {
            Hardware::Vmx(vmx) => {
                let (own0, own4) = (vmx.guest_cr0_bits(), vmx.guest_cr4_bits());
                guest.cr0 = (guest.cr0 - own0) | (cpu.cr0 & own0);
                guest.cr4 = (guest.cr4 - own4) | (cpu.cr4 & own4);
                if vmx.has_ept {
                    guest.cr3 = cpu.cr3;
                }
            }
            Hardware::Svm(svm) => {
                if !svm.vmcb.control.intercepts.has(Intercept::cr(0, true)) {
                    guest.cr0 = cpu.cr0;
                }
                if svm.has_npt {
                    guest.cr3 = cpu.cr3;
                }
            }
        }
    }

    /// Whether accesses to debug registers exit.
    pub(super) fn intercept_debug_registers(&mut self, is_on: bool) {
        match self {
            Hardware::Vmx(vmx) => {
                let mut controls = vmx.vmcs.controls();
                controls.put(Control::MovDrExiting, is_on);
                vmx.vmcs.set_controls(&controls);
            }
            Hardware::Svm(svm) => svm.intercept_debug_registers(is_on),
        }
    }

    /// Asks for an exit as soon as the guest can take an interrupt, or takes that back (`enable_irq_window`).
    pub(super) fn set_interrupt_window(&mut self, is_on: bool) {
        match self {
            Hardware::Vmx(vmx) => {
                let mut controls = vmx.vmcs.controls();
                controls.put(Control::InterruptWindowExiting, is_on);
                vmx.vmcs.set_controls(&controls);
            }
            Hardware::Svm(svm) => {
                svm.vmcb.control.v_irq = is_on;
                svm.vmcb.control.intercepts.put(Intercept::Vintr, is_on);
            }
        }
    }

    /// The highest interrupt that waits has changed (`update_cr8_intercept`); `highest` is its priority class.
    pub(super) fn set_tpr_threshold(&mut self, task_priority: u8, highest: Option<u8>) {
        let waits = highest.filter(|class| task_priority >= *class);
        match self {
            Hardware::Vmx(vmx) => vmx.vmcs.write(Field::TprThreshold, waits.map_or(0, u64::from)),
            Hardware::Svm(svm) => svm.vmcb.control.intercepts.put(Intercept::cr(8, true), waits.is_some()),
        }
    }

    /// Whether it is VT-x.
    pub fn is_vmx(&self) -> bool {
        matches!(self, Hardware::Vmx(_))
    }
}
