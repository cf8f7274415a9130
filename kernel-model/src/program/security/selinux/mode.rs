//! `getenforce`, `setenforce`, `sestatus`, `getsebool`, `setsebool`.

use super::SELINUXFS;
use crate::errno::Errno;
use crate::program::Sys;
use crate::program::libc::o;

crate::program!(GETENFORCE = "getenforce" in "/usr/sbin", "get the current mode of SELinux", getenforce, "");
crate::program!(
    SETENFORCE = "setenforce" in "/usr/sbin",
    "modify the mode in which SELinux is running",
    setenforce,
    "  setenforce Enforcing|Permissive|1|0"
);
crate::program!(SESTATUS = "sestatus" in "/usr/bin", "show how SELinux is set up", sestatus, "");
crate::program!(
    GETSEBOOL = "getsebool" in "/usr/sbin",
    "get the value of an SELinux boolean",
    getsebool,
    "  getsebool -a | BOOLEAN..."
);
crate::program!(
    SETSEBOOL = "setsebool" in "/usr/sbin",
    "set the value of an SELinux boolean",
    setsebool,
    "  setsebool BOOLEAN on|off"
);

async fn mode(sys: &Sys) -> Option<bool> {
    let text = sys.read_file(&format!("{SELINUXFS}/enforce")).await.ok()?;
    Some(text.trim() == "1")
}

fn word(enforcing: bool) -> &'static str {
    if enforcing { "Enforcing" } else { "Permissive" }
}

async fn write(sys: &Sys, file: &str, text: &str) -> Result<(), Errno> {
    let fd = sys.open(&format!("{SELINUXFS}/{file}"), o::RDWR, 0).await?;
    let written = sys.write(fd, text.as_bytes()).await;
    sys.close(fd).await?;
    written.map(drop)
}

async fn getenforce(sys: Sys) -> i32 {
    let text = mode(&sys).await.map_or("Disabled", word);
    sys.print(format!("{text}\n")).await;
    0
}

async fn setenforce(sys: Sys) -> i32 {
    let argument = sys.argv().get(1).cloned().unwrap_or_default();
    let on = match argument.to_ascii_lowercase().as_str() {
        "1" | "enforcing" => "1",
        "0" | "permissive" => "0",
        _ => {
            sys.eprint("usage:  setenforce [ Enforcing | Permissive | 1 | 0 ]\n").await;
            return 1;
        }
    };
    if mode(&sys).await.is_none() {
        sys.eprint("setenforce: SELinux is disabled\n").await;
        return 1;
    }
    match write(&sys, "enforce", on).await {
        Ok(()) => 0,
        Err(e) => {
            sys.eprint(format!("setenforce:  security_setenforce() failed:  {e}\n")).await;
            2
        }
    }
}

async fn sestatus(sys: Sys) -> i32 {
    let Some(enforcing) = mode(&sys).await else {
        sys.print("SELinux status:                 disabled\n").await;
        return 0;
    };
    let config = sys.read_file("/etc/selinux/config").await.unwrap_or_default();
    let value = |name: &str| config.lines().find_map(|l| l.strip_prefix(name)).unwrap_or("").to_owned();
    let version = sys.read_file(&format!("{SELINUXFS}/policyvers")).await.unwrap_or_default();
    for (name, value) in [
        ("SELinux status", "enabled".to_owned()),
        ("SELinuxfs mount", SELINUXFS.to_owned()),
        ("SELinux root directory", "/etc/selinux".to_owned()),
        ("Loaded policy name", value("SELINUXTYPE=")),
        ("Current mode", word(enforcing).to_ascii_lowercase()),
        ("Mode from config file", value("SELINUX=")),
        ("Policy MLS status", "enabled".to_owned()),
        ("Policy deny_unknown status", "denied".to_owned()),
        ("Memory protection checking", "actual (secure)".to_owned()),
        ("Max kernel policy version", version.trim().to_owned()),
    ] {
        sys.print(format!("{:<32}{value}\n", format!("{name}:"))).await;
    }
    0
}

async fn getsebool(sys: Sys) -> i32 {
    let mut names = sys.argv().get(1..).unwrap_or_default().to_vec();
    if names.is_empty() {
        sys.eprint("usage:  getsebool -a or getsebool boolean...\n").await;
        return 1;
    }
    if mode(&sys).await.is_none() {
        sys.eprint("getsebool:  SELinux is disabled\n").await;
        return 1;
    }
    if names[0] == "-a" {
        let entries = sys.read_dir(&format!("{SELINUXFS}/booleans")).await.unwrap_or_default();
        names = entries.into_iter().map(|e| e.d_name).filter(|n| !n.starts_with('.')).collect();
        names.sort();
    }
    for name in names {
        match sys.read_file(&format!("{SELINUXFS}/booleans/{name}")).await {
            Ok(text) => {
                let value = if text.starts_with('1') { "on" } else { "off" };
                sys.print(format!("{name} --> {value}\n")).await;
            }
            Err(_) => {
                sys.eprint(format!("Error getting active value for {name}\n")).await;
                return 1;
            }
        }
    }
    0
}

async fn setsebool(sys: Sys) -> i32 {
    let words: Vec<String> = sys.argv().get(1..).unwrap_or_default().iter().filter(|w| *w != "-P").cloned().collect();
    let (name, value) = match words.as_slice() {
        [one] => one.split_once('=').map_or((one.as_str(), ""), |(n, v)| (n, v)),
        [name, value] => (name.as_str(), value.as_str()),
        _ => ("", ""),
    };
    let on = match value {
        "on" | "1" | "true" => "1",
        "off" | "0" | "false" => "0",
        _ => {
            sys.eprint("\nUsage:  setsebool [ -NPV ] boolean value | bool1=val1 bool2=val2...\n\n").await;
            return 1;
        }
    };
    if mode(&sys).await.is_none() {
        sys.eprint("setsebool:  SELinux is disabled.\n").await;
        return 1;
    }
    match write(&sys, &format!("booleans/{name}"), on).await {
        Ok(()) => 0,
        Err(Errno::ENOENT) => {
            sys.eprint(format!("Boolean {name} is not defined\n")).await;
            1
        }
        Err(e) => {
            sys.eprint(format!("Could not change active booleans: {e}\n")).await;
            1
        }
    }
}
