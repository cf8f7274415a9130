//! Plain data for eyes: what views draw, and its text twin for terminals and goldens.

pub mod comparison;
pub mod control_structure;
pub mod cost_bars;
pub mod exit_lanes;
pub mod frames;
pub mod page_walks;
pub mod path;
pub mod rings;
pub mod tlb_table;
pub mod xen;
