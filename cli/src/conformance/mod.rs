//! Does the model do what a real kernel did? Recordings in, agreement and differences out.
//!
//! A *case* is one recording: a shell script with the transcript of a real run, a log of strace, or
//! a list of system calls with their results. [`case`] finds cases, [`script`] runs a script and
//! writes its [`transcript`], [`normalise`] takes out what differs from run to run, and [`verdict`]
//! compares the two sides.

pub mod case;
pub mod disagreement;
pub mod normalise;
pub mod run;
pub mod script;
pub mod transcript;
pub mod verdict;
