//! The proof: what the tests in `tests/` are made of.
//!
//! [`browser`] finds a Chromium, [`page`] is Ringside's page open in it, [`scenario`] runs named
//! scenarios against it.

pub mod browser;
pub mod page;
pub mod scenario;
