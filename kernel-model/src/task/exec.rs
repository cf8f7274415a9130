//! A new program for a process: execve(2), as in `fs/exec.c`.

pub mod file_caps;
