//! `sysctl`: reads and writes the files below `/proc/sys`.

use crate::errno::Errno;
use crate::program::Sys;
use crate::program::getopt::{Long, Options, Spec, Stop, Takes, parse};
use crate::program::libc::o;

crate::program!(
    SYSCTL = "sysctl" in "/usr/sbin",
    "configure kernel parameters at runtime",
    main,
    "  sysctl [OPTION]... NAME[=VALUE]...
  -a, --all     show all
  -b, --binary  only the value, without a new line
  -e, --ignore  no message for unknown names
  -N, --names   only names
  -n, --values  only values
  -q, --quiet   do not show what is set
  -w, --write   every argument must set something"
);

const SPEC: Spec = Spec {
    short: "+baAXeNnqwoxhV",
    long: &[
        Long("all", Takes::Nothing, 'a'),
        Long("binary", Takes::Nothing, 'b'),
        Long("ignore", Takes::Nothing, 'e'),
        Long("names", Takes::Nothing, 'N'),
        Long("values", Takes::Nothing, 'n'),
        Long("quiet", Takes::Nothing, 'q'),
        Long("write", Takes::Nothing, 'w'),
    ],
    unmodelled: "-p -f --load --system -r --pattern --deprecated --dry-run -d",
    version: "from procps-ng 4.0.2",
    failure: 1,
};

const ROOT: &str = "/proc/sys";

async fn main(sys: Sys) -> i32 {
    // Options may stand between names, as in `sysctl -w -q name=value`.
    let words = sys.argv().get(1..).unwrap_or_default().to_vec();
    let spec = Spec { short: SPEC.short.trim_start_matches('+'), ..SPEC };
    let options = match parse(&spec, &words, false) {
        Ok(options) => options,
        Err(Stop::Wrong(message)) => {
            sys.error(message).await;
            sys.eprint("\nUsage:\n sysctl [options] [variable[=value] ...]\n\nFor more details see sysctl(8).\n").await;
            return 1;
        }
        Err(_) => {
            return match sys.getopt(&spec).await {
                Ok(_) => 0,
                Err(status) => status,
            };
        }
    };
    if options.has('a') || options.has('A') || options.has('X') {
        show_all(&sys, &options).await;
        return 0;
    }
    if options.operands.is_empty() {
        sys.error("no variables specified").await;
        sys.eprint("Try `sysctl --help' for more information.\n").await;
        return 1;
    }
    let mut status = 0;
    for word in &options.operands {
        status |= match word.split_once('=') {
            Some((name, value)) => write(&sys, &options, name.trim(), value.trim()).await,
            None if options.has('w') => {
                sys.error("command line(0): invalid syntax, continuing...").await;
                1
            }
            None => read(&sys, &options, word).await,
        };
    }
    status
}

/// `net.ipv4.ip_forward` and `net/ipv4/ip_forward` mean the same: the first separator says which is which.
fn path_of(name: &str) -> String {
    let swapped: String = match name.find(['.', '/']) {
        Some(at) if name.as_bytes()[at] == b'.' => name
            .chars()
            .map(|c| {
                if c == '.' {
                    '/'
                } else if c == '/' {
                    '.'
                } else {
                    c
                }
            })
            .collect(),
        _ => name.to_owned(),
    };
    format!("{ROOT}/{swapped}")
}

fn name_of(path: &str) -> String {
    let rest = path.strip_prefix(ROOT).unwrap_or(path).trim_start_matches('/');
    rest.chars()
        .map(|c| {
            if c == '/' {
                '.'
            } else if c == '.' {
                '/'
            } else {
                c
            }
        })
        .collect()
}

async fn unknown(sys: &Sys, options: &Options, path: &str, e: Errno) -> i32 {
    if options.has('e') && e == Errno::ENOENT {
        return 0;
    }
    sys.error(format!("cannot stat {path}: {e}")).await;
    1
}

async fn read(sys: &Sys, options: &Options, name: &str) -> i32 {
    let path = path_of(name);
    match sys.stat(&path).await {
        Err(e) => return unknown(sys, options, &path, e).await,
        Ok(stat) if stat.is_dir() => {
            show_below(sys, options, path).await;
            return 0;
        }
        Ok(_) => {}
    }
    read_file(sys, options, &path).await
}

async fn read_file(sys: &Sys, options: &Options, path: &str) -> i32 {
    let name = name_of(path);
    if options.has('N') {
        sys.print(format!("{name}\n")).await;
        return 0;
    }
    let text = match sys.read_file(path).await {
        Ok(text) => text,
        Err(Errno::EACCES | Errno::EPERM) => {
            sys.error(format!("permission denied on key '{name}'")).await;
            return 1;
        }
        Err(e) => {
            sys.error(format!("reading key \"{name}\": {e}")).await;
            return 1;
        }
    };
    for line in text.lines() {
        if options.has('n') {
            sys.print(format!("{line}\n")).await;
        } else if options.has('b') {
            sys.print(line).await;
        } else {
            sys.print(format!("{name} = {line}\n")).await;
        }
    }
    0
}

async fn write(sys: &Sys, options: &Options, name: &str, value: &str) -> i32 {
    let path = path_of(name);
    let name = name_of(&path);
    let stat = match sys.stat(&path).await {
        Ok(stat) => stat,
        Err(e) => return unknown(sys, options, &path, e).await,
    };
    if stat.st_mode & 0o222 == 0 {
        // That nobody may write it is no failure (`WriteSetting`).
        sys.error(format!("setting key \"{name}\": {}", Errno::EINVAL)).await;
        return 0;
    }
    if stat.is_dir() {
        sys.error(format!("setting key \"{name}\": {}", Errno::EISDIR)).await;
        return 1;
    }
    let fd = match sys.open(&path, o::WRONLY | o::CREAT | o::TRUNC, 0o666).await {
        Ok(fd) => fd,
        Err(Errno::EACCES | Errno::EPERM | Errno::EROFS) => {
            sys.error(format!("permission denied on key \"{name}\"")).await;
            return 1;
        }
        Err(e) => {
            sys.error(format!("setting key \"{name}\": {e}")).await;
            return 1;
        }
    };
    let written = sys.write_all(fd, format!("{value}\n").as_bytes()).await;
    let _ = sys.close(fd).await;
    if let Err(e) = written {
        sys.error(format!("setting key \"{name}\": {e}")).await;
        return 1;
    }
    if !options.has('q') {
        if options.has('n') {
            sys.print(format!("{value}\n")).await;
        } else if options.has('N') {
            sys.print(format!("{name}\n")).await;
        } else {
            sys.print(format!("{name} = {value}\n")).await;
        }
    }
    0
}

async fn show_all(sys: &Sys, options: &Options) {
    show_below(sys, options, ROOT.to_owned()).await;
}

async fn show_below(sys: &Sys, options: &Options, top: String) {
    let mut todo = vec![top];
    while let Some(path) = todo.pop() {
        match sys.stat(&path).await {
            Ok(stat) if stat.is_dir() => {
                let mut names: Vec<String> =
                    sys.read_dir(&path).await.unwrap_or_default().into_iter().map(|e| e.d_name).collect();
                names.sort();
                todo.extend(names.into_iter().rev().map(|n| format!("{path}/{n}")));
            }
            Ok(stat) if stat.st_mode & 0o444 != 0 => {
                read_file(sys, options, &path).await;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_separator_decides() {
        assert_eq!(path_of("kernel.hostname"), "/proc/sys/kernel/hostname");
        assert_eq!(path_of("kernel/hostname"), "/proc/sys/kernel/hostname");
        assert_eq!(path_of("net.ipv4.conf.eth0/1.forwarding"), "/proc/sys/net/ipv4/conf/eth0.1/forwarding");
        assert_eq!(name_of("/proc/sys/net/ipv4/conf/eth0.1/forwarding"), "net.ipv4.conf.eth0/1.forwarding");
    }
}
