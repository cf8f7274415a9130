//! `apparmor_parser`: reads profiles and hands them to the kernel.

use super::INTERFACE;
use super::language;
use crate::errno::Errno;
use crate::program::Sys;
use crate::program::getopt::{Long, Spec, Takes};
use crate::program::libc::o;
use crate::security::lsm::apparmor::{Mode, Profile};

crate::program!(
    APPARMOR_PARSER = "apparmor_parser" in "/usr/sbin",
    "load AppArmor profiles into the kernel",
    main,
    "  -a, --add                load profiles that are not there yet (the default)
  -r, --replace            load profiles, in place of old ones of the same name
  -R, --remove             take profiles away
  -C, --Complain           load them in complain mode
  -N, --names              print the names of the profiles only
  -Q, --skip-kernel-load   read them, and do not load them
  -p, --preprocess         print the text with everything included
  -K, -T, -W, -q           accepted: there is no cache here"
);

const SPEC: Spec = Spec {
    short: "arRCNQpKTWqvB",
    long: &[
        Long("add", Takes::Nothing, 'a'),
        Long("replace", Takes::Nothing, 'r'),
        Long("remove", Takes::Nothing, 'R'),
        Long("Complain", Takes::Nothing, 'C'),
        Long("names", Takes::Nothing, 'N'),
        Long("skip-kernel-load", Takes::Nothing, 'Q'),
        Long("preprocess", Takes::Nothing, 'p'),
        Long("skip-read-cache", Takes::Nothing, 'K'),
        Long("skip-cache", Takes::Nothing, 'K'),
        Long("write-cache", Takes::Nothing, 'W'),
        Long("quiet", Takes::Nothing, 'q'),
        Long("verbose", Takes::Nothing, 'v'),
    ],
    unmodelled: "-S --stdout -b --base -I --Include -f --subdomainfs -o --ofile -D --dump -O --Optimize -n --namespace",
    version: "AppArmor parser version 3.0.8",
    failure: 1,
};

/// How often files may include each other.
const MAX_DEPTH: usize = 32;

async fn main(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&SPEC).await?;
    let task = if options.has('R') {
        Task::Remove
    } else if options.has('r') {
        Task::Replace
    } else {
        Task::Add
    };
    let reads_only = options.has('N') || options.has('Q') || options.has('p');
    if !reads_only {
        if sys.geteuid().await != 0 {
            sys.eprint("apparmor_parser: Sorry. You need root privileges to run this program.\n\n").await;
            return Err(1);
        }
        if sys.stat(INTERFACE).await.is_err() {
            sys.eprint(
                "Cache read/write disabled: interface file missing. (Kernel needs AppArmor 2.4 compatibility patch.)\n",
            )
            .await;
            sys.eprint("Warning: unable to find a suitable fs in /proc/mounts, is it mounted?\nUse --subdomainfs to override.\n")
                .await;
            return Err(1);
        }
    }
    let files = if options.operands.is_empty() { vec!["-".to_owned()] } else { options.operands.clone() };
    let mut status = 0;
    for file in files {
        match profiles_of(&sys, &file, options.has('p')).await {
            Ok(None) => {}
            Ok(Some(profiles)) => {
                for mut profile in profiles {
                    if options.has('C') {
                        profile.mode = Mode::Complain;
                    }
                    if options.has('N') {
                        sys.print(format!("{}\n", profile.name)).await;
                    } else if !options.has('Q') {
                        status = load(&sys, task, &profile).await.err().unwrap_or(status);
                    }
                }
            }
            Err(code) => status = code,
        }
    }
    Ok(status)
}

/// What is to be done with profiles.
#[derive(Clone, Copy, PartialEq)]
enum Task {
    Add,
    Replace,
    Remove,
}

/// The profiles of a file, or of a directory full of them; `None` when it was only to be printed.
async fn profiles_of(sys: &Sys, file: &str, print: bool) -> Result<Option<Vec<Profile>>, i32> {
    let mut all = Vec::new();
    let files = match sys.read_dir(file).await {
        Ok(entries) if file != "-" => {
            let mut names: Vec<String> =
                entries.into_iter().map(|e| e.d_name).filter(|n| !n.starts_with('.')).collect();
            names.sort();
            let mut files = Vec::new();
            for name in names {
                let path = format!("{}/{name}", file.trim_end_matches('/'));
                if sys.stat(&path).await.is_ok_and(|st| !st.is_dir()) {
                    files.push(path);
                }
            }
            files
        }
        _ => vec![file.to_owned()],
    };
    for file in files {
        let text = match file.as_str() {
            "-" => sys.read_to_end(0).await.map(|b| String::from_utf8_lossy(&b).into_owned()),
            path => sys.read_file(path).await,
        };
        let text = match text {
            Ok(text) => text,
            Err(Errno::ENOENT) => {
                sys.eprint(format!("File {file} not found, skipping...\n")).await;
                return Err(2);
            }
            Err(e) => {
                sys.eprint(format!("Error: Could not read profile {file}: {e}.\n")).await;
                return Err(1);
            }
        };
        let text = match include(sys, &text, 0).await {
            Ok(text) => text,
            Err((line, message)) => return Err(report(sys, &file, line, &message).await),
        };
        if print {
            sys.print(text).await;
            return Ok(None);
        }
        match language::parse(&text) {
            Ok((profiles, ignored)) => {
                for rule in ignored {
                    let warning =
                        format!("Warning from {file}: not modelled in Ringside and passed over: {rule} rules\n");
                    sys.eprint(warning).await;
                }
                all.extend(profiles);
            }
            Err((line, message)) => return Err(report(sys, &file, line, &message).await),
        }
    }
    Ok(Some(all))
}

async fn report(sys: &Sys, file: &str, line: usize, message: &str) -> i32 {
    let name = if file == "-" { "stdin" } else { file };
    sys.flush().await;
    sys.eprint(format!("AppArmor parser error for {name} in profile {name} at line {line}: {message}\n")).await;
    1
}

/// Puts included files in place of the lines that ask for them. Each stays on one line, so that the others keep their
/// numbers.
async fn include(sys: &Sys, text: &str, depth: usize) -> Result<String, (usize, String)> {
    if depth > MAX_DEPTH {
        return Err((1, "Exceeded maximum number of include files.".to_owned()));
    }
    let mut out = String::new();
    for (number, line) in text.lines().enumerate() {
        let asked = line.trim().strip_prefix('#').unwrap_or(line.trim());
        let Some(rest) = asked.strip_prefix("include").filter(|r| r.starts_with([' ', '\t', '<', '"'])) else {
            out.push_str(line);
            out.push('\n');
            continue;
        };
        let rest = rest.trim();
        let (rest, optional) = rest.strip_prefix("if exists").map_or((rest, false), |r| (r.trim(), true));
        let name = rest.trim_end_matches(',').trim_matches(['<', '>', '"']);
        let path = if name.starts_with('/') { name.to_owned() } else { format!("/etc/apparmor.d/{name}") };
        let included = match sys.read_file(&path).await {
            Ok(text) => text,
            Err(Errno::EISDIR) => read_all(sys, &path).await,
            Err(_) if optional => String::new(),
            Err(_) => return Err((number + 1, format!("Could not open '{name}'"))),
        };
        let included = Box::pin(include(sys, &included, depth + 1)).await?;
        out.push_str(&included);
        out.push('\n');
    }
    Ok(out)
}

async fn read_all(sys: &Sys, dir: &str) -> String {
    let mut names: Vec<String> = match sys.read_dir(dir).await {
        Ok(entries) => entries.into_iter().map(|e| e.d_name).filter(|n| !n.starts_with('.')).collect(),
        Err(_) => return String::new(),
    };
    names.sort();
    let mut text = String::new();
    for name in names {
        text.push_str(&sys.read_file(&format!("{dir}/{name}")).await.unwrap_or_default());
        text.push('\n');
    }
    text
}

/// Hands one profile over.
async fn load(sys: &Sys, task: Task, profile: &Profile) -> Result<(), i32> {
    let (file, verb, text) = match task {
        Task::Add => (".load", "add", profile.to_wire()),
        Task::Replace => (".replace", "replace", profile.to_wire()),
        // Children go with their parent.
        Task::Remove if profile.name.contains("//") => return Ok(()),
        Task::Remove => (".remove", "remove", profile.name.clone()),
    };
    let written = match sys.open(&format!("{INTERFACE}/{file}"), o::WRONLY, 0).await {
        Ok(fd) => {
            let written = sys.write(fd, text.as_bytes()).await;
            // It is open.
            let _ = sys.close(fd).await;
            written.map(drop)
        }
        Err(e) => Err(e),
    };
    let Err(e) = written else { return Ok(()) };
    let why = match e {
        Errno::EEXIST => "Profile already exists".to_owned(),
        Errno::ENOENT => "Profile doesn't exist".to_owned(),
        Errno::EACCES | Errno::EPERM => "Permission denied; attempted to load a profile while confined?".to_owned(),
        Errno::EPROTO => "Profile doesn't conform to protocol".to_owned(),
        other => other.to_string(),
    };
    sys.eprint(format!("apparmor_parser: Unable to {verb} \"{}\".  {why}\n", profile.name)).await;
    Err(match e {
        Errno::EEXIST | Errno::ENOENT => 254,
        _ => 243,
    })
}
