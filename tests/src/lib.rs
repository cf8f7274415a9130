//! The proof: what the tests in `tests/` are made of.
//!
//! [`browser`] finds a Chromium, [`page`] is Ringside's page open in it, [`accessibility`] asks axe about
//! it, [`scenario`] runs named scenarios against it, and [`probe`] is the models alone as wasm. [`known`]
//! is the list of known differences to the recordings, and [`large_world`] builds ten thousand processes.

pub mod accessibility;
pub mod browser;
pub mod known;
pub mod large_world;
pub mod page;
pub mod probe;
pub mod scenario;
