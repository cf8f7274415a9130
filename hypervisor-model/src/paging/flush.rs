//! What each operation makes a processor forget: a table, one row an operation.
//!
//! These are the minima that the manuals demand, and what is done here is exactly them: a translation that may go
//! stale does go stale. A real processor may forget more, at any time.

use serde::{Deserialize, Serialize};

/// An operation that makes a processor forget translations. Tags are those of the context in which it is done.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Flush {
    /// MOV to CR3 with CR4.PCIDE = 0, and a task switch that loads CR3.
    Cr3,
    /// MOV to CR3 with CR4.PCIDE = 1 and bit 63 clear; the PCID is the new one.
    Cr3Pcid(u16),
    /// MOV to CR3 with CR4.PCIDE = 1 and bit 63 set.
    Cr3Keep,
    /// MOV to CR4 that changes PGE, or clears PCIDE.
    Cr4Global,
    /// MOV to CR4 that changes PAE, or sets SMEP.
    Cr4Mode,
    /// MOV to CR0 that clears PG.
    Cr0PagingOff,
    /// INVLPG, by linear address.
    Invlpg(u64),
    /// INVPCID type 0: one address of one PCID.
    InvpcidAddress(u16, u64),
    /// INVPCID type 1: one PCID.
    InvpcidContext(u16),
    /// INVPCID type 2: everything.
    InvpcidAll,
    /// INVPCID type 3: everything but globals.
    InvpcidAllButGlobals,
    /// A page fault at an address.
    PageFault(u64),
    /// VM entry or exit without VPIDs.
    TransitionUntagged,
    /// VM entry or exit with VPIDs.
    TransitionTagged,
    /// INVVPID type 0: one address of one VPID.
    InvvpidAddress(u16, u64),
    /// INVVPID type 1: one VPID.
    InvvpidContext(u16),
    /// INVVPID type 2: all VPIDs but 0.
    InvvpidAll,
    /// INVVPID type 3: one VPID but for globals.
    InvvpidContextButGlobals(u16),
    /// INVEPT type 1: one EPT pointer.
    InveptContext(u64),
    /// INVEPT type 2: all of them.
    InveptAll,
    /// INVLPGA (AMD): one address of one ASID.
    Invlpga(u16, u64),
    /// VMRUN with TLB_CONTROL 1 (AMD): everything.
    TlbControlAll,
    /// VMRUN with TLB_CONTROL 3 (AMD): one ASID.
    TlbControlAsid(u16),
    /// VMRUN with TLB_CONTROL 7 (AMD): one ASID but for globals.
    TlbControlAsidButGlobals(u16),
}

/// Which tags of a kind an operation reaches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach<T> {
    /// None of them.
    None,
    /// One.
    One(T),
    /// All but one.
    AllBut(T),
    /// All.
    All,
}

impl<T: Copy + Eq> Reach<T> {
    /// Whether a tag is reached.
    #[inline]
    pub fn reaches(self, tag: T) -> bool {
        match self {
            Reach::None => false,
            Reach::One(one) => one == tag,
            Reach::AllBut(one) => one != tag,
            Reach::All => true,
        }
    }
}

/// What an operation makes a processor forget.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scope {
    /// Of linear and combined translations: by VPID or ASID.
    pub vpid: Reach<u16>,
    /// By PCID.
    pub pcid: Reach<u16>,
    /// By EPT pointer.
    pub ept: Reach<u64>,
    /// Only those of this linear address.
    pub address: Option<u64>,
    /// Global translations too.
    pub globals: Globals,
    /// Guest-physical translations, by EPT pointer.
    pub guest_physical: Reach<u64>,
    /// The name by which it is counted.
    pub name: &'static str,
    /// Where that is said.
    pub source: &'static str,
}

/// What becomes of global translations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Globals {
    /// They stay.
    Stay,
    /// They go as others do.
    Go,
    /// They go whatever their PCID is.
    GoUnderAnyPcid,
}

impl Flush {
    /// What it makes a processor forget that runs with `vpid` and `pcid`.
    pub fn scope(self, vpid: u16, pcid: u16) -> Scope {
        use Globals::{Go, GoUnderAnyPcid, Stay};
        let row = |pcid, address, globals, name, source| Scope {
            vpid: Reach::One(vpid),
            pcid,
            ept: Reach::All,
            address,
            globals,
            guest_physical: Reach::None,
            name,
            source,
        };
        let (all, one) = (Reach::All, Reach::One(pcid));
        let tagged =
            |vpid, address, globals, name, source| Scope { vpid, ..row(Reach::All, address, globals, name, source) };
        const INVALIDATE: &str = "SDM 4.10.4.1 Operations that Invalidate TLBs and Paging-Structure Caches";
        const INVVPID: &str = "SDM 28.3.3.1 Operations that Invalidate Cached Mappings; INVVPID";
        const INVEPT: &str = "SDM 28.3.3.1 Operations that Invalidate Cached Mappings; INVEPT";
        const AMD: &str = "APM vol. 2, 15.16 TLB Control";
        match self {
            Flush::Cr3 => row(one, None, Stay, "MOV CR3", INVALIDATE),
            Flush::Cr3Pcid(new) => row(Reach::One(new), None, Stay, "MOV CR3", INVALIDATE),
            Flush::Cr3Keep => row(Reach::None, None, Stay, "MOV CR3 without flush", INVALIDATE),
            Flush::Cr4Global => row(all, None, Go, "MOV CR4", INVALIDATE),
            Flush::Cr4Mode => row(one, None, Go, "MOV CR4", INVALIDATE),
            Flush::Cr0PagingOff => row(all, None, Go, "MOV CR0", INVALIDATE),
            Flush::Invlpg(address) => row(one, Some(address), GoUnderAnyPcid, "INVLPG", INVALIDATE),
            Flush::InvpcidAddress(pcid, address) => row(Reach::One(pcid), Some(address), Stay, "INVPCID", INVALIDATE),
            Flush::InvpcidContext(pcid) => row(Reach::One(pcid), None, Stay, "INVPCID", INVALIDATE),
            Flush::InvpcidAll => row(all, None, Go, "INVPCID", INVALIDATE),
            Flush::InvpcidAllButGlobals => row(all, None, Stay, "INVPCID", INVALIDATE),
            Flush::PageFault(address) => row(one, Some(address), GoUnderAnyPcid, "page fault", INVALIDATE),
            Flush::TransitionUntagged => {
                tagged(Reach::One(0), None, Go, "VM transition", "SDM 28.3.3.1: VM entries and exits with VPID off")
            }
            Flush::TransitionTagged => {
                tagged(Reach::None, None, Stay, "VM transition with VPID", "SDM 28.3.3.1: VM entries and exits")
            }
            Flush::InvvpidAddress(vpid, address) => tagged(Reach::One(vpid), Some(address), Go, "INVVPID", INVVPID),
            Flush::InvvpidContext(vpid) => tagged(Reach::One(vpid), None, Go, "INVVPID", INVVPID),
            Flush::InvvpidAll => tagged(Reach::AllBut(0), None, Go, "INVVPID", INVVPID),
            Flush::InvvpidContextButGlobals(vpid) => tagged(Reach::One(vpid), None, Stay, "INVVPID", INVVPID),
            Flush::InveptContext(ept) => Scope {
                ept: Reach::One(ept),
                guest_physical: Reach::One(ept),
                ..tagged(Reach::All, None, Go, "INVEPT", INVEPT)
            },
            Flush::InveptAll => Scope {
                // Without EPT a translation is a linear one, and those stay.
                ept: Reach::AllBut(0),
                guest_physical: Reach::All,
                ..tagged(Reach::All, None, Go, "INVEPT", INVEPT)
            },
            Flush::Invlpga(asid, address) => {
                tagged(Reach::One(asid), Some(address), Go, "INVLPGA", "APM vol. 3, INVLPGA")
            }
            Flush::TlbControlAll => tagged(Reach::All, None, Go, "TLB_CONTROL", AMD),
            Flush::TlbControlAsid(asid) => tagged(Reach::One(asid), None, Go, "TLB_CONTROL", AMD),
            Flush::TlbControlAsidButGlobals(asid) => tagged(Reach::One(asid), None, Stay, "TLB_CONTROL", AMD),
        }
    }
}
