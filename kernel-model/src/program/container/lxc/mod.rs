//! LXC (5.0.2): system containers from a configuration file and a directory.
//!
//! [`start`] builds a container in the order of the real `lxc-start`; [`cgroup`] its control groups `lxc.monitor.NAME`
//! and `lxc.payload.NAME`; [`tools`] the other programs. The real tools ask the monitor of a container over a socket;
//! these look at the container's control group, where its processes are.

mod cgroup;
mod start;
#[cfg(test)]
mod tests;
mod tools;

use crate::program::Sys;
use crate::program::registry::Program;

/// The programs in this folder.
pub const PROGRAMS: &[&Program] = &[
    &start::LXC_START,
    &tools::LXC_ATTACH,
    &tools::LXC_CREATE,
    &tools::LXC_DESTROY,
    &tools::LXC_FREEZE,
    &tools::LXC_INFO,
    &tools::LXC_LS,
    &tools::LXC_STOP,
    &tools::LXC_UNFREEZE,
];

/// Where containers are.
const PATH: &str = "/var/lib/lxc";

/// The configuration of a container: `lxc.conf(5)`, keys in their order.
struct Config(Vec<(String, String)>);

impl Config {
    fn parse(text: &str) -> Config {
        let lines = text.lines().map(str::trim).filter(|l| !l.starts_with('#'));
        let pairs = lines.filter_map(|l| l.split_once('='));
        Config(pairs.map(|(k, v)| (k.trim().to_owned(), v.trim().to_owned())).collect())
    }

    async fn load(sys: &Sys, name: &str) -> Option<Config> {
        Some(Config::parse(&sys.read_file(&format!("{PATH}/{name}/config")).await.ok()?))
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().rev().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }

    fn all<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().filter_map(move |(k, v)| Some((k.strip_prefix(prefix)?, v.as_str())))
    }
}

/// A message as the tools write it: program, container, where in the source, what.
async fn complain(sys: &Sys, name: &str, place: &str, what: &str) {
    sys.eprint(format!("{}: {name}: ../src/lxc/{place} {what}\n", sys.name())).await;
}
