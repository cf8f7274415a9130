//! Xen's model against recordings of a real Xen 4.17 with a PV domain 0 and a PV guest (`tests/xen`), and its state machines
//! in all their ways up to a bound.

mod checked;
mod corpus;
mod hypercalls;
mod life;
mod recorded;
mod session;
mod trace;
