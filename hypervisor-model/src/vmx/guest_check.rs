//! The checks of a VM entry on the guest-state area, whose failure is an exit with reason 33.
//!
//! Source: Intel SDM vol. 3 (June 2016), 26.3.1 "Checks on the Guest State Area", in its order; the qualifications are those of
//! 26.7 "VM-Entry Failures During or After Loading Guest State".

use super::controls::Control::{EntryLoadEfer, EntryLoadPat, Ia32eModeGuest, LoadDebugControls, UnrestrictedGuest};
use super::entry_check::{ADDRESS_BITS, Check, Checked, FIXED_CR0, is_pat, require};
use super::fields::Field;
use super::interruption::{EventType, Interruption};
use super::state::{SEGMENTS, SegmentFields, UNUSABLE};
use crate::cpu::control::{Cr0, Cr4, Efer};
use crate::cpu::execute::is_canonical;
use crate::cpu::{Descriptor, Rflags};

/// What failed, and the exit qualification.
type GuestChecked = Result<(), (String, u64)>;

/// The bits that IA32_DEBUGCTL has.
const DEBUGCTL: u64 = 0xffc3;
/// Bits of access rights that are reserved: 11:8, and those above "unusable".
const RESERVED_RIGHTS: u64 = 0xfffe_0f00;

impl Check<'_> {
    /// 26.3.1: the guest state.
    pub(super) fn guest_state(&self) -> GuestChecked {
        let plain = |what| (what, 0);
        self.guest_registers().map_err(plain)?;
        self.guest_segments().map_err(plain)?;
        self.guest_tables().map_err(plain)?;
        self.guest_activity()?;
        let link = self.read(Field::VmcsLinkPointer);
        let fits = link == u64::MAX || link & 0xfff == 0 && link >> ADDRESS_BITS == 0;
        require(fits, "VMCS link pointer is neither all ones nor a page").map_err(|what| (what, 4))?;
        self.guest_directory_pointers().map_err(|what| (what, 2))
    }

    /// 26.3.1.1: control registers, debug registers, MSRs.
    fn guest_registers(&self) -> Checked {
        let (cr0, cr4) = (self.read(Field::GuestCr0), self.read(Field::GuestCr4));
        let unrestricted = if self.has(UnrestrictedGuest) { (Cr0::PE | Cr0::PG).bits() } else { 0 };
        let fixed = FIXED_CR0 & !unrestricted;
        require(cr0 & fixed == fixed && cr0 >> 32 == 0, "guest CR0: a bit is not what VMX operation needs")?;
        let (pe, pg) = (cr0 & Cr0::PE.bits() != 0, cr0 & Cr0::PG.bits() != 0);
        require(!pg || pe, "guest CR0: PG without PE")?;
        require(
            cr4 & Cr4::VMXE.bits() != 0 && cr4 & !Cr4::all().bits() == 0,
            "guest CR4: a bit is not what VMX needs",
        )?;
        let is_long = self.has(Ia32eModeGuest);
        let pae = cr4 & Cr4::PAE.bits() != 0;
        require(!is_long || pg && pae, "\"IA-32e mode guest\" without CR0.PG or CR4.PAE")?;
        require(is_long || cr4 & Cr4::PCIDE.bits() == 0, "guest CR4.PCIDE outside IA-32e mode")?;
        require(self.read(Field::GuestCr3) >> ADDRESS_BITS == 0, "guest CR3 is beyond physical addresses")?;
        if self.has(LoadDebugControls) {
            require(self.read(Field::GuestDebugctl) & !DEBUGCTL == 0, "guest IA32_DEBUGCTL: a reserved bit is 1")?;
            require(self.read(Field::GuestDr7) >> 32 == 0, "guest DR7: bits 63:32 must be 0")?;
        }
        self.canonical(&[Field::GuestSysenterEsp, Field::GuestSysenterEip])?;
        if self.has(EntryLoadPat) {
            require(is_pat(self.read(Field::GuestPat)), "guest IA32_PAT has a memory type that there is not")?;
        }
        if self.has(EntryLoadEfer) {
            self.efer(Field::GuestEfer, is_long)?;
            let lme = self.read(Field::GuestEfer) & Efer::LME.bits() != 0;
            require(!pg || lme == is_long, "guest IA32_EFER: LME is not LMA although paging is on")?;
        }
        Ok(())
    }

    /// 26.3.1.2: segment registers.
    fn guest_segments(&self) -> Checked {
        let [_, cs, ss, .., ldtr, tr] = SEGMENTS;
        let is_virtual = self.guest_flags().contains(Rflags::VM);
        require(self.read(tr.selector) & 4 == 0, "guest TR selector: TI must be 0")?;
        if self.is_usable(ldtr) {
            require(self.read(ldtr.selector) & 4 == 0, "guest LDTR selector: TI must be 0")?;
        }
        if !is_virtual && !self.has(UnrestrictedGuest) {
            let (ss_rpl, cs_rpl) = (self.read(ss.selector) & 3, self.read(cs.selector) & 3);
            require(ss_rpl == cs_rpl, "guest SS selector: RPL is not that of CS")?;
        }
        if is_virtual {
            for segment in &SEGMENTS[..6] {
                let (selector, base) = (self.read(segment.selector), self.read(segment.base));
                require(base == selector << 4, format!("guest {} base is not its selector times 16", segment.name))?;
            }
        }
        self.guest_bases()?;
        if is_virtual {
            for segment in &SEGMENTS[..6] {
                require(self.read(segment.limit) == 0xffff, format!("guest {} limit is not FFFFh", segment.name))?;
                let rights = self.read(segment.rights);
                require(rights == 0xf3, format!("guest {} access rights are not F3h", segment.name))?;
            }
        } else {
            self.protected_segments()?;
        }
        let kinds: &[u64] = if self.has(Ia32eModeGuest) { &[11] } else { &[3, 11] };
        require(self.is_usable(tr), "guest TR is unusable")?;
        require(kinds.contains(&(self.read(tr.rights) & 0xf)), "guest TR is no busy TSS")?;
        self.system_segment(tr)?;
        if !self.is_usable(ldtr) {
            return Ok(());
        }
        require(self.read(ldtr.rights) & 0xf == 2, "guest LDTR is no LDT")?;
        self.system_segment(ldtr)
    }

    fn is_usable(&self, segment: SegmentFields) -> bool {
        self.read(segment.rights) & UNUSABLE == 0
    }

    fn guest_flags(&self) -> Rflags {
        Rflags::from_bits_retain(self.read(Field::GuestRflags))
    }

    /// TR, FS, GS and a usable LDTR anywhere in the linear address space; the others in its first 4 GiB.
    fn guest_bases(&self) -> Checked {
        let [es, cs, ss, ds, fs, gs, ldtr, tr] = SEGMENTS;
        for segment in [tr, fs, gs, ldtr] {
            let is_free = segment == ldtr && !self.is_usable(ldtr);
            let fits = is_free || is_canonical(self.read(segment.base));
            require(fits, format!("guest {} base is not canonical", segment.name))?;
        }
        for segment in [cs, ss, ds, es] {
            let is_free = segment != cs && !self.is_usable(segment);
            let fits = is_free || self.read(segment.base) >> 32 == 0;
            require(fits, format!("guest {} base: bits 63:32 must be 0", segment.name))?;
        }
        Ok(())
    }

    /// Access rights of ES to GS outside virtual-8086 mode.
    fn protected_segments(&self) -> Checked {
        let is_unrestricted = self.has(UnrestrictedGuest);
        let [_, cs, ss, ..] = SEGMENTS;
        for segment in &SEGMENTS[..6] {
            let rights = self.read(segment.rights);
            if *segment != cs && !self.is_usable(*segment) {
                continue;
            }
            let (name, kind) = (segment.name, rights & 0xf);
            let fits = match *segment {
                this if this == cs => matches!(kind, 9 | 11 | 13 | 15) || is_unrestricted && kind == 3,
                this if this == ss => matches!(kind, 3 | 7),
                _ => kind & 1 != 0 && (kind & 8 == 0 || kind & 2 != 0),
            };
            require(fits, format!("guest {name}: type {kind} does not fit"))?;
            require(rights & u64::from(Descriptor::S) != 0, format!("guest {name} is a system segment"))?;
            self.privilege(*segment)?;
            self.present_segment(*segment)?;
            if *segment == cs && self.has(Ia32eModeGuest) {
                let both = u64::from(Descriptor::L | Descriptor::DB);
                require(rights & both != both, "guest CS: L and D/B are both 1")?;
            }
        }
        Ok(())
    }

    /// The DPL of a segment: that of CS by its type, that of SS by its RPL, that of data not below its RPL.
    fn privilege(&self, segment: SegmentFields) -> Checked {
        let [_, cs, ss, ..] = SEGMENTS;
        let dpl = |segment: SegmentFields| self.read(segment.rights) >> 5 & 3;
        let kind = |segment: SegmentFields| self.read(segment.rights) & 0xf;
        let rpl = self.read(segment.selector) & 3;
        let is_restricted = !self.has(UnrestrictedGuest);
        if segment == cs {
            let fits = match kind(cs) {
                3 => dpl(cs) == 0,
                9 | 11 => dpl(cs) == dpl(ss),
                _ => dpl(cs) <= dpl(ss),
            };
            return require(fits, "guest CS: DPL does not fit its type and the DPL of SS");
        }
        if segment == ss {
            require(!is_restricted || dpl(ss) == rpl, "guest SS: DPL is not the RPL of its selector")?;
            let pe = self.read(Field::GuestCr0) & Cr0::PE.bits() != 0;
            let must_be_zero = kind(cs) == 3 || !pe;
            return require(!must_be_zero || dpl(ss) == 0, "guest SS: DPL must be 0 in real mode");
        }
        let fits = !is_restricted || kind(segment) > 11 || dpl(segment) >= rpl;
        require(fits, format!("guest {}: DPL is below the RPL of its selector", segment.name))
    }

    fn system_segment(&self, segment: SegmentFields) -> Checked {
        let is_system = self.read(segment.rights) & u64::from(Descriptor::S) == 0;
        require(is_system, format!("guest {} is no system segment", segment.name))?;
        self.present_segment(segment)
    }

    /// P, the reserved bits, and granularity, which fits the limit.
    fn present_segment(&self, segment: SegmentFields) -> Checked {
        let (name, rights, limit) = (segment.name, self.read(segment.rights), self.read(segment.limit));
        require(rights & u64::from(Descriptor::P) != 0, format!("guest {name} is not present"))?;
        require(rights & RESERVED_RIGHTS == 0, format!("guest {name}: reserved access rights"))?;
        let has_pages = rights & u64::from(Descriptor::G) != 0;
        let fits = (limit & 0xfff == 0xfff || !has_pages) && (limit >> 20 == 0 || has_pages);
        require(fits, format!("guest {name}: granularity does not fit the limit"))
    }

    /// 26.3.1.3, 26.3.1.4: descriptor tables, RIP, RFLAGS.
    fn guest_tables(&self) -> Checked {
        self.canonical(&[Field::GuestGdtrBase, Field::GuestIdtrBase])?;
        for field in [Field::GuestGdtrLimit, Field::GuestIdtrLimit] {
            require(self.read(field) >> 16 == 0, format!("{}: bits 31:16 must be 0", field.name()))?;
        }
        let (rip, rights) = (self.read(Field::GuestRip), self.read(Field::GuestCsAccessRights));
        let is_long = self.has(Ia32eModeGuest) && rights & u64::from(Descriptor::L) != 0;
        let fits = if is_long { is_canonical(rip) } else { rip >> 32 == 0 };
        require(fits, "guest RIP is out of range")?;
        let bits = self.read(Field::GuestRflags);
        let known = Rflags::all().bits();
        require(bits & !known == 0 && bits & 2 != 0, "guest RFLAGS: a reserved bit is wrong")?;
        let flags = self.guest_flags();
        let pe = self.read(Field::GuestCr0) & Cr0::PE.bits() != 0;
        require(
            !flags.contains(Rflags::VM) || pe && !self.has(Ia32eModeGuest),
            "guest RFLAGS.VM does not fit the mode",
        )?;
        let injected = Interruption::decode(self.read(Field::EntryInterruptionInformation) as u32, 0);
        let is_interrupt = injected.is_some_and(|event| event.kind == EventType::External);
        require(!is_interrupt || flags.contains(Rflags::IF), "an interrupt is injected while guest RFLAGS.IF is 0")
    }

    /// 26.3.1.5: activity and interruptibility.
    fn guest_activity(&self) -> GuestChecked {
        let plain = |what| (what, 0);
        let (activity, state) = (self.read(Field::GuestActivityState), self.read(Field::GuestInterruptibility));
        let require = |holds, what: &str| require(holds, what).map_err(plain);
        require(activity <= 3, "guest activity state is reserved")?;
        let [_, _, ss, ..] = SEGMENTS;
        let dpl = self.read(ss.rights) >> 5 & 3;
        require(activity != 1 || dpl == 0, "guest activity state: HLT outside ring 0")?;
        let (sti, mov_ss, smi) = (state & 1 != 0, state & 2 != 0, state & 4 != 0);
        require(activity == 0 || !sti && !mov_ss, "guest activity state: blocked by STI or MOV SS, and not active")?;
        let injected = Interruption::decode(self.read(Field::EntryInterruptionInformation) as u32, 0);
        require(
            injected.is_none_or(|event| wakes(activity, event)),
            "the injected event does not fit the activity state",
        )?;
        require(state >> 5 == 0, "guest interruptibility state: a reserved bit is 1")?;
        require(!(sti && mov_ss), "guest interruptibility state: both STI and MOV SS")?;
        require(!sti || self.guest_flags().contains(Rflags::IF), "blocked by STI while guest RFLAGS.IF is 0")?;
        require(!smi, "blocked by SMI outside SMM")?;
        let kind = injected.map(|event| event.kind);
        let is_interrupt = kind == Some(EventType::External);
        require(!is_interrupt || !sti && !mov_ss, "the injected interrupt is blocked by STI or MOV SS")?;
        let is_nmi = kind == Some(EventType::Nmi);
        require(!is_nmi || !mov_ss, "the injected NMI is blocked by MOV SS")?;
        let is_refused = is_nmi && sti;
        require(!is_refused, "the injected NMI is blocked by STI").map_err(|(what, _)| (what, 3))
    }

    /// 26.3.1.6: the page-directory-pointer-table entries of PAE paging.
    fn guest_directory_pointers(&self) -> Checked {
        let pae = self.read(Field::GuestCr4) & Cr4::PAE.bits() != 0;
        let pg = self.read(Field::GuestCr0) & Cr0::PG.bits() != 0;
        if !pg || !pae || self.has(Ia32eModeGuest) || !self.has(super::controls::Control::EnableEpt) {
            return Ok(());
        }
        let entries = [Field::GuestPdpte0, Field::GuestPdpte1, Field::GuestPdpte2, Field::GuestPdpte3];
        entries.iter().try_for_each(|field| {
            let entry = self.read(*field);
            let fits = entry & 1 == 0 || entry & 0x1e6 == 0 && entry >> ADDRESS_BITS == 0;
            require(fits, format!("{}: a reserved bit is 1", field.name()))
        })
    }
}

/// Whether an event can be injected into a guest in this state of activity.
fn wakes(activity: u64, event: Interruption) -> bool {
    match (activity, event.kind) {
        (0, _) => true,
        // HLT: an interrupt, an NMI, a pending MTF exit, #DB and #MC.
        (1, EventType::External | EventType::Nmi) => true,
        (1, EventType::Other) => event.vector == 0,
        (1 | 2, EventType::HardwareException) => event.vector == 18 || activity == 1 && event.vector == 1,
        // Shutdown: an NMI and #MC. Wait for SIPI: nothing.
        (2, EventType::Nmi) => true,
        _ => false,
    }
}
