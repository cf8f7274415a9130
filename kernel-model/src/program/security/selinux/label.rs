//! `chcon`, `restorecon` and `runcon`: labels of files and of programs.

use crate::errno::Errno;
use crate::program::Sys;
use crate::program::getopt::{Long, Options, Spec, Takes};
use crate::program::libc::o;
use crate::program::quote::quoteaf;
use crate::security::lsm::selinux::Context;
use crate::security::lsm::selinux::context::Level;
use crate::security::lsm::selinux::policy::label_of_path;

crate::program!(
    CHCON = "chcon" in "/usr/bin",
    "change the SELinux label of files",
    chcon,
    "  chcon LABEL FILE..., or with only a part of a label:
  -u, --user USER; -r, --role ROLE; -t, --type TYPE; -l, --range RANGE
  -R, --recursive   whole directories
  -h, --no-dereference   symbolic links themselves
  -v, --verbose     say what is done
  --reference FILE  the label of this file"
);
crate::program!(
    RESTORECON = "restorecon" in "/usr/sbin",
    "give files the label that the policy has for their path",
    restorecon,
    "  -R, -r  whole directories
  -v      say what is changed
  -n      change nothing
  -F      user and range, too"
);
crate::program!(
    RUNCON = "runcon" in "/usr/bin",
    "run a program with another SELinux label",
    runcon,
    "  runcon LABEL PROGRAM..., or with only a part of a label:
  -u, --user USER; -r, --role ROLE; -t, --type TYPE; -l, --range RANGE
  (nothing)  print the own label"
);

const PARTS: [Long; 4] = [
    Long("user", Takes::Value, 'u'),
    Long("role", Takes::Value, 'r'),
    Long("type", Takes::Value, 't'),
    Long("range", Takes::Value, 'l'),
];

const CHCON_SPEC: Spec = Spec {
    short: "u:r:t:l:Rhv",
    long: &[
        PARTS[0],
        PARTS[1],
        PARTS[2],
        PARTS[3],
        Long("recursive", Takes::Nothing, 'R'),
        Long("no-dereference", Takes::Nothing, 'h'),
        Long("verbose", Takes::Nothing, 'v'),
        Long("reference", Takes::Value, '='),
    ],
    unmodelled: "-f -H -L -P --dereference --preserve-root --no-preserve-root",
    ..Spec::COREUTILS
};

const RUNCON_SPEC: Spec = Spec { short: "+u:r:t:l:", long: &PARTS, unmodelled: "-c --compute", ..Spec::COREUTILS };

const RESTORECON_SPEC: Spec = Spec {
    short: "RrvnF",
    long: &[],
    unmodelled: "-e -f -i -I -D -m -o -p -W -0 -x -T",
    version: "policycoreutils 3.4",
    failure: 255,
};

/// A label with the parts that options give.
fn with_parts(options: &Options, mut label: Context) -> Option<Context> {
    let set = |place: &mut String, key| {
        if let Some(value) = options.value(key) {
            *place = value.to_owned();
        }
    };
    set(&mut label.user, 'u');
    set(&mut label.role, 'r');
    set(&mut label.kind, 't');
    if let Some(range) = options.value('l') {
        let (low, high) = range.split_once('-').unwrap_or((range, range));
        (label.low, label.high) = (Level::parse(low)?, Level::parse(high)?);
    }
    Some(label)
}

fn has_parts(options: &Options) -> bool {
    ['u', 'r', 't', 'l'].iter().any(|key| options.has(*key))
}

async fn chcon(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&CHCON_SPEC).await?;
    let mut files = options.operands.clone();
    let fixed = if let Some(other) = options.value('=') {
        match sys.file_label(other, true).await {
            Ok(label) => Some(label),
            Err(e) => {
                sys.error(format!("failed to get security context of {}: {e}", quoteaf(other))).await;
                return Err(1);
            }
        }
    } else if has_parts(&options) || files.is_empty() {
        None
    } else {
        Some(files.remove(0))
    };
    if files.is_empty() {
        sys.error("missing operand").await;
        sys.try_help().await;
        return Err(1);
    }
    if let Some(label) = &fixed
        && Context::parse(label).is_none()
    {
        sys.error(format!("invalid context: {}: Invalid argument", quoteaf(label))).await;
        return Err(1);
    }
    let mut status = 0;
    for file in files {
        if !change(&sys, &options, fixed.as_deref(), &file).await {
            status = 1;
        }
    }
    Ok(status)
}

async fn change(sys: &Sys, options: &Options, fixed: Option<&str>, file: &str) -> bool {
    let follow = !options.has('h');
    let label = match fixed {
        Some(label) => label.to_owned(),
        None => {
            let old = match sys.file_label(file, follow).await {
                Ok(old) => Context::parse(&old),
                Err(e) => {
                    sys.error(format!("failed to get security context of {}: {e}", quoteaf(file))).await;
                    return false;
                }
            };
            let Some(label) = old.and_then(|old| with_parts(options, old)) else {
                sys.error(format!("can't apply partial context to unlabeled file {}", quoteaf(file))).await;
                return false;
            };
            label.to_string()
        }
    };
    if options.has('v') {
        sys.print(format!("changing security context of {}\n", quoteaf(file))).await;
    }
    let mut done = true;
    if let Err(e) = sys.set_file_label(file, &label, follow).await {
        sys.flush().await;
        sys.error(format!("failed to change context of {} to {}: {e}", quoteaf(file), quoteaf(&label))).await;
        done = false;
    }
    if options.has('R') && sys.lstat(file).await.is_ok_and(|st| st.is_dir()) {
        for entry in sys.read_dir(file).await.unwrap_or_default() {
            if entry.d_name != "." && entry.d_name != ".." {
                let path = format!("{}/{}", file.trim_end_matches('/'), entry.d_name);
                done &= Box::pin(change(sys, options, fixed, &path)).await;
            }
        }
    }
    done
}

async fn restorecon(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&RESTORECON_SPEC).await?;
    let mut status = 0;
    for file in &options.operands {
        let path = if file.starts_with('/') {
            file.clone()
        } else {
            format!("{}/{file}", sys.getcwd().await.unwrap_or_default().trim_end_matches('/'))
        };
        if !restore(&sys, &options, path.trim_end_matches('/')).await {
            status = 255;
        }
    }
    Ok(status)
}

async fn restore(sys: &Sys, options: &Options, path: &str) -> bool {
    let path = if path.is_empty() { "/" } else { path };
    let old = match sys.file_label(path, false).await {
        Ok(old) => old,
        Err(e) => {
            sys.eprint(format!("restorecon: lstat({path}) failed: {e}\n")).await;
            return false;
        }
    };
    let wanted = label_of_path(path);
    // Without -F only the type counts.
    let new = match Context::parse(&old) {
        Some(old) if !options.has('F') => Context { kind: wanted.kind, ..old },
        _ => wanted,
    };
    let new = new.to_string();
    let mut done = true;
    if new != old {
        if options.has('v') {
            let verb = if options.has('n') { "Would relabel" } else { "Relabeled" };
            sys.print(format!("{verb} {path} from {old} to {new}\n")).await;
        }
        if !options.has('n')
            && let Err(e) = sys.set_file_label(path, &new, false).await
        {
            sys.eprint(format!("restorecon: Could not set context for {path}:  {e}\n")).await;
            done = false;
        }
    }
    if (options.has('R') || options.has('r')) && sys.lstat(path).await.is_ok_and(|st| st.is_dir()) {
        for entry in sys.read_dir(path).await.unwrap_or_default() {
            if entry.d_name != "." && entry.d_name != ".." {
                let inner = format!("{}/{}", path.trim_end_matches('/'), entry.d_name);
                done &= Box::pin(restore(sys, options, &inner)).await;
            }
        }
    }
    done
}

async fn runcon(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&RUNCON_SPEC).await?;
    let mut command = options.operands.clone();
    if command.is_empty() && !has_parts(&options) {
        return match sys.own_label().await {
            Ok(label) => {
                sys.print(format!("{label}\n")).await;
                Ok(0)
            }
            Err(e) => {
                sys.error(format!("failed to get current context: {e}")).await;
                Err(1)
            }
        };
    }
    if !sys.is_selinux_enabled().await {
        sys.error("runcon may be used only on a SELinux kernel").await;
        return Err(1);
    }
    let label = if has_parts(&options) {
        let own = sys.own_label().await.ok().and_then(|l| Context::parse(&l));
        own.and_then(|own| with_parts(&options, own)).map(|l| l.to_string())
    } else {
        Some(command.remove(0))
    };
    let label = label.unwrap_or_default();
    if command.is_empty() {
        sys.error("no command specified").await;
        sys.try_help().await;
        return Err(1);
    }
    if let Err(e) = set_exec(&sys, &label).await {
        let what = if e == Errno::EINVAL { "invalid context" } else { "unable to set security context" };
        sys.error(format!("{what}: {}: {e}", quoteaf(&label))).await;
        return Err(1);
    }
    let e = sys.execvp(&command[0], &command).await;
    sys.error(format!("{}: {e}", quoteaf(&command[0]))).await;
    Ok(if e == Errno::ENOENT { 127 } else { 126 })
}

/// setexeccon(3)
async fn set_exec(sys: &Sys, label: &str) -> Result<(), Errno> {
    let fd = sys.open("/proc/self/attr/exec", o::RDWR, 0).await?;
    let written = sys.write(fd, label.as_bytes()).await;
    sys.close(fd).await?;
    written.map(drop)
}
