//! Options as `docker` reads them (the `pflag` package), and which there are.

/// An option: long name, short name, whether it takes a value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flag(pub(super) &'static str, pub(super) char, pub(super) bool);

const NONE: char = '\0';

/// Options of `docker run` and `docker create`.
pub(super) const RUN: &[Flag] = &[
    Flag("detach", 'd', false),
    Flag("interactive", 'i', false),
    Flag("tty", 't', false),
    Flag("rm", NONE, false),
    Flag("name", NONE, true),
    Flag("memory", 'm', true),
    Flag("memory-swap", NONE, true),
    Flag("memory-reservation", NONE, true),
    Flag("cpus", NONE, true),
    Flag("cpu-shares", 'c', true),
    Flag("cpu-quota", NONE, true),
    Flag("cpu-period", NONE, true),
    Flag("cpuset-cpus", NONE, true),
    Flag("cpuset-mems", NONE, true),
    Flag("pids-limit", NONE, true),
    Flag("network", NONE, true),
    Flag("net", NONE, true),
    Flag("volume", 'v', true),
    Flag("env", 'e', true),
    Flag("user", 'u', true),
    Flag("workdir", 'w', true),
    Flag("hostname", 'h', true),
    Flag("cap-add", NONE, true),
    Flag("cap-drop", NONE, true),
    Flag("privileged", NONE, false),
    Flag("security-opt", NONE, true),
    Flag("read-only", NONE, false),
    Flag("tmpfs", NONE, true),
    Flag("pid", NONE, true),
    Flag("ipc", NONE, true),
    Flag("uts", NONE, true),
    Flag("userns", NONE, true),
    Flag("cgroupns", NONE, true),
    Flag("entrypoint", NONE, true),
    Flag("ulimit", NONE, true),
    Flag("oom-score-adj", NONE, true),
    Flag("sysctl", NONE, true),
];

/// Options of the real command that are not modelled.
pub(super) const NOT_MODELLED: [&str; 12] = [
    "publish",
    "publish-all",
    "init",
    "restart",
    "mount",
    "device",
    "gpus",
    "link",
    "dns",
    "add-host",
    "label",
    "health-cmd",
];

/// A command line taken apart.
pub(super) type Parsed = (Vec<(&'static str, String)>, Vec<String>);

/// Takes the words after the command apart. With `first` the first word that is no option ends them.
///
/// # Errors
/// The words of the package.
pub(super) fn parse(known: &[Flag], words: &[String], first: bool) -> Result<Option<Parsed>, String> {
    let (mut given, mut args) = (Vec::new(), Vec::new());
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == "--" {
            args.extend(words.cloned());
            break;
        } else if let Some(long) = word.strip_prefix("--") {
            let (name, value) = long.split_once('=').map_or((long, None), |(n, v)| (n, Some(v.to_owned())));
            if name == "help" {
                return Ok(None);
            }
            let Some(flag) = known.iter().find(|f| f.0 == name) else {
                if NOT_MODELLED.contains(&name) {
                    return Err(format!("not modelled in Ringside: --{name}"));
                }
                return Err(format!("unknown flag: --{name}"));
            };
            let value = match (flag.2, value) {
                (true, Some(value)) => value,
                (true, None) => words.next().cloned().ok_or(format!("flag needs an argument: --{name}"))?,
                (false, Some(value)) if value == "false" => continue,
                (false, _) => String::new(),
            };
            given.push((flag.0, value));
        } else if word.starts_with('-') && word.len() > 1 {
            let mut rest = word[1..].chars();
            while let Some(c) = rest.next() {
                let Some(flag) = known.iter().find(|f| f.1 == c) else {
                    if matches!(c, 'p' | 'P' | 'l') {
                        return Err(format!("not modelled in Ringside: -{c}"));
                    }
                    return Err(format!("unknown shorthand flag: '{c}' in {word}"));
                };
                if !flag.2 {
                    given.push((flag.0, String::new()));
                    continue;
                }
                let attached = rest.as_str().trim_start_matches('=').to_owned();
                let value = if attached.is_empty() { words.next().cloned() } else { Some(attached) };
                given.push((flag.0, value.ok_or(format!("flag needs an argument: '{c}' in {word}"))?));
                break;
            }
        } else {
            args.push(word.clone());
            if first {
                args.extend(words.cloned());
                break;
            }
        }
    }
    Ok(Some((given, args)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_run_end_at_the_image() {
        let words = ["-it", "--rm", "-m64m", "--name=x", "busybox", "sh", "-c", "id"].map(str::to_owned);
        let (given, args) = parse(RUN, &words, true).expect("right").expect("no help");
        let names: Vec<&str> = given.iter().map(|(n, _)| *n).collect();
        assert_eq!(names, ["interactive", "tty", "rm", "memory", "name"]);
        assert_eq!((given[3].1.as_str(), args.len()), ("64m", 4));
    }

    #[test]
    fn mistakes_are_told_in_its_words() {
        let wrong = |w: &str| parse(RUN, &[w.to_owned()], true).expect_err("wrong");
        assert_eq!(wrong("--bogus"), "unknown flag: --bogus");
        assert_eq!(wrong("-Z"), "unknown shorthand flag: 'Z' in -Z");
        assert_eq!(wrong("--name"), "flag needs an argument: --name");
        assert_eq!(wrong("--restart=no"), "not modelled in Ringside: --restart");
    }
}
