//! KVM: what Linux 6.1 makes of the hardware's virtualization.

pub mod device;
pub mod mmu;
pub mod probe;
pub mod user_exit;
pub mod vcpu;
