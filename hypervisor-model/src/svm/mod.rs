//! AMD-V, also called SVM: secure virtual machines, as AMD's manual describes them.
//!
//! Tables: [`exit_code`], [`intercept`]. A guest's control block is [`vmcb`], what it makes exit [`intercepts`]. Intel's half is in [`vmx`](crate::vmx).

pub mod exit_code;
pub mod intercept;
pub mod intercepts;
pub mod permission_map;
pub mod vmcb;
