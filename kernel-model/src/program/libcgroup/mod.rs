//! Tools of libcgroup 2.0.2: control groups without writing to their files by hand.
//!
//! A group is named by controllers and a path, `cpu,memory:/box`; [`hierarchy`] finds where the controllers are mounted.
//! Configuration files and the daemon that sorts processes by rules are not modelled.

mod attach;
mod create;
mod hierarchy;
mod list;
mod values;

use super::Sys;
use super::getopt::{Long, Options, Spec, Takes};
use super::registry::Program;

/// The programs in this folder.
pub const PROGRAMS: &[&Program] = &[
    &attach::CGCLASSIFY,
    &attach::CGEXEC,
    &create::CGCREATE,
    &create::CGDELETE,
    &list::LSCGROUP,
    &values::CGGET,
    &values::CGSET,
];

/// What the options of all tools have in common.
const OPTIONS: Spec = Spec { version: "(libcgroup) 2.0.2", failure: 255, ..Spec::COREUTILS };
const HELP: Long = Long("help", Takes::Nothing, 'h');

/// Reads the options; `-h` prints the help and is the end, with status 0.
async fn options(sys: &Sys, spec: &Spec) -> Result<Options, i32> {
    let options = sys.getopt(spec).await?;
    if options.has('h') {
        sys.print_help().await;
        return Err(0);
    }
    Ok(options)
}

/// What the library says of a failure. An exit status is what is left of its number: the last eight bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Failure {
    /// `ECGROUPNOTEXIST`
    NotExist,
    /// `ECGROUPSUBSYSNOTMOUNTED`
    NotMounted,
    /// `ECGROUPNOTALLOWED`
    NotAllowed,
    /// `ECGROUPVALUENOTEXIST`
    ValueNotExist,
    /// `ECGOTHER`: what the kernel said.
    Other(crate::errno::Errno),
}

impl Failure {
    /// The number of the error, as far as it fits into an exit status.
    fn status(self) -> i32 {
        match self {
            Failure::NotExist => 82,
            Failure::NotMounted => 84,
            Failure::NotAllowed => 87,
            Failure::ValueNotExist => 95,
            Failure::Other(_) => 96,
        }
    }

    /// `cgroup_strerror`
    fn text(self) -> String {
        match self {
            Failure::NotExist => "Cgroup does not exist".to_owned(),
            Failure::NotMounted => "Cgroup one of the needed subsystems is not mounted".to_owned(),
            Failure::NotAllowed => "Cgroup, operation not allowed".to_owned(),
            Failure::ValueNotExist => "Cgroup, requested group parameter does not exist".to_owned(),
            Failure::Other(errno) => errno.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::session::Session;
    use crate::world::Config;

    #[test]
    fn groups_are_made_set_used_and_removed() {
        let mut s = Session::new(Config::default());
        assert_eq!(s.line("cgcreate -g pids:/kx -g pids,cpu:kx/ky"), "");
        assert_eq!(s.line("lscgroup pids:/kx"), "pids:/kx/\npids:/kx/ky\n");
        assert_eq!(s.line("cgset -r pids.max=20 kx; cgget -r pids.max kx"), "kx:\npids.max: 20\n\n");
        assert_eq!(s.line("cgget -nv -r pids.max kx; cgget -n -r pids.max kx"), "20\npids.max: 20\n");
        assert_eq!(s.line("cgexec -g pids:kx grep -c pids:/kx /proc/self/cgroup"), "1\n");
        assert_eq!(s.line("cgset -r pids.max=abc kx"), "cgset: cgroup modify error: Invalid argument \n[exit 96]\n");
        assert_eq!(s.line("cgexec -g pids:nosuch true"), "cgroup change of group failed\n[exit 82]\n");
        assert_eq!(s.line("cgcreate -g foo:bar 2> /dev/null"), "[exit 84]\n");
        s.line("sleep 50 &");
        assert_eq!(
            s.line("cgclassify -g pids:kx/ky $!; cgdelete pids:kx/ky; grep -c pids:/kx$ /proc/$!/cgroup"),
            "1\n"
        );
        assert_eq!(s.line("cgdelete -r -g pids,cpu:kx; ls -d /sys/fs/cgroup/*/kx 2> /dev/null"), "[exit 2]\n");
        assert_eq!(s.line("cgdelete pids:kx 2> /dev/null"), "[exit 96]\n");
    }

    #[test]
    fn one_tree_for_all_controllers_is_used_as_well() {
        let mut s = Session::new(Config { cgroup_v2: true, ..Config::default() });
        assert_eq!(s.line("cgcreate -g memory,pids:box; cat /sys/fs/cgroup/box/cgroup.controllers"), "memory pids\n");
        assert_eq!(s.line("cgset -r memory.max=10M box; cgget -nv -r memory.max box"), "10485760\n");
        assert_eq!(s.line("cgexec -g memory:box cat /proc/self/cgroup"), "0::/box\n");
        assert_eq!(s.line("cgdelete memory:box"), "");
    }
}
