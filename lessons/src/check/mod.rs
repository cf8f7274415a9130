//! Checks: expressions over the facts of a world, and conditions over a history.
//!
//! The language is the Common Expression Language (CEL), by the crate `cel`: it has no loops but those over lists, no
//! side effects, no input or output, so that every expression ends. Its work is bounded by limits on the size of an
//! expression, on how deep loops are nested and on the length of lists ([`expression`]); that makes checks of strangers
//! harmless. [`watch`] follows a condition through a history.

pub mod expression;
pub mod watch;
