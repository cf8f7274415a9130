//! The machine below the kernel: hardware, hypervisor, and one [`World`](kernel_model::world::World) a kernel.
//!
//! So far there is the bare machine: one kernel runs on it, and every privileged operation does just what
//! it says. Every other platform will be another back end of the same trait, [`PvOps`].
//!
//! [`PvOps`]: kernel_model::pv_ops::PvOps

pub mod cpu;
pub mod emulation;
pub mod guest;
pub mod kvm;
pub mod machine;
pub mod memory;
pub mod paging;
pub mod paravirt;
pub mod projection;
pub mod svm;
pub mod vmx;
pub mod xen;
