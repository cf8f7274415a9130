//! Plain data for eyes: what views draw, and its text twin for terminals and goldens.

pub mod rings;
