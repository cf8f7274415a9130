//! AMD-V, also called SVM: secure virtual machines, as AMD's manual describes them.
//!
//! Tables: [`exit_code`], [`intercept`]. Intel's half is in [`vmx`](crate::vmx).

pub mod exit_code;
pub mod intercept;
