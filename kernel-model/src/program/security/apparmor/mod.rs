//! The tools of AppArmor: the parser of profiles, and who asks for one.

mod aa_exec;
mod aa_mode;
mod aa_status;
mod language;
mod lexer;
mod parser;
mod rules;
#[cfg(test)]
mod tests;

use super::super::registry::Program;

/// The programs in this folder.
pub const PROGRAMS: [&Program; 6] = [
    &aa_exec::AA_EXEC,
    &aa_mode::AA_COMPLAIN,
    &aa_mode::AA_ENFORCE,
    &aa_status::AA_ENABLED,
    &aa_status::AA_STATUS,
    &parser::APPARMOR_PARSER,
];

/// Where the kernel says what is loaded, and takes more.
const INTERFACE: &str = "/sys/kernel/security/apparmor";
