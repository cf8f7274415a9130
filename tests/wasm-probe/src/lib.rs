//! The models, callable from JavaScript.
