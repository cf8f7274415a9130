//! Whole pages, put together from views and widgets.

pub mod sandbox;
