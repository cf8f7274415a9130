//! A history.
