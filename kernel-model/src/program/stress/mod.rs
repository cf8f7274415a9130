//! Programs that use up what they are asked to: processor time, memory, processes, files. With them limits can be hit:
//! the quota of the processor, `memory.max`, `pids.max`, `io.max`.
//!
//! [`hog`] the workers; [`options`] the command line of stress(1); [`dispatch`] stress(1) itself; [`ng`] stress-ng(1).

mod dispatch;
mod hog;
mod ng;
mod options;
#[cfg(test)]
mod tests;

use super::registry::Program;

/// The programs in this folder.
pub const PROGRAMS: &[&Program] = &[&dispatch::STRESS, &ng::STRESS_NG];
