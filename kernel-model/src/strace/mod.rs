//! Logs of strace(1): reading them, printing calls as it does, and running a log on the model.

pub mod parse;
