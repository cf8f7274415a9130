//! The models' tables against the manuals: each file of `tests/tables/` was typed from a manual or a kernel
//! header, apart from the code, and each of its rows must be what the code says.

mod sheet;
mod svm;
mod vmx;
mod xen;
