//! VT-x: virtual-machine extensions of Intel processors, as the manual describes them.
//!
//! Tables: [`controls`], [`exit_reason`], [`fields`], [`qualification`], [`interruption`], [`error`]. AMD's half is
//! in [`svm`](crate::svm), Linux's use of both in [`kvm`](crate::kvm).

pub mod controls;
pub mod error;
pub mod exit_reason;
pub mod fields;
pub mod interruption;
pub mod qualification;
