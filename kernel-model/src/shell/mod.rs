//! The shell: bash 5.2 in POSIX mode, as far as it is modelled.

use serde::{Deserialize, Serialize};

/// A shell between two commands, as a plain value.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct ShellState {
    /// `$?`.
    pub status: i32,
}
