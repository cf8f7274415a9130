//! Sequences whose exits were recorded from a real KVM, at the level of the MMU.
