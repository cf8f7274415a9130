//! Parts of pages that are no views: the terminal, the timeline, the inspector, marks and badges.

pub mod call_field;
pub mod dialog;
pub mod divider;
pub mod embed_head;
pub mod glyph;
pub mod header;
pub mod help;
pub mod hypercall_console;
pub mod icon;
pub mod inspector;
pub mod log_import;
pub mod mark;
pub mod namespace;
pub mod notice;
pub mod seat;
pub mod share;
pub mod stage;
pub mod syscall_console;
pub mod terminal;
pub mod timeline;
pub mod twin;
pub mod welcome;
pub mod worlds;
