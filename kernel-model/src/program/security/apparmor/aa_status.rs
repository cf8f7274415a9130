//! `aa-status` and `aa-enabled`: which profiles are loaded and who runs under them.

use super::INTERFACE;
use crate::errno::Errno;
use crate::program::Sys;
use crate::program::getopt::{Long, Spec, Takes};

crate::program!(
    AA_STATUS = "aa-status" in "/usr/sbin",
    "show which AppArmor profiles are loaded and who runs under them",
    main,
    "  --enabled       exit status 0 when AppArmor is there
  --profiled      print the number of loaded profiles
  --enforced      print the number of profiles that are enforced
  --complaining   print the number of profiles that only complain"
);

crate::program!(
    AA_ENABLED = "aa-enabled" in "/usr/bin",
    "tell whether AppArmor is there",
    enabled,
    "  aa-enabled   prints Yes or No"
);

const SPEC: Spec = Spec {
    short: "v",
    long: &[
        Long("enabled", Takes::Nothing, 'E'),
        Long("profiled", Takes::Nothing, 'P'),
        Long("enforced", Takes::Nothing, 'e'),
        Long("complaining", Takes::Nothing, 'c'),
        Long("verbose", Takes::Nothing, 'v'),
    ],
    unmodelled: "--json --pretty-json --kill --special-unconfined --process-mixed --count --show",
    version: "AppArmor 3.0.8",
    failure: 1,
};

async fn is_enabled(sys: &Sys) -> bool {
    sys.read_file("/sys/module/apparmor/parameters/enabled").await.is_ok_and(|text| text.starts_with('Y'))
}

async fn enabled(sys: Sys) -> i32 {
    if is_enabled(&sys).await {
        sys.print("Yes\n").await;
        return 0;
    }
    sys.print("No - not available on this system.\n").await;
    1
}

/// A profile and its mode, as the kernel lists them.
type Listed = (String, String);

async fn main(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&SPEC).await?;
    if !is_enabled(&sys).await {
        if !options.has('E') {
            sys.eprint("apparmor not present.\n").await;
        }
        return Err(1);
    }
    if options.has('E') {
        return Ok(0);
    }
    let text = match sys.read_file(&format!("{INTERFACE}/profiles")).await {
        Ok(text) => text,
        Err(Errno::EACCES | Errno::EPERM) => {
            sys.eprint("You do not have enough privilege to read the profile set.\n").await;
            return Err(4);
        }
        Err(_) => {
            sys.eprint("apparmor filesystem is not mounted.\n").await;
            return Err(3);
        }
    };
    let profiles: Vec<Listed> = text.lines().filter_map(split).collect();
    let count = |mode: &str| profiles.iter().filter(|(_, m)| m == mode).count();
    for (key, number) in [('P', profiles.len()), ('e', count("enforce")), ('c', count("complain"))] {
        if options.has(key) {
            sys.print(format!("{number}\n")).await;
            return Ok(0);
        }
    }
    if sys.geteuid().await != 0 {
        sys.eprint("You do not have enough privilege to read the profile set.\n").await;
        return Err(4);
    }
    sys.print("apparmor module is loaded.\n").await;
    sys.print(format!("{} profiles are loaded.\n", profiles.len())).await;
    let modes = ["enforce", "complain", "kill", "unconfined"];
    for mode in modes {
        sys.print(format!("{} profiles are in {mode} mode.\n", count(mode))).await;
        for (name, _) in profiles.iter().filter(|(_, m)| m == mode) {
            sys.print(format!("   {name}\n")).await;
        }
    }
    let processes = processes(&sys, &profiles).await;
    let defined = processes.iter().filter(|p| p.mode != "unconfined" || p.defined).count();
    sys.print(format!("{defined} processes have profiles defined.\n")).await;
    for mode in ["enforce", "complain", "unconfined", "mixed", "kill"] {
        let fitting: Vec<&Process> = processes.iter().filter(|p| p.mode == mode).collect();
        let what = match mode {
            "unconfined" => "are unconfined but have a profile defined.".to_owned(),
            mode => format!("are in {mode} mode."),
        };
        sys.print(format!("{} processes {what}\n", fitting.len())).await;
        for p in fitting {
            let profile = if p.profile == p.exe { String::new() } else { format!(" {}", p.profile) };
            sys.print(format!("   {} ({}){profile}\n", p.exe, p.pid)).await;
        }
    }
    Ok(0)
}

/// A process that has to do with a profile.
struct Process {
    pid: i32,
    exe: String,
    profile: String,
    mode: String,
    defined: bool,
}

/// `NAME (MODE)`.
fn split(line: &str) -> Option<Listed> {
    let (name, mode) = line.strip_suffix(')')?.rsplit_once(" (")?;
    Some((name.to_owned(), mode.to_owned()))
}

/// Those that run under a profile, and those that are unconfined although one has the name of their program.
async fn processes(sys: &Sys, profiles: &[Listed]) -> Vec<Process> {
    let mut found = Vec::new();
    let entries = sys.read_dir("/proc").await.unwrap_or_default();
    for pid in entries.iter().filter_map(|e| e.d_name.parse::<i32>().ok()) {
        let Ok(label) = sys.read_file(&format!("/proc/{pid}/attr/apparmor/current")).await else { continue };
        let exe = sys.readlink(&format!("/proc/{pid}/exe")).await.unwrap_or_default();
        match split(label.trim_end()) {
            Some((profile, mode)) => found.push(Process { pid, exe, profile, mode, defined: true }),
            None if profiles.iter().any(|(name, _)| *name == exe) => {
                found.push(Process { pid, profile: exe.clone(), exe, mode: "unconfined".to_owned(), defined: true });
            }
            None => {}
        }
    }
    found
}
