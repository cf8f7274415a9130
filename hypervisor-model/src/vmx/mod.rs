//! VT-x: virtual-machine extensions of Intel processors, as the manual describes them.
//!
//! Tables: [`controls`], [`exit_reason`], [`fields`], [`qualification`], [`interruption`], [`error`]. A guest's
//! VMCS is [`vmcs`], what it makes exit [`intercepts`], the way in and out [`transition`] and [`state`], with
//! the checks of [`entry_check`]; the instructions from VMXON to VMXOFF are [`operation`]. AMD's half is
//! in [`svm`](crate::svm), Linux's use of both in [`kvm`](crate::kvm).

pub mod controls;
pub mod entry_check;
pub mod error;
pub mod exit_reason;
pub mod fields;
mod guest_check;
pub mod intercepts;
pub mod interruption;
pub mod msr_bitmap;
pub mod operation;
pub mod qualification;
pub mod state;
pub mod transition;
pub mod vmcs;
