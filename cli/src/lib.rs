//! The `ringside` command as a library: arguments in, crates called, text and exit status out.
//!
//! [`command`] has one file a subcommand. [`page`] turns `web-ui` and `static/` into a folder that
//! any web server can hand out, [`server`] hands it out on a loopback address. The tests use both
//! in process.

pub mod command;
pub mod conformance;
pub mod coverage;
pub mod export;
pub mod grade;
pub mod input;
pub mod microbenchmarks;
pub mod page;
pub mod preview;
pub mod server;
pub mod xml;
