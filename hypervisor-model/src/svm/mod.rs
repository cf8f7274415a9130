//! AMD-V, also called SVM: secure virtual machines, as AMD's manual describes them.
//!
//! Tables: [`exit_code`], [`intercept`]. A guest's control block is [`vmcb`], in memory a [`page`]; what it makes exit
//! [`intercepts`], what VMRUN refuses [`entry_check`]. Intel's half is in [`vmx`](crate::vmx).

pub mod entry_check;
pub mod exit_code;
pub mod intercept;
pub mod intercepts;
pub mod page;
pub mod permission_map;
pub mod vmcb;
