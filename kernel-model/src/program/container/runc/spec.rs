//! `runc spec`: an ordinary `config.json` to begin with.

use super::super::json::Json;
use super::{Failed, Runc};
use crate::program::libc::o;

/// What `runc` 1.1 writes.
pub const DEFAULT: &str = r#"{
	"ociVersion": "1.0.2-dev",
	"process": {
		"terminal": true,
		"user": {
			"uid": 0,
			"gid": 0
		},
		"args": [
			"sh"
		],
		"env": [
			"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
			"TERM=xterm"
		],
		"cwd": "/",
		"capabilities": {
			"bounding": [
				"CAP_AUDIT_WRITE",
				"CAP_KILL",
				"CAP_NET_BIND_SERVICE"
			],
			"effective": [
				"CAP_AUDIT_WRITE",
				"CAP_KILL",
				"CAP_NET_BIND_SERVICE"
			],
			"permitted": [
				"CAP_AUDIT_WRITE",
				"CAP_KILL",
				"CAP_NET_BIND_SERVICE"
			],
			"ambient": [
				"CAP_AUDIT_WRITE",
				"CAP_KILL",
				"CAP_NET_BIND_SERVICE"
			]
		},
		"rlimits": [
			{
				"type": "RLIMIT_NOFILE",
				"hard": 1024,
				"soft": 1024
			}
		],
		"noNewPrivileges": true
	},
	"root": {
		"path": "rootfs",
		"readonly": true
	},
	"hostname": "runc",
	"mounts": [
		{
			"destination": "/proc",
			"type": "proc",
			"source": "proc"
		},
		{
			"destination": "/dev",
			"type": "tmpfs",
			"source": "tmpfs",
			"options": [
				"nosuid",
				"strictatime",
				"mode=755",
				"size=65536k"
			]
		},
		{
			"destination": "/dev/pts",
			"type": "devpts",
			"source": "devpts",
			"options": [
				"nosuid",
				"noexec",
				"newinstance",
				"ptmxmode=0666",
				"mode=0620",
				"gid=5"
			]
		},
		{
			"destination": "/dev/shm",
			"type": "tmpfs",
			"source": "shm",
			"options": [
				"nosuid",
				"noexec",
				"nodev",
				"mode=1777",
				"size=65536k"
			]
		},
		{
			"destination": "/dev/mqueue",
			"type": "mqueue",
			"source": "mqueue",
			"options": [
				"nosuid",
				"noexec",
				"nodev"
			]
		},
		{
			"destination": "/sys",
			"type": "sysfs",
			"source": "sysfs",
			"options": [
				"nosuid",
				"noexec",
				"nodev",
				"ro"
			]
		},
		{
			"destination": "/sys/fs/cgroup",
			"type": "cgroup",
			"source": "cgroup",
			"options": [
				"nosuid",
				"noexec",
				"nodev",
				"relatime",
				"ro"
			]
		}
	],
	"linux": {
		"resources": {
			"devices": [
				{
					"allow": false,
					"access": "rwm"
				}
			]
		},
		"namespaces": [
			{
				"type": "pid"
			},
			{
				"type": "network"
			},
			{
				"type": "ipc"
			},
			{
				"type": "uts"
			},
			{
				"type": "mount"
			}
		],
		"maskedPaths": [
			"/proc/acpi",
			"/proc/asound",
			"/proc/kcore",
			"/proc/keys",
			"/proc/latency_stats",
			"/proc/timer_list",
			"/proc/timer_stats",
			"/proc/sched_debug",
			"/sys/firmware",
			"/proc/scsi"
		],
		"readonlyPaths": [
			"/proc/bus",
			"/proc/fs",
			"/proc/irq",
			"/proc/sys",
			"/proc/sysrq-trigger"
		]
	}
}"#;

/// The same for somebody who is not root: with a user namespace and without what needs more privilege.
fn rootless(euid: u32, egid: u32) -> String {
    let Ok(mut json) = Json::parse(DEFAULT) else { return DEFAULT.to_owned() };
    let options = |words: &[&str]| Json::strings(words);
    if let Json::Object(fields) = &mut json {
        for (name, value) in fields {
            match (name.as_str(), value) {
                ("mounts", Json::List(mounts)) => {
                    for mount in mounts {
                        match mount.get("destination").and_then(Json::as_str) {
                            // The group of terminals is not mapped.
                            Some("/dev/pts") => mount.set(
                                "options",
                                options(&["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]),
                            ),
                            Some("/sys") => {
                                mount.set("type", "none".into());
                                mount.set("source", "/sys".into());
                                mount.set("options", options(&["rbind", "nosuid", "noexec", "nodev", "ro"]));
                            }
                            _ => {}
                        }
                    }
                }
                ("linux", linux) => {
                    let map = |id: u32| {
                        let one = [("containerID", 0.into()), ("hostID", id.into()), ("size", 1.into())];
                        Json::List(vec![Json::object(one)])
                    };
                    let kinds = ["pid", "ipc", "uts", "mount", "cgroup", "user"];
                    let kinds = kinds.iter().map(|kind| Json::object([("type", (*kind).into())])).collect();
                    let mut fields = vec![
                        ("uidMappings".to_owned(), map(euid)),
                        ("gidMappings".to_owned(), map(egid)),
                        ("namespaces".to_owned(), Json::List(kinds)),
                    ];
                    let kept = |n: &str| n == "maskedPaths" || n == "readonlyPaths";
                    fields.extend(linux.fields().iter().filter(|(n, _)| kept(n)).cloned());
                    *linux = Json::Object(fields);
                }
                _ => {}
            }
        }
    }
    json.pretty("\t")
}

/// Writes `config.json` into the bundle.
pub(super) async fn run(runc: &Runc) -> Result<i32, Failed> {
    let sys = &runc.sys;
    if let Some(bundle) = runc.value("bundle")
        && let Err(e) = sys.chdir(bundle).await
    {
        return Err(format!("chdir {bundle}: {e}").into());
    }
    if sys.stat("config.json").await.is_ok() {
        return Err("File config.json exists. Remove it first".to_owned().into());
    }
    let text = match runc.has("rootless") {
        true => rootless(sys.geteuid().await, sys.getegid().await),
        false => DEFAULT.to_owned(),
    };
    let written = match sys.open("config.json", o::WRONLY | o::CREAT | o::TRUNC | o::CLOEXEC, 0o666).await {
        Ok(fd) => {
            let written = sys.write_all(fd, text.as_bytes()).await;
            // Nothing depends on it.
            let _ = sys.close(fd).await;
            written
        }
        Err(e) => Err(e),
    };
    written.map(|()| 0).map_err(|e| format!("open config.json: {e}").into())
}
