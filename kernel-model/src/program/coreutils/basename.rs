//! basename(1) and dirname(1).

use crate::program;
use crate::program::Sys;
use crate::program::getopt::{Long, Spec, Takes};

program!(BASENAME = "basename" in "/usr/bin", "strip directory and suffix from filenames", basename, "\
-a, --multiple  support multiple arguments and treat each as a NAME
-s, --suffix SUFFIX  remove a trailing SUFFIX; implies -a
-z, --zero  end each output line with NUL, not newline");
program!(DIRNAME = "dirname" in "/usr/bin", "strip last component from file name", dirname, "\
-z, --zero  end each output line with NUL, not newline");

async fn basename(sys: Sys) -> Result<i32, i32> {
    const SPEC: Spec = Spec {
        short: "+as:z",
        long: &[
            Long("multiple", Takes::Nothing, 'a'),
            Long("suffix", Takes::Value, 's'),
            Long("zero", Takes::Nothing, 'z'),
        ],
        ..Spec::COREUTILS
    };
    let options = sys.getopt(&SPEC).await?;
    let multiple = options.last_of("as").is_some();
    let (names, suffix) = match options.operands.as_slice() {
        [] => return Err(sys.missing_operand().await),
        names if multiple => (names, options.value('s')),
        [_, _, extra, ..] => return Err(sys.extra_operand(extra).await),
        [name] => (std::slice::from_ref(name), None),
        [name, suffix, ..] => (std::slice::from_ref(name), Some(suffix.as_str())),
    };
    let end = if options.has('z') { '\0' } else { '\n' };
    for name in names {
        let base = last_component(name);
        let stripped = suffix.and_then(|s| base.strip_suffix(s)).filter(|b| !b.is_empty()).unwrap_or(base);
        sys.print(format!("{stripped}{end}")).await;
    }
    Ok(0)
}

async fn dirname(sys: Sys) -> Result<i32, i32> {
    const SPEC: Spec = Spec { short: "+z", long: &[Long("zero", Takes::Nothing, 'z')], ..Spec::COREUTILS };
    let options = sys.getopt(&SPEC).await?;
    if options.operands.is_empty() {
        return Err(sys.missing_operand().await);
    }
    let end = if options.has('z') { '\0' } else { '\n' };
    for name in &options.operands {
        sys.print(format!("{}{end}", directory(name))).await;
    }
    Ok(0)
}

/// The part after the last slash, slashes at the end not counted.
pub fn last_component(path: &str) -> &str {
    let trimmed = path.trim_end_matches('/');
    match trimmed.rsplit('/').next() {
        Some("") | None if path.starts_with('/') => "/",
        Some(name) => name,
        None => "",
    }
}

/// Everything before the last component.
pub fn directory(path: &str) -> &str {
    let trimmed = path.trim_end_matches('/');
    match trimmed.rfind('/') {
        Some(at) => match trimmed[..at].trim_end_matches('/') {
            "" => "/",
            dir => dir,
        },
        None if trimmed.is_empty() && path.starts_with('/') => "/",
        None => ".",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_a_directory_and_a_last_component() {
        for (path, dir, base) in [
            ("/usr/bin", "/usr", "bin"),
            ("a", ".", "a"),
            ("/", "/", "/"),
            ("a//b/", "a", "b"),
            ("//x", "/", "x"),
            ("", ".", ""),
        ] {
            assert_eq!((directory(path), last_component(path)), (dir, base), "{path}");
        }
    }
}
