//! The machine below the kernel: hardware, hypervisor, and one `World` a kernel.
