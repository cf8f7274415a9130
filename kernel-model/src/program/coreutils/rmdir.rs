//! rmdir(1).

use crate::errno::Errno;
use crate::program;
use crate::program::Sys;
use crate::program::getopt::{Long, Spec, Takes};
use crate::program::quote::quoteaf;

program!(RMDIR = "rmdir" in "/usr/bin", "remove empty directories", rmdir, "\
-p, --parents  remove DIRECTORY and its ancestors
--ignore-fail-on-non-empty  ignore each failure that is solely because a directory is non-empty
-v, --verbose  output a diagnostic for every directory processed");

const SPEC: Spec = Spec {
    short: "pv",
    long: &[
        Long("ignore-fail-on-non-empty", Takes::Nothing, 'i'),
        Long("parents", Takes::Nothing, 'p'),
        Long("verbose", Takes::Nothing, 'v'),
    ],
    ..Spec::COREUTILS
};

async fn rmdir(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&SPEC).await?;
    if options.operands.is_empty() {
        return Err(sys.missing_operand().await);
    }
    let mut status = 0;
    for operand in &options.operands {
        let mut path = operand.as_str();
        loop {
            if options.has('v') {
                sys.print(format!("{}: removing directory, {}\n", sys.invocation_name(), quoteaf(path))).await;
            }
            if let Err(e) = sys.rmdir(path).await {
                if !(options.has('i') && matches!(e, Errno::ENOTEMPTY | Errno::EEXIST)) {
                    complain(&sys, path, path != operand, e).await;
                    status = 1;
                }
                break;
            }
            if !options.has('p') {
                break;
            }
            match path.trim_end_matches('/').rsplit_once('/') {
                Some((parent, _)) if !parent.is_empty() => path = parent.trim_end_matches('/'),
                _ => break,
            }
        }
    }
    Ok(status)
}

async fn complain(sys: &Sys, path: &str, is_parent: bool, e: Errno) {
    let text = if sys.is_busybox() {
        format!("'{path}': {e}")
    } else if is_parent {
        format!("failed to remove directory {}: {e}", quoteaf(path))
    } else {
        format!("failed to remove {}: {e}", quoteaf(path))
    };
    sys.error(text).await;
}
