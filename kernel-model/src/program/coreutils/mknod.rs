//! mknod(1) and mkfifo(1).

use crate::program;
use crate::program::Sys;
use crate::program::filemode::ModeChange;
use crate::program::getopt::{Long, Options, Spec, Takes};
use crate::program::libc::{makedev, s};
use crate::program::quote::{quote, quoteaf, quotef};

program!(MKNOD = "mknod" in "/usr/bin", "make block or character special files", mknod, "\
-m, --mode MODE  set file permission bits to MODE, not a=rw - umask
NAME TYPE [MAJOR MINOR]  TYPE: b, c, u, p");
program!(MKFIFO = "mkfifo" in "/usr/bin", "make FIFOs (named pipes)", mkfifo, "\
-m, --mode MODE  set file permission bits to MODE, not a=rw - umask");

const SPEC: Spec =
    Spec { short: "m:", long: &[Long("mode", Takes::Value, 'm')], unmodelled: "-Z --context", ..Spec::COREUTILS };

async fn mode(sys: &Sys, options: &Options) -> Result<Option<u32>, i32> {
    let Some(text) = options.value('m') else { return Ok(None) };
    let umask = sys.current_umask().await;
    match ModeChange::parse(text).map(|c| c.apply(0o666, false, umask)) {
        Some(mode) => Ok(Some(mode)),
        None => {
            sys.error("invalid mode").await;
            Err(1)
        }
    }
}

async fn make(sys: &Sys, path: &str, kind: u32, dev: u64, mode: Option<u32>) -> Result<(), crate::errno::Errno> {
    sys.mknod(path, kind | mode.unwrap_or(0o666), dev).await?;
    match mode {
        Some(mode) => sys.chmod(path, mode).await,
        None => Ok(()),
    }
}

async fn mknod(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&SPEC).await?;
    let mode = mode(&sys, &options).await?;
    let operands = &options.operands;
    let wanted = if operands.get(1).is_some_and(|t| t.starts_with('p')) { 2 } else { 4 };
    if operands.len() < wanted {
        let status = match operands.last() {
            None => sys.missing_operand().await,
            Some(last) => {
                sys.error(format!("missing operand after {}", quote(last))).await;
                if wanted == 4 && operands.len() == 2 {
                    sys.eprint("Special files require major and minor device numbers.\n").await;
                }
                sys.try_help().await;
                1
            }
        };
        return Err(status);
    }
    if let Some(extra) = operands.get(wanted) {
        sys.error(format!("extra operand {}", quote(extra))).await;
        if wanted == 2 && operands.len() == 4 {
            sys.eprint("Fifos do not have major and minor device numbers.\n").await;
        }
        sys.try_help().await;
        return Err(1);
    }
    let kind = match operands[1].chars().next() {
        Some('b') => s::IFBLK,
        Some('c' | 'u') => s::IFCHR,
        Some('p') => s::IFIFO,
        _ => return Err(sys.usage_error(format!("invalid device type {}", quote(&operands[1]))).await),
    };
    let mut dev = 0;
    if kind != s::IFIFO {
        let number = |text: &str| match text.strip_prefix("0x") {
            Some(hex) => u32::from_str_radix(hex, 16).ok(),
            None if text.starts_with('0') && text.len() > 1 => u32::from_str_radix(text, 8).ok(),
            None => text.parse().ok(),
        };
        let (Some(major), Some(minor)) = (number(&operands[2]), number(&operands[3])) else {
            let (what, text) =
                if number(&operands[2]).is_none() { ("major", &operands[2]) } else { ("minor", &operands[3]) };
            sys.error(format!("invalid {what} device number {}", quote(text))).await;
            return Err(1);
        };
        dev = makedev(major, minor);
    }
    if let Err(e) = make(&sys, &operands[0], kind, dev, mode).await {
        sys.error(format!("{}: {e}", quotef(&operands[0]))).await;
        return Ok(1);
    }
    Ok(0)
}

async fn mkfifo(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&SPEC).await?;
    if options.operands.is_empty() {
        return Err(sys.missing_operand().await);
    }
    let mode = mode(&sys, &options).await?;
    let mut status = 0;
    for path in &options.operands {
        if let Err(e) = make(&sys, path, s::IFIFO, 0, mode).await {
            sys.error(format!("cannot create fifo {}: {e}", quoteaf(path))).await;
            status = 1;
        }
    }
    Ok(status)
}
