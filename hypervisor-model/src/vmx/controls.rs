//! The VMX controls bit by bit: what a VMM asks of the processor.
//!
//! Source for this file: Intel SDM vol. 3, June 2016 (325384-059US), §24.6 to 24.8 and §A.2 to A.5.
//! A control is a bit of one of five words; which bits may be 0 and which may be 1 is for the processor to
//! say ([`Allowed`], the capability MSRs of appendix A). The words themselves are fields of the VMCS
//! (`vmx::fields`), what they lead to is in `vmx::exit_reason` and `vmx::entry_check`.

use serde::{Deserialize, Serialize};

/// The word that a control is a bit of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum ControlWord {
    /// Pin-based VM-execution controls (SDM 24.6.1): asynchronous events.
    PinBased,
    /// Primary processor-based VM-execution controls (SDM 24.6.2): mostly instructions.
    Primary,
    /// Secondary processor-based VM-execution controls (SDM 24.6.2).
    Secondary,
    /// VM-exit controls (SDM 24.7.1).
    Exit,
    /// VM-entry controls (SDM 24.8.1).
    Entry,
}

impl ControlWord {
    /// All five, in the manual's order.
    pub const ALL: [ControlWord; 5] =
        [ControlWord::PinBased, ControlWord::Primary, ControlWord::Secondary, ControlWord::Exit, ControlWord::Entry];

    /// The letter that tables use for it: N, P, S, X, E.
    pub fn letter(self) -> char {
        match self {
            ControlWord::PinBased => 'N',
            ControlWord::Primary => 'P',
            ControlWord::Secondary => 'S',
            ControlWord::Exit => 'X',
            ControlWord::Entry => 'E',
        }
    }

    /// The name of the word.
    pub fn name(self) -> &'static str {
        match self {
            ControlWord::PinBased => "pin-based VM-execution controls",
            ControlWord::Primary => "primary processor-based VM-execution controls",
            ControlWord::Secondary => "secondary processor-based VM-execution controls",
            ControlWord::Exit => "VM-exit controls",
            ControlWord::Entry => "VM-entry controls",
        }
    }
}

macro_rules! controls {
    ($($name:ident = $word:ident $bit:literal, $text:literal;)+) => {
        /// A control by name.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
        pub enum Control {
            $(#[doc = $text] $name,)+
        }

        impl Control {
            /// Every control, word by word and bit by bit.
            pub const ALL: &'static [Control] = &[$(Control::$name,)+];

            /// The word that it is in.
            pub const fn word(self) -> ControlWord {
                match self { $(Control::$name => ControlWord::$word,)+ }
            }

            /// Its bit there, 0 to 31.
            pub const fn bit(self) -> u32 {
                match self { $(Control::$name => $bit,)+ }
            }

            /// The manual's name for it.
            pub const fn name(self) -> &'static str {
                match self { $(Control::$name => $text,)+ }
            }
        }
    };
}

controls! {
    ExternalInterruptExiting   = PinBased 0, "external-interrupt exiting";
    NmiExiting                 = PinBased 3, "NMI exiting";
    VirtualNmis                = PinBased 5, "virtual NMIs";
    PreemptionTimer            = PinBased 6, "activate VMX-preemption timer";
    PostedInterrupts           = PinBased 7, "process posted interrupts";

    InterruptWindowExiting     = Primary 2, "interrupt-window exiting";
    TscOffsetting              = Primary 3, "use TSC offsetting";
    HltExiting                 = Primary 7, "HLT exiting";
    InvlpgExiting              = Primary 9, "INVLPG exiting";
    MwaitExiting               = Primary 10, "MWAIT exiting";
    RdpmcExiting               = Primary 11, "RDPMC exiting";
    RdtscExiting               = Primary 12, "RDTSC exiting";
    Cr3LoadExiting             = Primary 15, "CR3-load exiting";
    Cr3StoreExiting            = Primary 16, "CR3-store exiting";
    Cr8LoadExiting             = Primary 19, "CR8-load exiting";
    Cr8StoreExiting            = Primary 20, "CR8-store exiting";
    TprShadow                  = Primary 21, "use TPR shadow";
    NmiWindowExiting           = Primary 22, "NMI-window exiting";
    MovDrExiting               = Primary 23, "MOV-DR exiting";
    UnconditionalIoExiting     = Primary 24, "unconditional I/O exiting";
    UseIoBitmaps               = Primary 25, "use I/O bitmaps";
    MonitorTrapFlag            = Primary 27, "monitor trap flag";
    UseMsrBitmaps              = Primary 28, "use MSR bitmaps";
    MonitorExiting             = Primary 29, "MONITOR exiting";
    PauseExiting               = Primary 30, "PAUSE exiting";
    ActivateSecondary          = Primary 31, "activate secondary controls";

    VirtualizeApicAccesses     = Secondary 0, "virtualize APIC accesses";
    EnableEpt                  = Secondary 1, "enable EPT";
    DescriptorTableExiting     = Secondary 2, "descriptor-table exiting";
    EnableRdtscp               = Secondary 3, "enable RDTSCP";
    VirtualizeX2apicMode       = Secondary 4, "virtualize x2APIC mode";
    EnableVpid                 = Secondary 5, "enable VPID";
    WbinvdExiting              = Secondary 6, "WBINVD exiting";
    UnrestrictedGuest          = Secondary 7, "unrestricted guest";
    ApicRegisterVirtualization = Secondary 8, "APIC-register virtualization";
    VirtualInterruptDelivery   = Secondary 9, "virtual-interrupt delivery";
    PauseLoopExiting           = Secondary 10, "PAUSE-loop exiting";
    RdrandExiting              = Secondary 11, "RDRAND exiting";
    EnableInvpcid              = Secondary 12, "enable INVPCID";
    EnableVmFunctions          = Secondary 13, "enable VM functions";
    VmcsShadowing              = Secondary 14, "VMCS shadowing";
    EnableEnclsExiting         = Secondary 15, "enable ENCLS exiting";
    RdseedExiting              = Secondary 16, "RDSEED exiting";
    EnablePml                  = Secondary 17, "enable PML";
    EptViolationVe             = Secondary 18, "EPT-violation #VE";
    ConcealFromPt              = Secondary 19, "conceal VMX non-root operation from Intel PT";
    EnableXsaves               = Secondary 20, "enable XSAVES/XRSTORS";
    ModeBasedExecute           = Secondary 22, "mode-based execute control for EPT";
    TscScaling                 = Secondary 25, "use TSC scaling";

    SaveDebugControls          = Exit 2, "save debug controls";
    HostAddressSpaceSize       = Exit 9, "host address-space size";
    ExitLoadPerfGlobalCtrl     = Exit 12, "load IA32_PERF_GLOBAL_CTRL";
    AcknowledgeInterrupt       = Exit 15, "acknowledge interrupt on exit";
    SavePat                    = Exit 18, "save IA32_PAT";
    ExitLoadPat                = Exit 19, "load IA32_PAT";
    SaveEfer                   = Exit 20, "save IA32_EFER";
    ExitLoadEfer               = Exit 21, "load IA32_EFER";
    SavePreemptionTimer        = Exit 22, "save VMX-preemption timer value";
    ClearBndcfgs               = Exit 23, "clear IA32_BNDCFGS";

    LoadDebugControls          = Entry 2, "load debug controls";
    Ia32eModeGuest             = Entry 9, "IA-32e mode guest";
    EntryToSmm                 = Entry 10, "entry to SMM";
    DeactivateDualMonitor      = Entry 11, "deactivate dual-monitor treatment";
    EntryLoadPerfGlobalCtrl    = Entry 13, "load IA32_PERF_GLOBAL_CTRL";
    EntryLoadPat               = Entry 14, "load IA32_PAT";
    EntryLoadEfer              = Entry 15, "load IA32_EFER";
    LoadBndcfgs                = Entry 16, "load IA32_BNDCFGS";
}

impl Control {
    /// The control as a mask of its word.
    pub const fn mask(self) -> u32 {
        1 << self.bit()
    }

    /// Letter and bit, as in `P12`.
    pub fn code(self) -> String {
        format!("{}{}", self.word().letter(), self.bit())
    }

    /// The control at a bit of a word, if it has a name.
    pub fn at(word: ControlWord, bit: u32) -> Option<Control> {
        Control::ALL.iter().copied().find(|control| control.word() == word && control.bit() == bit)
    }
}

/// The five words together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Controls {
    /// Pin-based VM-execution controls.
    pub pin: u32,
    /// Primary processor-based VM-execution controls.
    pub primary: u32,
    /// Secondary processor-based VM-execution controls.
    pub secondary: u32,
    /// VM-exit controls.
    pub exit: u32,
    /// VM-entry controls.
    pub entry: u32,
}

impl Controls {
    /// A word by name.
    pub fn word(&self, word: ControlWord) -> u32 {
        match word {
            ControlWord::PinBased => self.pin,
            ControlWord::Primary => self.primary,
            ControlWord::Secondary => self.secondary,
            ControlWord::Exit => self.exit,
            ControlWord::Entry => self.entry,
        }
    }

    /// A word by name, to be changed.
    pub fn word_mut(&mut self, word: ControlWord) -> &mut u32 {
        match word {
            ControlWord::PinBased => &mut self.pin,
            ControlWord::Primary => &mut self.primary,
            ControlWord::Secondary => &mut self.secondary,
            ControlWord::Exit => &mut self.exit,
            ControlWord::Entry => &mut self.entry,
        }
    }

    /// Whether a control is in force. A secondary control is in force only when the secondary controls are
    /// activated: otherwise the processor behaves as if all of them were 0 (SDM 24.6.2).
    pub fn has(&self, control: Control) -> bool {
        let set = self.word(control.word()) & control.mask() != 0;
        set && (control.word() != ControlWord::Secondary || self.primary & Control::ActivateSecondary.mask() != 0)
    }

    /// Sets a control to 1.
    pub fn set(&mut self, control: Control) {
        *self.word_mut(control.word()) |= control.mask();
    }

    /// Sets a control to 0.
    pub fn clear(&mut self, control: Control) {
        *self.word_mut(control.word()) &= !control.mask();
    }

    /// Sets a control to 1 or 0.
    pub fn put(&mut self, control: Control, is_on: bool) {
        if is_on { self.set(control) } else { self.clear(control) }
    }
}

/// What a processor allows in the words: the capability MSRs (SDM A.2 to A.5).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Allowed {
    /// Bits that must be 1 ("allowed 0-settings": a 1 there means that 0 is not allowed).
    pub must_be_one: Controls,
    /// Bits that may be 1 ("allowed 1-settings").
    pub may_be_one: Controls,
}

/// The *default1* class: bits that are reserved and must be 1, as the `TRUE` capability MSRs report them
/// (SDM A.2: with these MSRs, bits 15, 16 of the primary and 2 of the exit and entry controls may be 0).
pub const DEFAULT1: Controls = Controls {
    pin: 1 << 1 | 1 << 2 | 1 << 4,
    primary: 1 << 1 | 7 << 4 | 1 << 8 | 3 << 13 | 1 << 26,
    secondary: 0,
    exit: 0x1ff & !(1 << 2) | 3 << 10 | 3 << 13 | 3 << 16,
    entry: 0x1ff & !(1 << 2) | 1 << 12,
};

impl Allowed {
    /// A processor with every control of the table but those in `without`.
    pub fn all_but(without: &[Control]) -> Self {
        let mut may_be_one = DEFAULT1;
        for control in Control::ALL {
            if !without.contains(control) {
                may_be_one.set(*control);
            }
        }
        Allowed { must_be_one: DEFAULT1, may_be_one }
    }

    /// Whether the processor has a control at all.
    pub fn offers(&self, control: Control) -> bool {
        self.may_be_one.word(control.word()) & control.mask() != 0
    }

    /// The bits of a word that it may not have: wrongly 0 and wrongly 1.
    pub fn wrong_bits(&self, word: ControlWord, value: u32) -> (u32, u32) {
        (self.must_be_one.word(word) & !value, value & !self.may_be_one.word(word))
    }

    /// The wish made legal: what must be 1 is, what may not be 1 is not (KVM's `adjust_vmx_controls`).
    pub fn adjust(&self, mut wish: Controls) -> Controls {
        for word in ControlWord::ALL {
            let value = wish.word_mut(word);
            *value = *value & self.may_be_one.word(word) | self.must_be_one.word(word);
        }
        wish
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_controls_share_a_bit() {
        for (at, control) in Control::ALL.iter().enumerate() {
            for other in &Control::ALL[at + 1..] {
                assert_ne!((control.word(), control.bit()), (other.word(), other.bit()), "{control:?} {other:?}");
            }
            assert_eq!(Control::at(control.word(), control.bit()), Some(*control));
        }
    }

    #[test]
    fn secondary_controls_count_only_when_they_are_activated() {
        let mut controls = Controls::default();
        controls.set(Control::EnableEpt);
        assert!(!controls.has(Control::EnableEpt));
        controls.set(Control::ActivateSecondary);
        assert!(controls.has(Control::EnableEpt));
    }

    #[test]
    fn a_wish_is_adjusted_to_what_the_processor_has() {
        let allowed = Allowed::all_but(&[Control::EnablePml]);
        let mut wish = Controls::default();
        wish.set(Control::EnablePml);
        wish.set(Control::EnableEpt);
        let adjusted = allowed.adjust(wish);
        assert_eq!(adjusted.secondary, Control::EnableEpt.mask());
        assert_eq!(adjusted.pin, 0x16);
        for word in ControlWord::ALL {
            assert_eq!(allowed.wrong_bits(word, adjusted.word(word)), (0, 0));
        }
    }
}
