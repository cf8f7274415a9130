//! The syntax of strace(1): reading its logs, printing calls as it does, reading calls that somebody
//! types, and running a log on the model.

mod bpf;
pub mod complete;
mod constants;
pub mod parse;
pub mod print;
pub mod replay;
#[cfg(test)]
mod tests;
pub mod typed;

pub use complete::complete;
pub use constants::value as constant;
pub use parse::{Log, LogError, parse, parse_bytes};
pub use print::print;
pub use replay::{Replay, ReplayedLine, Verdict, replay};
pub use typed::parse_call;
