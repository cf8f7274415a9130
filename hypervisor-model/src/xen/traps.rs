//! How Xen enters a PV guest's kernel: its table of exceptions, its callbacks, the frame on its stack, and the way back by
//! `iret`. Source: `xen/arch/x86/pv/traps.c`, `pv/iret.c`, `pv/callback.c`, `x86_64/entry.S`;
//! `xen/include/public/arch-x86/xen.h` (`struct trap_info`), `callback.h`.

use std::collections::BTreeMap;

use kernel_model::errno::Errno;
use serde::{Deserialize, Serialize};

use super::domain::{GuestKind, ShutdownReason, VcpuId};
use super::{Refusal, Xen, refuse};

/// A line of the table that `set_trap_table` takes (`struct trap_info`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct TrapInfo {
    /// The vector.
    pub vector: u8,
    /// Bits 1:0: the outermost ring that may raise it with INT. Bit 2: events are masked on entry.
    pub flags: u8,
    /// Code selector.
    pub cs: u16,
    /// Address of the handler; 0 ends the table.
    pub address: u64,
}

/// Where Xen enters the guest's kernel beside exceptions (`CALLBACKTYPE_...`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum CallbackKind {
    /// An event is pending.
    Event = 0,
    /// A selector could not be loaded on the way back.
    Failsafe = 1,
    /// SYSCALL of a 64-bit program.
    Syscall = 2,
    /// Of no use any more (SYSENTER of before).
    SysenterDeprecated = 3,
    /// NMI.
    Nmi = 4,
    /// SYSENTER.
    Sysenter = 5,
    /// SYSCALL of a 32-bit program.
    Syscall32 = 7,
}

/// Handlers of a processor.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct TrapTable {
    /// Exceptions by vector.
    pub traps: BTreeMap<u8, TrapInfo>,
    /// Callbacks: address, and whether events are masked on entry.
    pub callbacks: BTreeMap<CallbackKind, (u64, bool)>,
}

/// What Xen pushes on the stack of a guest's kernel (64 bit: RCX and R11 come first, then an error code if there is one).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct GuestFrame {
    /// Instruction pointer.
    pub rip: u64,
    /// Code selector; on 64 bit its RPL says where `iret` goes: 3 to programs, else to the kernel.
    pub cs: u16,
    /// Flags; IF is the opposite of the upcall mask, not the processor's.
    pub rflags: u64,
    /// Stack pointer.
    pub rsp: u64,
    /// Stack selector.
    pub ss: u16,
    /// The upcall mask that was in force, in bits 39:32 of the CS slot.
    pub saved_upcall_mask: bool,
}

/// RFLAGS.IF.
pub const IF: u64 = 1 << 9;
/// The code selector of a 64-bit guest's kernel (`FLAT_KERNEL_CS`, with RPL 3).
pub const FLAT_KERNEL_CS64: u16 = 0xe033;
/// The code selector of a 32-bit guest's kernel, with RPL 1.
pub const FLAT_KERNEL_CS32: u16 = 0xe019;

/// Why a guest's kernel is entered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Entry {
    /// An exception of this vector.
    Exception(u8),
    /// A callback.
    Callback(CallbackKind),
}

impl Xen {
    /// Registers handlers of exceptions (`do_set_trap_table`); an empty table clears all.
    ///
    /// # Errors
    /// EPERM: a selector that is not the guest's.
    pub fn set_trap_table(&mut self, who: VcpuId, traps: &[TrapInfo]) -> Result<(), Refusal> {
        let kind = self.domain(who.domain).map(|d| d.kind);
        let Some(v) = self.vcpu_mut(who) else { return Ok(()) };
        if traps.is_empty() {
            v.traps.traps.clear();
            return Ok(());
        }
        for trap in traps.iter().take_while(|trap| trap.address != 0) {
            let rpl = if kind == Some(GuestKind::Pv32) { 1 } else { 3 };
            // `fixup_guest_code_selector` corrects the RPL without asking.
            let cs = if trap.cs & 3 == 0 { trap.cs | rpl } else { trap.cs };
            v.traps.traps.insert(trap.vector, TrapInfo { cs, ..*trap });
        }
        Ok(())
    }

    /// Registers a callback (`register_guest_callback`).
    ///
    /// # Errors
    /// EINVAL: an address that is none.
    pub fn register_callback(
        &mut self,
        who: VcpuId,
        kind: CallbackKind,
        address: u64,
        masks: bool,
    ) -> Result<(), Refusal> {
        if !is_canonical(address) {
            return refuse(Errno::EINVAL, "the address of a callback is not canonical");
        }
        if kind == CallbackKind::SysenterDeprecated {
            return refuse(Errno::ENOSYS, "this kind of callback is not used on x86-64");
        }
        if let Some(v) = self.vcpu_mut(who) {
            v.traps.callbacks.insert(kind, (address, masks || kind == CallbackKind::Event));
        }
        Ok(())
    }

    /// Xen enters the guest's kernel (`create_bounce_frame`): the frame that is pushed, and the handler's address. `None` when
    /// there is no handler: the domain is crashed, alone.
    pub fn bounce(&mut self, who: VcpuId, entry: Entry, at: GuestFrame) -> Option<(GuestFrame, u64)> {
        let kind = self.domain(who.domain)?.kind;
        let v = self.vcpu_mut(who)?;
        let handler = match entry {
            Entry::Exception(vector) => v.traps.traps.get(&vector).map(|trap| (trap.address, trap.flags & 4 != 0)),
            Entry::Callback(callback) => v.traps.callbacks.get(&callback).copied(),
        };
        let Some((address, masks)) = handler else {
            self.crash(who, "Xen has to enter the guest's kernel, and there is no handler");
            return None;
        };
        let from_user = v.in_user_mode;
        let mut frame = GuestFrame { saved_upcall_mask: v.upcall_mask, ..at };
        frame.rflags = if v.upcall_mask { at.rflags & !IF } else { at.rflags | IF };
        if from_user {
            v.in_user_mode = false;
        } else if kind == GuestKind::Pv64 {
            // The kernel runs in ring 3, and its frame must not look as if a program had been interrupted.
            frame.cs &= !3;
        }
        v.upcall_mask |= masks;
        Some((frame, address))
    }

    /// The way back (`do_iret`): to the programs if the frame's CS has RPL 3, to the kernel itself otherwise.
    ///
    /// # Errors
    /// Never: a frame that is nonsense crashes the domain.
    pub fn iret(&mut self, who: VcpuId, frame: GuestFrame) -> Result<(), Refusal> {
        let Some(kind) = self.domain(who.domain).map(|d| d.kind) else { return Ok(()) };
        let to_user = frame.cs & 3 == 3;
        let Some(v) = self.vcpu_mut(who) else { return Ok(()) };
        if kind == GuestKind::Pv64 && to_user && v.user_cr3.is_none() {
            self.crash(who, "iret to user mode, and there is no page table for user mode");
            return Ok(());
        }
        v.in_user_mode = to_user;
        v.upcall_mask = frame.rflags & IF == 0;
        Ok(())
    }

    /// Ends a domain that cannot go on (`domain_crash`); nobody else is touched.
    pub fn crash(&mut self, who: VcpuId, why: &'static str) {
        self.print(format!("domain_crash called for {who}: {why}"));
        self.print(format!("Domain {} (vcpu#{}) crashed on cpu#0:", who.domain.0, who.vcpu));
        self.shut_down(who.domain, ShutdownReason::Crash);
    }

    /// A domain has shut down: its processors stop, and the toolstack is told (`domain_shutdown`).
    pub fn shut_down(&mut self, domain: super::domain::DomId, reason: ShutdownReason) {
        if let Some(d) = self.domain_mut(domain) {
            let reason = *d.shutdown_code.get_or_insert(reason);
            d.shutdown.get_or_insert(reason);
        }
        self.raise_global_virq(super::event_channel::virq::DOM_EXC);
    }
}

/// Whether an address is one: bits 63 to 47 the same.
pub fn is_canonical(address: u64) -> bool {
    let top = (address as i64) >> 47;
    top == 0 || top == -1
}
