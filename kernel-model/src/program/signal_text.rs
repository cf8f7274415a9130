//! What the C library calls signals.

use crate::task::signal::Signal;

const TEXTS: [&str; 31] = [
    "Hangup",
    "Interrupt",
    "Quit",
    "Illegal instruction",
    "Trace/breakpoint trap",
    "Aborted",
    "Bus error",
    "Floating point exception",
    "Killed",
    "User defined signal 1",
    "Segmentation fault",
    "User defined signal 2",
    "Broken pipe",
    "Alarm clock",
    "Terminated",
    "Stack fault",
    "Child exited",
    "Continued",
    "Stopped (signal)",
    "Stopped",
    "Stopped (tty input)",
    "Stopped (tty output)",
    "Urgent I/O condition",
    "CPU time limit exceeded",
    "File size limit exceeded",
    "Virtual timer expired",
    "Profiling timer expired",
    "Window changed",
    "I/O possible",
    "Power failure",
    "Bad system call",
];

/// strsignal(3).
pub fn strsignal(signal: Signal) -> String {
    match TEXTS.get(usize::from(signal.0).wrapping_sub(1)) {
        Some(text) => (*text).to_owned(),
        None if signal.0 >= 34 => format!("Real-time signal {}", signal.0 - 34),
        None => format!("Unknown signal {}", signal.0),
    }
}
