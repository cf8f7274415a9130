//! readlink(1) and realpath(1).

use std::collections::VecDeque;

use crate::errno::Errno;
use crate::program;
use crate::program::Sys;
use crate::program::getopt::{Long, Options, Spec, Takes};
use crate::program::libc::s;
use crate::program::quote::quotef;

program!(READLINK = "readlink" in "/usr/bin", "print resolved symbolic links or canonical file names", readlink, "\
-f, --canonicalize  follow every symlink in every component; all but the last component must exist
-e, --canonicalize-existing  the same, all components must exist
-m, --canonicalize-missing  the same, without requirements on components
-n, --no-newline  do not output the trailing delimiter
-q, --quiet, -s, --silent; -v, --verbose  suppress, report error messages
-z, --zero  end each output line with NUL, not newline");
program!(REALPATH = "realpath" in "/usr/bin", "print the resolved path", realpath, "\
-e, --canonicalize-existing  all components of the path must exist
-m, --canonicalize-missing  no path components need exist or be a directory
-q, --quiet  suppress most error messages
-s, --strip, --no-symlinks  don't expand symlinks
-z, --zero  end each output line with NUL, not newline");

const SPEC: Spec = Spec {
    short: "efmnqsvz",
    long: &[
        Long("canonicalize", Takes::Nothing, 'f'),
        Long("canonicalize-existing", Takes::Nothing, 'e'),
        Long("canonicalize-missing", Takes::Nothing, 'm'),
        Long("no-newline", Takes::Nothing, 'n'),
        Long("quiet", Takes::Nothing, 'q'),
        Long("silent", Takes::Nothing, 's'),
        Long("verbose", Takes::Nothing, 'v'),
        Long("zero", Takes::Nothing, 'z'),
    ],
    ..Spec::COREUTILS
};

/// Which components of a path may be missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Missing {
    /// None.
    Nothing,
    /// The last one.
    Last,
    /// All.
    Anything,
}

async fn readlink(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&SPEC).await?;
    if options.operands.is_empty() {
        return Err(sys.missing_operand().await);
    }
    let missing = match options.last_of("efm") {
        Some('e') => Some(Missing::Nothing),
        Some('f') => Some(Missing::Last),
        Some(_) => Some(Missing::Anything),
        None => None,
    };
    let mut status = 0;
    let no_newline = options.has('n') && options.operands.len() == 1;
    if options.has('n') && !no_newline {
        sys.error("ignoring --no-newline with multiple arguments").await;
    }
    let end = match (no_newline, options.has('z')) {
        (true, _) => "",
        (_, true) => "\0",
        _ => "\n",
    };
    for path in &options.operands {
        let result = match missing {
            Some(missing) => canonicalize(&sys, path, missing, true).await,
            None => sys.readlink(path).await,
        };
        match result {
            Ok(found) => sys.print(format!("{found}{end}")).await,
            Err(e) => {
                status = 1;
                if options.last_of("qsv") == Some('v') {
                    sys.error(format!("{}: {e}", quotef(path))).await;
                }
            }
        }
    }
    Ok(status)
}

async fn realpath(sys: Sys) -> Result<i32, i32> {
    const SPEC: Spec = Spec {
        short: "emqsz",
        long: &[
            Long("canonicalize-existing", Takes::Nothing, 'e'),
            Long("canonicalize-missing", Takes::Nothing, 'm'),
            Long("quiet", Takes::Nothing, 'q'),
            Long("no-symlinks", Takes::Nothing, 's'),
            Long("strip", Takes::Nothing, 's'),
            Long("zero", Takes::Nothing, 'z'),
        ],
        unmodelled: "-L -P --logical --physical --relative-to --relative-base",
        ..Spec::COREUTILS
    };
    let options: Options = sys.getopt(&SPEC).await?;
    if options.operands.is_empty() {
        return Err(sys.missing_operand().await);
    }
    let missing = match options.last_of("em") {
        Some('e') => Missing::Nothing,
        Some(_) => Missing::Anything,
        None => Missing::Last,
    };
    let end = if options.has('z') { '\0' } else { '\n' };
    let mut status = 0;
    for path in &options.operands {
        match canonicalize(&sys, path, missing, !options.has('s')).await {
            Ok(found) => sys.print(format!("{found}{end}")).await,
            Err(e) => {
                status = 1;
                if !options.has('q') {
                    sys.error(format!("{}: {e}", quotef(path))).await;
                }
            }
        }
    }
    Ok(status)
}

/// canonicalize_filename_mode of gnulib: the absolute path without `.`, `..` and symbolic links.
///
/// # Errors
/// Those of lstat(2), getcwd(2); `ENOENT` when a component that must exist does not.
pub async fn canonicalize(sys: &Sys, path: &str, missing: Missing, expand: bool) -> Result<String, Errno> {
    if path.is_empty() {
        return Err(Errno::ENOENT);
    }
    let mut done = if path.starts_with('/') { String::new() } else { sys.getcwd().await? };
    if done == "/" {
        done.clear();
    }
    let needs_directory = path.ends_with('/');
    let mut rest: VecDeque<String> = path.split('/').filter(|c| !c.is_empty()).map(str::to_owned).collect();
    let mut links = 0;
    while let Some(component) = rest.pop_front() {
        match component.as_str() {
            "." => continue,
            ".." => {
                done.truncate(done.rfind('/').unwrap_or(0));
                continue;
            }
            _ => {}
        }
        let next = format!("{done}/{component}");
        let stat = match sys.lstat(&next).await {
            Ok(stat) => stat,
            Err(e) => {
                let allowed = match missing {
                    Missing::Anything => true,
                    Missing::Last => e == Errno::ENOENT && rest.is_empty(),
                    Missing::Nothing => false,
                };
                if !allowed {
                    return Err(e);
                }
                done = next;
                continue;
            }
        };
        if stat.file_type() == s::IFLNK && expand {
            links += 1;
            if links > 40 {
                return Err(Errno::ELOOP);
            }
            let target = sys.readlink(&next).await?;
            if target.starts_with('/') {
                done.clear();
            }
            for part in target.split('/').filter(|c| !c.is_empty()).rev() {
                rest.push_front(part.to_owned());
            }
            continue;
        }
        if !stat.is_dir() && (!rest.is_empty() || needs_directory) && missing != Missing::Anything {
            return Err(Errno::ENOTDIR);
        }
        done = next;
    }
    Ok(if done.is_empty() { "/".into() } else { done })
}
