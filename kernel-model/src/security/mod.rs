//! Walls around a process: credentials, capabilities, resource limits.

pub mod capability;
pub mod capable;
pub mod commit;
pub mod credentials;
pub mod exec_creds;
pub mod ptrace;
pub mod rlimit;
