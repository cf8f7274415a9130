//! mktemp(1).

use crate::errno::Errno;
use crate::program;
use crate::program::Sys;
use crate::program::getopt::{Long, Spec, Takes};
use crate::program::libc::o;
use crate::program::quote::quote;
use crate::syscall::{Sysno, Value};

program!(MKTEMP = "mktemp" in "/usr/bin", "create a temporary file or directory", mktemp, "\
-d, --directory  create a directory, not a file
-u, --dry-run  do not create anything; merely print a name
-q, --quiet  suppress diagnostics about failure
-p, --tmpdir[=DIR]  interpret TEMPLATE relative to DIR, $TMPDIR or /tmp; -t  as a single component there
--suffix SUFF  append SUFF to TEMPLATE
[TEMPLATE]  with at least 3 X at the end; default tmp.XXXXXXXXXX in /tmp");

const SPEC: Spec = Spec {
    short: "dp:qtu",
    long: &[
        Long("directory", Takes::Nothing, 'd'),
        Long("dry-run", Takes::Nothing, 'u'),
        Long("quiet", Takes::Nothing, 'q'),
        Long("tmpdir", Takes::Maybe, 'p'),
        Long("suffix", Takes::Value, 's'),
    ],
    ..Spec::COREUTILS
};

const LETTERS: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const ATTEMPTS: u64 = 1000;

async fn mktemp(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&SPEC).await?;
    if options.operands.len() > 1 {
        return Err(sys.usage_error("too many templates").await);
    }
    let given = options.operands.first();
    let template = given.map_or("tmp.XXXXXXXXXX", String::as_str);
    let in_tmp = given.is_none() || options.has('p') || options.has('t');
    let (stem, suffix) = match options.value('s') {
        Some(_) if !template.ends_with('X') => {
            sys.error(format!("with --suffix, template {} must end in X", quote(template))).await;
            return Err(1);
        }
        Some(suffix) => (template, suffix),
        None => template.split_at(template.rfind('X').map_or(template.len(), |at| at + 1)),
    };
    if suffix.contains('/') {
        sys.error(format!("invalid suffix {}, contains directory separator", quote(suffix))).await;
        return Err(1);
    }
    let letters = stem.len() - stem.trim_end_matches('X').len();
    if letters < 3 {
        sys.error(format!("too few X's in template {}", quote(template))).await;
        return Err(1);
    }
    let mut prefix = stem[..stem.len() - letters].to_owned();
    if in_tmp {
        let environment = sys.env("TMPDIR").filter(|d| !d.is_empty());
        let dir = match options.value('p').filter(|d| !d.is_empty()) {
            Some(dir) if !options.has('t') => dir,
            other => environment.or(other).unwrap_or("/tmp"),
        };
        if options.has('t') && template.contains('/') {
            sys.error(format!("invalid template, {}, contains directory separator", quote(template))).await;
            return Err(1);
        }
        if template.starts_with('/') {
            sys.error(format!("invalid template, {}; with --tmpdir, it may not be absolute", quote(template))).await;
            return Err(1);
        }
        prefix = format!("{}/{prefix}", dir.trim_end_matches('/'));
    }
    match create(&sys, &prefix, letters, suffix, options.has('d'), options.has('u')).await {
        Ok(name) => {
            sys.print(format!("{name}\n")).await;
            Ok(0)
        }
        Err(e) => {
            if !options.has('q') {
                let kind = if options.has('d') { "directory" } else { "file" };
                let shown =
                    if in_tmp { format!("{prefix}{}{suffix}", "X".repeat(letters)) } else { template.to_owned() };
                sys.error(format!("failed to create {kind} via template {}: {e}", quote(&shown))).await;
            }
            Err(1)
        }
    }
}

async fn create(
    sys: &Sys,
    prefix: &str,
    letters: usize,
    suffix: &str,
    directory: bool,
    dry: bool,
) -> Result<String, Errno> {
    let mut state = seed(sys).await;
    for _ in 0..ATTEMPTS {
        let mut name = prefix.to_owned();
        for _ in 0..letters {
            // The steps of a linear congruential generator; its high bits are the good ones.
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let index = (state >> 33) as usize % LETTERS.len();
            name.push(char::from(LETTERS.get(index).copied().unwrap_or(b'a')));
        }
        name.push_str(suffix);
        let made = if dry {
            match sys.lstat(&name).await {
                Ok(_) => Err(Errno::EEXIST),
                Err(Errno::ENOENT) => Ok(()),
                Err(e) => Err(e),
            }
        } else if directory {
            sys.mkdir(&name, 0o700).await
        } else {
            match sys.open(&name, o::RDWR | o::CREAT | o::EXCL, 0o600).await {
                Ok(fd) => sys.close(fd).await,
                Err(e) => Err(e),
            }
        };
        match made {
            Ok(()) => return Ok(name),
            Err(Errno::EEXIST) => {}
            Err(e) => return Err(e),
        }
    }
    Err(Errno::EEXIST)
}

/// A number that differs from call to call: the kernel's, or one made of the process and the time.
async fn seed(sys: &Sys) -> u64 {
    let fold = |bytes: &[u8]| bytes.iter().fold(0_u64, |n, b| (n << 8) | u64::from(*b));
    if let Ok(ret) = sys.call(Sysno::GETRANDOM, vec![Value::Null, 8.into(), 0.into()]).await
        && let Some(bytes) = ret.output(0).as_bytes()
    {
        return fold(bytes);
    }
    let time = sys.clock_gettime(0).await.unwrap_or(0);
    (time ^ (u64::from(sys.getpid().await.unsigned_abs()) << 40)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
