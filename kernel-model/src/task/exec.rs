//! execve(2).
