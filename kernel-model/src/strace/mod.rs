//! Logs and lines in the syntax of strace(1).
