//! cp(1) and mv(1).

use super::basename::last_component;
use super::copy::{Copier, How};
use super::ls::join;
use super::rm::Rm;
use crate::errno::Errno;
use crate::program;
use crate::program::Sys;
use crate::program::getopt::{Long, Options, Spec, Takes};
use crate::program::quote::{quote, quoteaf};

program!(CP = "cp" in "/usr/bin", "copy files and directories", cp, "\
-r, -R, --recursive  copy directories recursively
-a, --archive  the same as -dR --preserve=all
-p, --preserve[=LIST]  preserve mode, ownership, timestamps (or those in LIST)
-d, -P, --no-dereference; -L, --dereference; -H  copy symbolic links as links, follow all, follow operands
-f, --force  remove a destination that cannot be opened; -n, --no-clobber; -u, --update
-l, --link; -s, --symbolic-link  make links instead of copying
-t, --target-directory DIR; -T, --no-target-directory; -v, --verbose");
program!(MV = "mv" in "/usr/bin", "move (rename) files", mv, "\
-f, --force (default); -n, --no-clobber; -u, --update
-t, --target-directory DIR; -T, --no-target-directory; -v, --verbose");

const CP_OPTIONS: Spec = Spec {
    short: "adfHlLnpPrRst:Tuv",
    long: &[
        Long("archive", Takes::Nothing, 'a'),
        Long("dereference", Takes::Nothing, 'L'),
        Long("force", Takes::Nothing, 'f'),
        Long("link", Takes::Nothing, 'l'),
        Long("no-clobber", Takes::Nothing, 'n'),
        Long("no-dereference", Takes::Nothing, 'P'),
        Long("no-target-directory", Takes::Nothing, 'T'),
        Long("preserve", Takes::Maybe, 'p'),
        Long("recursive", Takes::Nothing, 'R'),
        Long("symbolic-link", Takes::Nothing, 's'),
        Long("target-directory", Takes::Value, 't'),
        Long("update", Takes::Nothing, 'u'),
        Long("verbose", Takes::Nothing, 'v'),
    ],
    unmodelled: "-b -i -S -x -Z --attributes-only --backup --copy-contents --interactive --no-preserve --parents \
                 --reflink --remove-destination --sparse --strip-trailing-slashes --suffix --one-file-system --context",
    ..Spec::COREUTILS
};

const MV_OPTIONS: Spec = Spec {
    short: "fnt:Tuv",
    long: &[
        Long("force", Takes::Nothing, 'f'),
        Long("no-clobber", Takes::Nothing, 'n'),
        Long("no-target-directory", Takes::Nothing, 'T'),
        Long("target-directory", Takes::Value, 't'),
        Long("update", Takes::Nothing, 'u'),
        Long("verbose", Takes::Nothing, 'v'),
    ],
    unmodelled: "-b -i -S -Z --backup --interactive --strip-trailing-slashes --suffix --context",
    ..Spec::COREUTILS
};

/// Sources, each with the path where it is to go.
async fn pairs(sys: &Sys, options: &Options) -> Result<Vec<(String, String)>, i32> {
    let mut operands = options.operands.clone();
    if operands.is_empty() {
        return Err(sys.usage_error("missing file operand").await);
    }
    if let Some(dir) = options.value('t') {
        if !sys.stat(dir).await.is_ok_and(|s| s.is_dir()) {
            let e = sys.stat(dir).await.err().unwrap_or(Errno::ENOTDIR);
            sys.path_error("target directory", dir, e).await;
            return Err(1);
        }
        return Ok(into(dir, &operands));
    }
    let only = operands.first().cloned().unwrap_or_default();
    let Some(target) = operands.pop().filter(|_| !operands.is_empty()) else {
        return Err(sys.usage_error(format!("missing destination file operand after {}", quoteaf(&only))).await);
    };
    if options.has('T') {
        if let Some(extra) = operands.get(1) {
            return Err(sys.extra_operand(extra).await);
        }
        return Ok(operands.into_iter().map(|from| (from, target.clone())).collect());
    }
    let found = sys.stat(&target).await;
    if found.as_ref().is_ok_and(|s| s.is_dir()) {
        return Ok(into(&target, &operands));
    }
    if operands.len() > 1 {
        let e = found.err().unwrap_or(Errno::ENOTDIR);
        sys.error(format!("target {}: {e}", quoteaf(&target))).await;
        return Err(1);
    }
    Ok(operands.into_iter().map(|from| (from, target.clone())).collect())
}

fn into(dir: &str, operands: &[String]) -> Vec<(String, String)> {
    let place = |from: &String| match last_component(from) {
        ".." | "." => dir.to_owned(),
        base => join(dir, base),
    };
    operands.iter().map(|from| (from.clone(), place(from))).collect()
}

async fn cp(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&CP_OPTIONS).await?;
    let archive = options.has('a');
    let mut how = How {
        recursive: archive || options.last_of("rR").is_some(),
        force: options.has('f'),
        no_clobber: options.has('n'),
        update: options.has('u'),
        verbose: options.has('v'),
        link: options.last_of("ls"),
        keep_mode: archive,
        keep_owner: archive,
        keep_times: archive,
        keep_xattr: archive,
        ..How::default()
    };
    match options.last_of("adHLP") {
        Some('L') => how.follow_all = true,
        Some('H') => how.follow_operands = true,
        Some(_) => {}
        None => how.follow_operands = !how.recursive,
    }
    for option in options.given.iter().filter(|o| o.key == 'p') {
        for what in option.value.as_deref().unwrap_or("mode,ownership,timestamps").split(',') {
            match what {
                "mode" => how.keep_mode = true,
                "ownership" => how.keep_owner = true,
                "timestamps" => how.keep_times = true,
                "all" => {
                    (how.keep_mode, how.keep_owner, how.keep_times, how.keep_xattr) = (true, true, true, true);
                }
                "xattr" => how.keep_xattr = true,
                "links" | "context" => {
                    sys.not_modelled(&format!("option '--preserve={what}'")).await;
                    return Err(1);
                }
                other => {
                    let text = format!("invalid argument {} for ‘--preserve’", quote(other));
                    return Err(sys.usage_error(text).await);
                }
            }
        }
    }
    let pairs = pairs(&sys, &options).await?;
    let mut copier = Copier { sys: &sys, how, failed: false };
    for (from, to) in pairs {
        copier.copy(&from, &to).await;
    }
    Ok(i32::from(copier.failed))
}

async fn mv(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&MV_OPTIONS).await?;
    let pairs = pairs(&sys, &options).await?;
    let mut status = 0;
    for (from, to) in pairs {
        if !move_one(&sys, &options, &from, &to).await {
            status = 1;
        }
    }
    Ok(status)
}

async fn move_one(sys: &Sys, options: &Options, from: &str, to: &str) -> bool {
    let stat = match sys.lstat(from).await {
        Ok(stat) => stat,
        Err(e) if sys.is_busybox() => {
            sys.error(format!("can't rename '{from}': {e}")).await;
            return false;
        }
        Err(e) => {
            sys.path_error("cannot stat", from, e).await;
            return false;
        }
    };
    if let Ok(there) = sys.lstat(to).await {
        if (there.st_dev, there.st_ino) == (stat.st_dev, stat.st_ino) {
            sys.error(format!("{} and {} are the same file", quoteaf(from), quoteaf(to))).await;
            return false;
        }
        if options.has('n') || (options.has('u') && there.st_mtime >= stat.st_mtime) {
            return true;
        }
        if there.is_dir() && !stat.is_dir() {
            sys.error(format!("cannot overwrite directory {} with non-directory", quoteaf(to))).await;
            return false;
        }
        if !there.is_dir() && stat.is_dir() {
            let text = format!("cannot overwrite non-directory {} with directory {}", quoteaf(to), quoteaf(from));
            sys.error(text).await;
            return false;
        }
    }
    let verb = match sys.rename(from, to).await {
        Ok(()) => "renamed",
        Err(Errno::EXDEV) => {
            let how = How {
                recursive: true,
                keep_mode: true,
                keep_owner: true,
                keep_times: true,
                force: true,
                ..How::default()
            };
            let mut copier = Copier { sys, how, failed: false };
            copier.copy(from, to).await;
            if copier.failed {
                return false;
            }
            let mut rm = Rm {
                sys,
                force: false,
                recursive: true,
                directories: false,
                verbose: false,
                one_file_system: false,
                status: 0,
            };
            rm.remove(from).await;
            if rm.status != 0 {
                return false;
            }
            "copied"
        }
        Err(Errno::EINVAL) if stat.is_dir() => {
            let text = format!("cannot move {} to a subdirectory of itself, {}", quoteaf(from), quoteaf(to));
            sys.error(text).await;
            return false;
        }
        Err(e) => {
            sys.error(format!("cannot move {} to {}: {e}", quoteaf(from), quoteaf(to))).await;
            return false;
        }
    };
    if options.has('v') {
        sys.print(format!("{verb} {} -> {}\n", quoteaf(from), quoteaf(to))).await;
    }
    true
}
