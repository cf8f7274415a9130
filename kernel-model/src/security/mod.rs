//! Walls around a process: credentials, capabilities, system-call filters, resource limits,
//! security modules.

pub mod audit;
pub mod bpf;
pub mod capability;
pub mod capable;
pub mod commit;
pub mod credentials;
pub mod exec_creds;
pub mod lsm;
pub mod ptrace;
pub mod rlimit;
pub mod seccomp;
#[cfg(test)]
mod tests;
