//! The single policy: which type may do what to which, how types change, and which label a file has by its path. A small
//! part of the targeted policy with what container-selinux adds to it, under the names that are used there.

use super::context::Context;

/// A rule `allow source target:class { permissions };`. Sources and targets are types or attributes.
pub(super) struct Allow {
    pub(super) source: &'static str,
    pub(super) target: &'static str,
    pub(super) classes: &'static [&'static str],
    pub(super) permissions: &'static [&'static str],
    /// The boolean that must be on.
    pub(super) when: Option<&'static str>,
}

const fn allow(
    source: &'static str,
    target: &'static str,
    classes: &'static [&'static str],
    permissions: &'static [&'static str],
) -> Allow {
    Allow { source, target, classes, permissions, when: None }
}

/// Domains that may do everything.
const UNCONFINED: [&str; 6] = ["kernel_t", "init_t", "unconfined_t", "container_runtime_t", "spc_t", "initrc_t"];

/// Domains that exist besides these.
const CONFINED: [&str; 3] = ["container_t", "container_init_t", "httpd_t"];

/// The booleans, and how they are set at boot.
pub(super) const BOOLEANS: [(&str, bool); 3] =
    [("container_manage_cgroup", false), ("container_use_devices", false), ("httpd_enable_homedirs", false)];

const FILES: &[&str] = &["file", "dir", "lnk_file", "fifo_file", "sock_file", "chr_file", "blk_file"];
const READ: &[&str] = &["getattr", "open", "read", "search", "lock", "ioctl", "map"];
const WRITE: &[&str] = &["getattr", "open", "write", "append", "lock", "ioctl"];
const MANAGE: &[&str] = &[
    "getattr",
    "open",
    "read",
    "search",
    "lock",
    "ioctl",
    "map",
    "write",
    "append",
    "setattr",
    "create",
    "unlink",
    "link",
    "rename",
    "add_name",
    "remove_name",
    "reparent",
    "rmdir",
    "mounton",
];
const EXECUTE: &[&str] = &["execute", "execute_no_trans", "entrypoint", "getattr", "open", "read", "map"];
const SOCKETS: &[&str] = &[
    "tcp_socket",
    "udp_socket",
    "rawip_socket",
    "netlink_route_socket",
    "unix_stream_socket",
    "unix_dgram_socket",
    "icmp_socket",
];
const SIGNALS: &[&str] = &["sigchld", "sigkill", "sigstop", "signull", "signal"];

/// The rules for domains that are confined.
pub(super) const RULES: &[Allow] = &[
    // Every domain: what it has of itself, and what everybody may see.
    allow(
        "domain",
        "self",
        &["process"],
        &[
            "fork",
            "sigchld",
            "sigkill",
            "sigstop",
            "signull",
            "signal",
            "getattr",
            "getcap",
            "setcap",
            "setpgid",
            "getsched",
            "setsched",
            "setrlimit",
            "getsession",
            "getpgid",
            "setexec",
            "setfscreate",
            "ptrace",
        ],
    ),
    allow("domain", "self", FILES, MANAGE),
    allow("domain", "self", SOCKETS, &["create", "bind", "connect", "listen", "accept", "read", "write", "getattr"]),
    allow("domain", "proc_t", FILES, READ),
    allow("domain", "proc_net_t", FILES, READ),
    allow("domain", "sysctl_t", FILES, READ),
    allow("domain", "sysfs_t", FILES, READ),
    allow("domain", "device_t", &["dir", "lnk_file"], READ),
    allow("domain", "root_t", &["dir", "lnk_file"], READ),
    allow("domain", "tmpfs_t", &["dir"], &["getattr", "search"]),
    allow("domain", "cgroup_t", &["dir"], &["getattr", "search"]),
    allow("domain", "mnt_t", &["dir"], &["getattr", "search"]),
    allow("domain", "home_root_t", &["dir"], &["getattr", "search"]),
    allow("domain", "devpts_t", &["dir"], READ),
    allow(
        "domain",
        "null_device_t",
        &["chr_file"],
        &["getattr", "open", "read", "write", "append", "ioctl", "lock", "map"],
    ),
    allow(
        "domain",
        "zero_device_t",
        &["chr_file"],
        &["getattr", "open", "read", "write", "append", "ioctl", "lock", "map"],
    ),
    allow("domain", "random_device_t", &["chr_file"], READ),
    allow("domain", "urandom_device_t", &["chr_file"], READ),
    allow("domain", "devtty_t", &["chr_file"], &["getattr", "open", "read", "write", "append", "ioctl"]),
    allow("domain", "user_devpts_t", &["chr_file"], &["getattr", "open", "read", "write", "append", "ioctl"]),
    // Containers (container-selinux): everything with what is labelled for them, nothing with the rest. The categories
    // keep one from another.
    allow("container_domain", "container_file_t", FILES, MANAGE),
    allow("container_domain", "container_file_t", &["file"], EXECUTE),
    allow(
        "container_domain",
        "container_file_t",
        &["chr_file"],
        &["getattr", "open", "read", "write", "append", "ioctl", "create"],
    ),
    allow("container_domain", "container_ro_file_t", FILES, READ),
    allow("container_domain", "container_ro_file_t", &["file"], EXECUTE),
    allow(
        "container_domain",
        "devpts_t",
        &["chr_file"],
        &["getattr", "open", "read", "write", "append", "ioctl", "setattr"],
    ),
    allow("container_domain", "cgroup_t", FILES, READ),
    Allow { when: Some("container_manage_cgroup"), ..allow("container_domain", "cgroup_t", FILES, MANAGE) },
    Allow {
        when: Some("container_use_devices"),
        ..allow(
            "container_domain",
            "device_t",
            &["chr_file", "blk_file"],
            &["getattr", "open", "read", "write", "append", "ioctl"],
        )
    },
    allow("container_domain", "nsfs_t", &["file"], READ),
    allow("container_domain", "usr_t", FILES, READ),
    allow("container_domain", "usr_t", &["file"], EXECUTE),
    allow("container_domain", "container_file_t", &["filesystem"], &["getattr"]),
    allow("container_domain", "fs_type", &["filesystem"], &["getattr"]),
    allow("container_domain", "container_runtime_t", &["process"], &["sigchld"]),
    allow("container_domain", "unconfined_t", &["process"], &["sigchld"]),
    allow("container_domain", "container_runtime_t", &["fifo_file"], &["getattr", "read", "write", "append", "ioctl"]),
    allow(
        "container_domain",
        "self",
        &["capability", "cap_userns"],
        &[
            "chown",
            "dac_override",
            "dac_read_search",
            "fowner",
            "fsetid",
            "kill",
            "net_bind_service",
            "net_raw",
            "setgid",
            "setuid",
            "setpcap",
            "setfcap",
            "sys_chroot",
            "mknod",
            "audit_write",
        ],
    ),
    // A service outside containers, as the policy has hundreds.
    allow("httpd_t", "httpd_exec_t", &["file"], EXECUTE),
    allow("httpd_t", "bin_t", FILES, READ),
    allow("httpd_t", "bin_t", &["file"], EXECUTE),
    allow("httpd_t", "shell_exec_t", &["file"], EXECUTE),
    allow("httpd_t", "lib_t", FILES, READ),
    allow("httpd_t", "usr_t", FILES, READ),
    allow("httpd_t", "etc_t", FILES, READ),
    allow("httpd_t", "passwd_file_t", &["file"], READ),
    allow("httpd_t", "var_t", &["dir"], READ),
    allow("httpd_t", "httpd_sys_content_t", FILES, READ),
    allow("httpd_t", "tmp_t", &["dir"], MANAGE),
    allow("httpd_t", "httpd_tmp_t", FILES, MANAGE),
    Allow { when: Some("httpd_enable_homedirs"), ..allow("httpd_t", "user_home_t", FILES, READ) },
    Allow { when: Some("httpd_enable_homedirs"), ..allow("httpd_t", "user_home_dir_t", FILES, READ) },
    allow("httpd_t", "unconfined_t", &["process"], &["sigchld"]),
    allow("httpd_t", "unconfined_t", &["fifo_file"], &["getattr", "read", "write", "append", "ioctl"]),
    allow("httpd_t", "self", &["capability"], &["net_bind_service", "setgid", "setuid", "chown", "kill"]),
    allow("domain", "init_t", &["process"], SIGNALS_TO_INIT),
];

const SIGNALS_TO_INIT: &[&str] = &["sigchld"];

/// Denials of which nothing is said (`dontaudit`).
pub(super) const DONTAUDIT: &[Allow] = &[
    allow("domain", "domain", &["dir"], &["getattr", "search", "read", "open"]),
    allow("container_domain", "self", &["capability"], &["net_admin", "sys_ptrace"]),
    allow("container_domain", "sysfs_t", FILES, WRITE),
];

/// `type_transition source target:class new;`.
pub(super) const TYPE_TRANSITIONS: &[(&str, &str, &str, &str)] = &[
    ("unconfined_t", "container_runtime_exec_t", "process", "container_runtime_t"),
    ("init_t", "container_runtime_exec_t", "process", "container_runtime_t"),
    ("init_t", "httpd_exec_t", "process", "httpd_t"),
    ("unconfined_t", "tmp_t", "file", "user_tmp_t"),
    ("unconfined_t", "tmp_t", "dir", "user_tmp_t"),
    ("unconfined_t", "tmp_t", "lnk_file", "user_tmp_t"),
    ("unconfined_t", "tmp_t", "fifo_file", "user_tmp_t"),
    ("httpd_t", "tmp_t", "file", "httpd_tmp_t"),
    ("httpd_t", "tmp_t", "dir", "httpd_tmp_t"),
    ("container_runtime_t", "var_lib_t", "dir", "container_var_lib_t"),
    ("container_runtime_t", "var_run_t", "dir", "container_var_run_t"),
];

/// Which label a file has by its path (`file_contexts`): the last prefix that fits counts.
const FILE_CONTEXTS: &[(&str, &str)] = &[
    ("/", "root_t"),
    ("/usr", "usr_t"),
    ("/usr/bin", "bin_t"),
    ("/usr/sbin", "bin_t"),
    ("/usr/bin/bash", "shell_exec_t"),
    ("/usr/sbin/init", "init_exec_t"),
    ("/usr/bin/runc", "container_runtime_exec_t"),
    ("/usr/sbin/runc", "container_runtime_exec_t"),
    ("/usr/bin/docker", "container_runtime_exec_t"),
    ("/usr/bin/containerd-shim-runc-v2", "container_runtime_exec_t"),
    ("/usr/sbin/httpd", "httpd_exec_t"),
    ("/usr/lib", "lib_t"),
    ("/usr/lib64", "lib_t"),
    ("/bin", "bin_t"),
    ("/sbin", "bin_t"),
    ("/lib", "lib_t"),
    ("/lib64", "lib_t"),
    ("/etc", "etc_t"),
    ("/etc/passwd", "passwd_file_t"),
    ("/etc/group", "passwd_file_t"),
    ("/etc/shadow", "shadow_t"),
    ("/etc/gshadow", "shadow_t"),
    ("/etc/selinux", "selinux_config_t"),
    ("/root", "admin_home_t"),
    ("/home", "home_root_t"),
    ("/home/*", "user_home_dir_t"),
    ("/home/*/*", "user_home_t"),
    ("/tmp", "tmp_t"),
    ("/var", "var_t"),
    ("/var/tmp", "tmp_t"),
    ("/var/lib", "var_lib_t"),
    ("/var/lib/docker", "container_var_lib_t"),
    ("/var/lib/containers", "container_var_lib_t"),
    ("/var/www", "httpd_sys_content_t"),
    ("/var/run", "var_run_t"),
    ("/run", "var_run_t"),
    ("/run/runc", "container_var_run_t"),
    ("/run/containerd", "container_var_run_t"),
    ("/mnt", "mnt_t"),
    ("/srv", "var_t"),
    ("/opt", "usr_t"),
    ("/dev", "device_t"),
    ("/dev/null", "null_device_t"),
    ("/dev/zero", "zero_device_t"),
    ("/dev/full", "null_device_t"),
    ("/dev/random", "random_device_t"),
    ("/dev/urandom", "urandom_device_t"),
    ("/dev/tty", "devtty_t"),
    ("/dev/kmsg", "kmsg_device_t"),
    ("/dev/pts", "devpts_t"),
    ("/dev/pts/*", "user_devpts_t"),
    ("/dev/shm", "tmpfs_t"),
    ("/dev/mqueue", "tmpfs_t"),
];

/// The label that a path has by default (`matchpathcon`).
pub fn label_of_path(path: &str) -> Context {
    let names: Vec<&str> = path.split('/').filter(|n| !n.is_empty()).collect();
    let fits = |pattern: &str| {
        let wanted: Vec<&str> = pattern.split('/').filter(|n| !n.is_empty()).collect();
        wanted.len() <= names.len() && wanted.iter().zip(&names).all(|(w, n)| *w == "*" || w == n)
    };
    let depth = |pattern: &str| pattern.split('/').filter(|n| !n.is_empty()).count();
    let best = FILE_CONTEXTS
        .iter()
        .filter(|(pattern, _)| fits(pattern))
        .max_by_key(|(pattern, _)| (depth(pattern), !pattern.contains('*')));
    // A name in the root directory that nothing else is said of.
    let kind = match best {
        Some(("/", _)) if !names.is_empty() => "default_t",
        Some((_, kind)) => kind,
        None => "default_t",
    };
    Context::object(kind)
}

/// Whether a type is that of a process that may do everything.
pub(super) fn is_unconfined(kind: &str) -> bool {
    UNCONFINED.contains(&kind)
}

/// Whether a type is that of processes.
pub(super) fn is_domain(kind: &str) -> bool {
    UNCONFINED.contains(&kind) || CONFINED.contains(&kind)
}

/// Whether the categories of a domain have to dominate those of what it uses (`mcs_constrained_type`).
pub(super) fn is_mcs_constrained(kind: &str) -> bool {
    has_attribute(kind, "container_domain")
}

/// Whether the policy knows a type.
pub(super) fn is_known(kind: &str) -> bool {
    let of_rule = |r: &Allow| r.target == kind || r.source == kind;
    is_domain(kind)
        || FILE_CONTEXTS.iter().any(|(_, k)| *k == kind)
        || RULES.iter().any(of_rule)
        || TYPE_TRANSITIONS.iter().any(|t| t.3 == kind)
        || OTHER_TYPES.contains(&kind)
}

/// Types that stand in no rule.
const OTHER_TYPES: [&str; 12] = [
    "unlabeled_t",
    "default_t",
    "securityfs_t",
    "security_t",
    "proc_kcore_t",
    "proc_kmsg_t",
    "mqueue_t",
    "container_var_lib_t",
    "container_share_t",
    "fs_t",
    "svirt_sandbox_file_t",
    "etc_runtime_t",
];

fn has_attribute(kind: &str, attribute: &str) -> bool {
    match attribute {
        "domain" => is_domain(kind),
        "container_domain" => matches!(kind, "container_t" | "container_init_t"),
        "fs_type" => matches!(kind, "fs_t" | "tmpfs_t" | "proc_t" | "sysfs_t" | "cgroup_t" | "devpts_t" | "nsfs_t"),
        _ => false,
    }
}

impl Allow {
    /// Whether the rule is about these types, this class and this permission.
    pub(super) fn fits(&self, source: &str, target: &str, class: &str, permission: &str) -> bool {
        let is = |kind: &str, wanted: &str| kind == wanted || has_attribute(kind, wanted);
        is(source, self.source)
            && if self.target == "self" { source == target } else { is(target, self.target) }
            && self.classes.contains(&class)
            && self.permissions.contains(&permission)
    }

    /// The rule as it is written.
    pub(super) fn text(&self) -> String {
        let classes = match self.classes {
            [one] => (*one).to_owned(),
            many => format!("{{ {} }}", many.join(" ")),
        };
        format!("allow {} {}:{classes} {{ {} }};", self.source, self.target, self.permissions.join(" "))
    }
}

/// Signals that have a permission of their own.
pub(super) fn signal_permission(signal: Option<u8>) -> &'static str {
    match signal {
        None => SIGNALS[3],
        Some(17) => SIGNALS[0],
        Some(9) => SIGNALS[1],
        Some(19) => SIGNALS[2],
        Some(_) => SIGNALS[4],
    }
}

#[cfg(test)]
mod tests {
    use super::label_of_path;

    #[test]
    fn the_longest_path_counts() {
        for (path, kind) in [
            ("/", "root_t"),
            ("/etc/shadow", "shadow_t"),
            ("/etc/hosts", "etc_t"),
            ("/home/student", "user_home_dir_t"),
            ("/home/student/x/y", "user_home_t"),
            ("/var/lib/docker/overlay2/x", "container_var_lib_t"),
            ("/data", "default_t"),
        ] {
            assert_eq!(label_of_path(path).kind, kind, "{path}");
        }
    }
}
