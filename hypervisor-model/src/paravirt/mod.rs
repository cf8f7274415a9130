//! Paravirtualization as the kernel has it: a table of operations, filled in at boot by whoever is below.

pub mod pv_ops;
