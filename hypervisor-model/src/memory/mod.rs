//! Machine memory: frames, each with its owner, and the addresses that name them.
//!
//! Three kinds of address meet here, and each is a type of its own: [`Linear`] is what a program uses, [`Gpa`] what
//! a guest takes for physical, [`Hpa`] what the machine's memory answers to. On the bare machine the last two are
//! the same number.

mod address;
mod physical;

pub use address::{Gfn, Gpa, Hfn, Hpa, Linear, PAGE_SHIFT, PAGE_SIZE};
pub use physical::{GuestId, Owner, PhysicalMemory};
