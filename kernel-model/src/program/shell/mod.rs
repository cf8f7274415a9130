//! The shell as a program, and help.

mod help;

use super::registry::Program;
use crate::program;

/// The programs in this folder.
pub const PROGRAMS: &[&Program] = &[&BASH, &help::HELP];

program!(
    BASH = "bash" in "/usr/bin",
    "POSIX shell: runs commands",
    crate::shell::main,
    "-c STRING [NAME [ARG]...]  run the commands of STRING; NAME is $0\n\
     FILE [ARG]...              run the commands of a file\n\
     -s                         read commands from standard input\n\
     -e                         exit when a command fails\n\
     -u                         an unset variable is an error\n\
     -x                         print commands before they are run\n\
     -f                         do not expand patterns of file names\n\
     -n                         read commands but do not run them\n\
     -v                         print lines as they are read\n\
     -o OPTION                  the same by name, and pipefail, noclobber, allexport\n\
     --posix                    POSIX mode, which is how this shell always works"
);
