//! Everything that touches the browser: time, storage, the address bar, focus, files, other windows.

pub mod address;
pub mod channel;
pub mod clock;
pub mod download;
pub mod element;
pub mod embedder;
pub mod fetch;
pub mod file;
pub mod key;
pub mod language;
pub mod screen;
pub mod storage;
pub mod tell;
pub mod theme;
pub mod window;
