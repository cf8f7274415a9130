//! `config.json` of the OCI runtime specification, version 1.0.2: what a container is to be.
//!
//! Fields that the specification does not have are passed over, as the real runtimes do. Fields that it has and
//! that are not modelled are refused by name: a wall that was asked for is never left out in silence.

use super::json::Json;

/// The version that `runc` 1.1 writes.
pub const VERSION: &str = "1.0.2-dev";

/// Everything that `config.json` says (`specs.Spec`).
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Spec {
    /// What runs in the container.
    pub process: Option<Process>,
    /// Directory of the root file system, and whether it is to be read-only.
    pub root: Option<(String, bool)>,
    /// Name of the machine, as the container sees it.
    pub hostname: String,
    /// Name of the NIS domain.
    pub domainname: String,
    /// Mounts, in order.
    pub mounts: Vec<Mount>,
    /// Programs to run at stages of the container's life: stage and program.
    pub hooks: Vec<(String, Hook)>,
    /// Free text.
    pub annotations: Vec<(String, String)>,
    /// What only Linux has.
    pub linux: Linux,
}

/// A process of a container (`specs.Process`).
#[derive(Clone, PartialEq, Debug, Default)]
#[allow(missing_docs)] // the fields of config.md
pub struct Process {
    pub terminal: bool,
    pub uid: u32,
    pub gid: u32,
    pub additional_gids: Vec<u32>,
    pub umask: Option<u32>,
    pub args: Vec<String>,
    pub env: Vec<String>,
    pub cwd: String,
    /// Sets by name, `None` when the field is not there: then nothing is taken away.
    pub capabilities: Option<Capabilities>,
    /// Kind (`RLIMIT_NOFILE`), soft, hard.
    pub rlimits: Vec<(String, u64, u64)>,
    pub no_new_privileges: bool,
    pub oom_score_adj: Option<i64>,
    pub apparmor_profile: String,
    pub selinux_label: String,
}

/// The five sets of capabilities, by name (`CAP_KILL`).
#[derive(Clone, PartialEq, Debug, Default)]
#[allow(missing_docs)] // the sets of capabilities(7)
pub struct Capabilities {
    pub bounding: Vec<String>,
    pub effective: Vec<String>,
    pub inheritable: Vec<String>,
    pub permitted: Vec<String>,
    pub ambient: Vec<String>,
}

/// A mount (`specs.Mount`).
#[derive(Clone, PartialEq, Debug, Default)]
#[allow(missing_docs)] // the fields of config.md
pub struct Mount {
    pub destination: String,
    pub fstype: String,
    pub source: String,
    pub options: Vec<String>,
}

/// A program that is run at a stage (`specs.Hook`).
#[derive(Clone, PartialEq, Debug, Default)]
#[allow(missing_docs)] // the fields of config.md
pub struct Hook {
    pub path: String,
    pub args: Vec<String>,
    pub env: Vec<String>,
}

/// A range of ids (`specs.LinuxIDMapping`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // the fields of config-linux.md
pub struct IdMapping {
    pub container_id: u32,
    pub host_id: u32,
    pub size: u32,
}

/// A rule of the device cgroup (`specs.LinuxDeviceCgroup`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeviceRule {
    /// Whether it allows or denies.
    pub allow: bool,
    /// `a`, `b` or `c`.
    pub kind: char,
    /// Major and minor number; `None` is any.
    pub major: Option<i64>,
    /// See `major`.
    pub minor: Option<i64>,
    /// Of `r`, `w` and `m`.
    pub access: String,
}

/// Limits (`specs.LinuxResources`).
#[derive(Clone, PartialEq, Debug, Default)]
#[allow(missing_docs)] // the fields of config-linux.md
pub struct Resources {
    pub devices: Vec<DeviceRule>,
    pub memory_limit: Option<i64>,
    pub memory_reservation: Option<i64>,
    pub memory_swap: Option<i64>,
    pub memory_swappiness: Option<i64>,
    pub oom_kill_disable: Option<bool>,
    pub cpu_shares: Option<i64>,
    pub cpu_quota: Option<i64>,
    pub cpu_period: Option<i64>,
    pub cpuset_cpus: String,
    pub cpuset_mems: String,
    pub pids_limit: Option<i64>,
    pub blkio_weight: Option<i64>,
    /// File and what to write, for version 2.
    pub unified: Vec<(String, String)>,
}

/// A device file (`specs.LinuxDevice`).
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // the fields of config-linux.md
pub struct Device {
    pub path: String,
    pub kind: char,
    pub major: u32,
    pub minor: u32,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
}

/// What only Linux has (`specs.Linux`).
#[derive(Clone, PartialEq, Debug, Default)]
#[allow(missing_docs)] // the fields of config-linux.md
pub struct Linux {
    /// Kind (`pid`, `network`, ...) and, to join one that exists, the path of its file.
    pub namespaces: Vec<(String, String)>,
    pub uid_mappings: Vec<IdMapping>,
    pub gid_mappings: Vec<IdMapping>,
    pub resources: Resources,
    pub cgroups_path: String,
    pub devices: Vec<Device>,
    /// The filter as it is written, for whoever builds it.
    pub seccomp: Option<Json>,
    pub masked_paths: Vec<String>,
    pub readonly_paths: Vec<String>,
    pub rootfs_propagation: String,
    pub sysctl: Vec<(String, String)>,
    pub mount_label: String,
}

/// What the specification has and is not modelled.
const NOT_MODELLED: [&str; 15] = [
    "process.scheduler",
    "process.ioPriority",
    "linux.intelRdt",
    "linux.personality",
    "linux.timeOffsets",
    "linux.resources.hugepageLimits",
    "linux.resources.network",
    "linux.resources.rdma",
    "linux.resources.memory.kernel",
    "linux.resources.memory.kernelTCP",
    "linux.resources.cpu.realtimeRuntime",
    "linux.resources.cpu.realtimePeriod",
    "vm",
    "windows",
    "solaris",
];

/// The stages at which hooks run.
const STAGES: [&str; 6] = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];

/// An object that is being read: the Go type that it fills and the way to it, for messages.
struct Reader<'a> {
    json: &'a Json,
    go_type: &'static str,
    path: String,
}

type Read<T> = Result<T, String>;

impl<'a> Reader<'a> {
    fn wrong(&self, name: &str, value: &Json, wanted: &str) -> String {
        format!(
            "json: cannot unmarshal {} into Go struct field {}.{}{name} of type {wanted}",
            value.kind(),
            self.go_type,
            self.path
        )
    }

    fn get<T>(&self, name: &str, wanted: &str, read: impl Fn(&'a Json) -> Option<T>) -> Read<Option<T>> {
        match self.json.get(name) {
            None => Ok(None),
            Some(value) => read(value).map(Some).ok_or_else(|| self.wrong(name, value, wanted)),
        }
    }

    fn str(&self, name: &str) -> Read<String> {
        Ok(self.get(name, "string", Json::as_str)?.unwrap_or_default().to_owned())
    }

    fn bool(&self, name: &str) -> Read<bool> {
        Ok(self.get(name, "bool", Json::as_bool)?.unwrap_or_default())
    }

    fn int(&self, name: &str, wanted: &str) -> Read<Option<i64>> {
        self.get(name, wanted, Json::as_int)
    }

    fn id(&self, name: &str) -> Read<u32> {
        let read = |v: &Json| v.as_int().and_then(|n| u32::try_from(n).ok());
        Ok(self.get(name, "uint32", read)?.unwrap_or(0))
    }

    fn strings(&self, name: &str) -> Read<Vec<String>> {
        let Some(value) = self.json.get(name) else { return Ok(Vec::new()) };
        let Json::List(items) = value else { return Err(self.wrong(name, value, "[]string")) };
        items.iter().map(|v| v.as_str().map(str::to_owned).ok_or_else(|| self.wrong(name, v, "string"))).collect()
    }

    fn pairs(&self, name: &str) -> Read<Vec<(String, String)>> {
        let Some(value) = self.json.get(name) else { return Ok(Vec::new()) };
        let Json::Object(fields) = value else { return Err(self.wrong(name, value, "map[string]string")) };
        let text = |v: &Json| v.as_str().map(str::to_owned);
        fields.iter().map(|(n, v)| Ok((n.clone(), text(v).ok_or_else(|| self.wrong(name, v, "string"))?))).collect()
    }

    fn object(&self, name: &str, go_type: &'static str) -> Read<Option<Reader<'a>>> {
        match self.json.get(name) {
            None => Ok(None),
            Some(json @ Json::Object(_)) => Ok(Some(Reader { json, go_type, path: format!("{}{name}.", self.path) })),
            Some(other) => Err(self.wrong(name, other, &format!("specs.{go_type}"))),
        }
    }

    fn objects(&self, name: &str, go_type: &'static str) -> Read<Vec<Reader<'a>>> {
        let Some(value) = self.json.get(name) else { return Ok(Vec::new()) };
        let Json::List(items) = value else { return Err(self.wrong(name, value, &format!("[]specs.{go_type}"))) };
        let path = || format!("{}{name}.", self.path);
        let reader = |json: &'a Json| match json {
            Json::Object(_) => Ok(Reader { json, go_type, path: path() }),
            other => Err(self.wrong(name, other, &format!("specs.{go_type}"))),
        };
        items.iter().map(reader).collect()
    }
}

impl Spec {
    /// Reads the text of a `config.json`.
    ///
    /// # Errors
    /// What is wrong with it, in Go's words, or what of it is not modelled.
    pub fn parse(text: &str) -> Read<Spec> {
        let json = Json::parse(text)?;
        if let Some(path) = NOT_MODELLED.iter().find(|path| json.at(path).is_some()) {
            return Err(format!("not modelled in Ringside: {path}"));
        }
        let top = match &json {
            Json::Object(_) => Reader { json: &json, go_type: "Spec", path: String::new() },
            other => return Err(format!("json: cannot unmarshal {} into Go value of type specs.Spec", other.kind())),
        };
        // The version is checked for its form only.
        top.str("ociVersion")?;
        Ok(Spec {
            process: top.object("process", "Process")?.map(|p| process(&p)).transpose()?,
            root: match top.object("root", "Root")? {
                Some(root) => Some((root.str("path")?, root.bool("readonly")?)),
                None => None,
            },
            hostname: top.str("hostname")?,
            domainname: top.str("domainname")?,
            mounts: top.objects("mounts", "Mount")?.iter().map(mount).collect::<Read<_>>()?,
            hooks: hooks(&top)?,
            annotations: top.pairs("annotations")?,
            linux: match top.object("linux", "Linux")? {
                Some(linux) => read_linux(&linux)?,
                None => Linux::default(),
            },
        })
    }
}

impl Process {
    /// Reads the text of a file for `runc exec --process`.
    ///
    /// # Errors
    /// As [`Spec::parse`].
    pub fn parse(text: &str) -> Read<Process> {
        let json = Json::parse(text)?;
        process(&Reader { json: &json, go_type: "Process", path: String::new() })
    }
}

fn process(at: &Reader<'_>) -> Read<Process> {
    let mut process = Process {
        terminal: at.bool("terminal")?,
        args: at.strings("args")?,
        env: at.strings("env")?,
        cwd: at.str("cwd")?,
        no_new_privileges: at.bool("noNewPrivileges")?,
        oom_score_adj: at.int("oomScoreAdj", "int")?,
        apparmor_profile: at.str("apparmorProfile")?,
        selinux_label: at.str("selinuxLabel")?,
        ..Process::default()
    };
    if let Some(user) = at.object("user", "User")? {
        process.uid = user.id("uid")?;
        process.gid = user.id("gid")?;
        process.umask = user.int("umask", "uint32")?.map(|n| n as u32);
        let Some(list) = user.json.get("additionalGids") else { return finish(at, process) };
        let id = |v: &Json| v.as_int().and_then(|n| u32::try_from(n).ok());
        let ids = list.items().iter().map(|v| id(v).ok_or_else(|| user.wrong("additionalGids", v, "uint32")));
        process.additional_gids = ids.collect::<Read<_>>()?;
    }
    finish(at, process)
}

/// Capabilities and limits.
fn finish(at: &Reader<'_>, mut process: Process) -> Read<Process> {
    if let Some(caps) = at.object("capabilities", "LinuxCapabilities")? {
        process.capabilities = Some(Capabilities {
            bounding: caps.strings("bounding")?,
            effective: caps.strings("effective")?,
            inheritable: caps.strings("inheritable")?,
            permitted: caps.strings("permitted")?,
            ambient: caps.strings("ambient")?,
        });
    }
    for limit in at.objects("rlimits", "POSIXRlimit")? {
        let value = |name| Ok::<u64, String>(limit.int(name, "uint64")?.unwrap_or(0) as u64);
        process.rlimits.push((limit.str("type")?, value("soft")?, value("hard")?));
    }
    Ok(process)
}

fn mount(at: &Reader<'_>) -> Read<Mount> {
    Ok(Mount {
        destination: at.str("destination")?,
        fstype: at.str("type")?,
        source: at.str("source")?,
        options: at.strings("options")?,
    })
}

fn hooks(top: &Reader<'_>) -> Read<Vec<(String, Hook)>> {
    let mut all = Vec::new();
    let Some(hooks) = top.object("hooks", "Hooks")? else { return Ok(all) };
    for stage in STAGES {
        for hook in hooks.objects(stage, "Hook")? {
            if hook.json.get("timeout").is_some() {
                return Err(format!("not modelled in Ringside: hooks.{stage}.timeout"));
            }
            let hook = Hook { path: hook.str("path")?, args: hook.strings("args")?, env: hook.strings("env")? };
            all.push((stage.to_owned(), hook));
        }
    }
    Ok(all)
}

fn mappings(at: &Reader<'_>, name: &str) -> Read<Vec<IdMapping>> {
    let one = |m: &Reader<'_>| {
        Ok(IdMapping { container_id: m.id("containerID")?, host_id: m.id("hostID")?, size: m.id("size")? })
    };
    at.objects(name, "LinuxIDMapping")?.iter().map(one).collect()
}

fn read_linux(at: &Reader<'_>) -> Read<Linux> {
    let mut linux = Linux {
        uid_mappings: mappings(at, "uidMappings")?,
        gid_mappings: mappings(at, "gidMappings")?,
        cgroups_path: at.str("cgroupsPath")?,
        seccomp: at.object("seccomp", "LinuxSeccomp")?.map(|s| s.json.clone()),
        masked_paths: at.strings("maskedPaths")?,
        readonly_paths: at.strings("readonlyPaths")?,
        rootfs_propagation: at.str("rootfsPropagation")?,
        sysctl: at.pairs("sysctl")?,
        mount_label: at.str("mountLabel")?,
        ..Linux::default()
    };
    for ns in at.objects("namespaces", "LinuxNamespace")? {
        linux.namespaces.push((ns.str("type")?, ns.str("path")?));
    }
    for device in at.objects("devices", "LinuxDevice")? {
        linux.devices.push(Device {
            path: device.str("path")?,
            kind: device.str("type")?.chars().next().unwrap_or('c'),
            major: device.id("major")?,
            minor: device.id("minor")?,
            mode: device.int("fileMode", "os.FileMode")?.unwrap_or(0o666) as u32,
            uid: device.id("uid")?,
            gid: device.id("gid")?,
        });
    }
    if let Some(resources) = at.object("resources", "LinuxResources")? {
        linux.resources = read_resources(&resources)?;
    }
    Ok(linux)
}

fn read_resources(at: &Reader<'_>) -> Read<Resources> {
    let mut r = Resources { unified: at.pairs("unified")?, ..Resources::default() };
    for rule in at.objects("devices", "LinuxDeviceCgroup")? {
        r.devices.push(DeviceRule {
            allow: rule.bool("allow")?,
            kind: rule.str("type")?.chars().next().unwrap_or('a'),
            major: rule.int("major", "int64")?.filter(|n| *n >= 0),
            minor: rule.int("minor", "int64")?.filter(|n| *n >= 0),
            access: rule.str("access")?,
        });
    }
    if let Some(memory) = at.object("memory", "LinuxMemory")? {
        r.memory_limit = memory.int("limit", "int64")?;
        r.memory_reservation = memory.int("reservation", "int64")?;
        r.memory_swap = memory.int("swap", "int64")?;
        r.memory_swappiness = memory.int("swappiness", "uint64")?;
        r.oom_kill_disable = memory.get("disableOOMKiller", "bool", Json::as_bool)?;
    }
    if let Some(cpu) = at.object("cpu", "LinuxCPU")? {
        r.cpu_shares = cpu.int("shares", "uint64")?;
        r.cpu_quota = cpu.int("quota", "int64")?;
        r.cpu_period = cpu.int("period", "uint64")?;
        r.cpuset_cpus = cpu.str("cpus")?;
        r.cpuset_mems = cpu.str("mems")?;
    }
    if let Some(pids) = at.object("pids", "LinuxPids")? {
        r.pids_limit = pids.int("limit", "int64")?;
    }
    if let Some(block) = at.object("blockIO", "LinuxBlockIO")? {
        r.blkio_weight = block.int("weight", "uint16")?;
        let known = ["weight"];
        if let Some((name, _)) =
            block.json.fields().iter().find(|(n, v)| !known.contains(&n.as_str()) && *v != Json::Null)
        {
            return Err(format!("not modelled in Ringside: linux.resources.blockIO.{name}"));
        }
    }
    Ok(r)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_specification_that_runc_writes_is_understood() {
        let spec = Spec::parse(super::super::runc::spec::DEFAULT).expect("its own text");
        let process = spec.process.expect("there is one");
        assert_eq!((process.args, process.cwd.as_str()), (vec!["sh".to_owned()], "/"));
        assert_eq!(spec.root, Some(("rootfs".to_owned(), true)));
        assert_eq!((spec.mounts.len(), spec.linux.namespaces.len()), (7, 5));
        assert_eq!(spec.linux.resources.devices.len(), 1);
    }

    #[test]
    fn wrong_fields_are_told_in_gos_words() {
        let wrong = |text: &str| Spec::parse(text).expect_err("wrong");
        assert_eq!(
            wrong(r#"{"hostname": 5}"#),
            "json: cannot unmarshal number into Go struct field Spec.hostname of type string"
        );
        assert_eq!(
            wrong(r#"{"process": {"terminal": "yes"}}"#),
            "json: cannot unmarshal string into Go struct field Process.process.terminal of type bool"
        );
        assert_eq!(
            wrong(r#"{"linux": {"namespaces": [{"type": 1}]}}"#),
            "json: cannot unmarshal number into Go struct field LinuxNamespace.linux.namespaces.type of type string"
        );
    }

    #[test]
    fn what_is_not_modelled_is_refused_and_what_is_unknown_passed_over() {
        let refused = Spec::parse(r#"{"linux": {"intelRdt": {}}}"#);
        assert_eq!(refused, Err("not modelled in Ringside: linux.intelRdt".into()));
        assert!(Spec::parse(r#"{"somethingNew": 1}"#).is_ok());
    }
}
