//! Everything that touches the browser: time, storage, the address bar, focus, files.

pub mod address;
pub mod clock;
pub mod download;
pub mod element;
pub mod fetch;
pub mod file;
pub mod key;
pub mod language;
pub mod screen;
pub mod storage;
pub mod tell;
pub mod theme;
