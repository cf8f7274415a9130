//! A domain's configuration file. Source: xl.cfg(5), xl-disk-configuration(5), xl-network-configuration(5).

use thiserror::Error;

/// A disk, `disk = ['format=raw,vdev=xvda,access=rw,target=/dev/loop0']`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DiskConfig {
    /// What it is called in the guest.
    pub vdev: String,
    /// The guest may write.
    pub is_writable: bool,
    /// What in domain 0 it is.
    pub target: String,
    /// The script that prepares it.
    pub script: String,
}

/// A network interface, `vif = ['mac=00:16:3e:00:00:01,bridge=xenbr0']`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct VifConfig {
    /// Its address.
    pub mac: String,
    /// The bridge in domain 0.
    pub bridge: String,
    /// The script that prepares it.
    pub script: String,
}

/// What is done with a domain that has ended by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Action {
    /// It is destroyed.
    #[default]
    Destroy,
    /// It is destroyed, and made anew.
    Restart,
    /// It stays as it is, for eyes.
    Preserve,
}

/// A domain's configuration.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DomainConfig {
    /// Its name.
    pub name: String,
    /// `pv`, `hvm` or `pvh`.
    pub kind: String,
    /// Its kernel, a file of domain 0.
    pub kernel: String,
    /// What the kernel is told.
    pub extra: String,
    /// MiB.
    pub memory: u64,
    /// Processors.
    pub vcpus: u32,
    /// Disks.
    pub disks: Vec<DiskConfig>,
    /// Network interfaces.
    pub vifs: Vec<VifConfig>,
    /// What is done when it has powered off, rebooted, crashed, or when its watchdog has barked.
    pub on_poweroff: Action,
    /// See there.
    pub on_reboot: Action,
    /// See there.
    pub on_crash: Action,
    /// See there.
    pub on_watchdog: Action,
}

/// A file that `xl` does not take.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum ConfigError {
    /// A line that is none.
    #[error("config parsing error near '{0}'")]
    Syntax(String),
    /// Something is missing.
    #[error("{0} must be specified")]
    Missing(&'static str),
    /// An action that there is not: which key, and what it says.
    #[error("Unknown {0} action \"{1}\" specified")]
    Action(String, String),
    /// An action that this model does not do: which key, and what it says.
    #[error("xl create: {0}=\"{1}\": this action is not modelled here")]
    NotModelled(String, String),
    /// A disk that cannot be understood.
    #[error("unknown value '{0}' for disk")]
    Disk(String),
}

/// The parts of a value: texts in quotes, one or a list of them; a number as it is.
fn values(text: &str) -> Option<Vec<String>> {
    let text = text.trim();
    let inner = match text.strip_prefix('[') {
        Some(list) => list.strip_suffix(']')?,
        None => text,
    };
    let mut all = Vec::new();
    let mut rest = inner.trim();
    while !rest.is_empty() {
        let quote = rest.chars().next().filter(|c| "'\"".contains(*c));
        match quote {
            Some(quote) => {
                let end = rest[1..].find(quote)? + 1;
                all.push(rest[1..end].to_owned());
                rest = &rest[end + 1..];
            }
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                all.push(rest[..end].trim().to_owned());
                rest = &rest[end..];
            }
        }
        rest = rest.trim_start().strip_prefix(',').unwrap_or(rest.trim_start()).trim_start();
    }
    Some(all)
}

fn pairs(text: &str) -> Vec<(&str, &str)> {
    text.split(',').filter_map(|part| part.trim().split_once('=')).collect()
}

fn disk(text: &str) -> Result<DiskConfig, ConfigError> {
    let mut disk = DiskConfig { is_writable: true, script: "block".to_owned(), ..DiskConfig::default() };
    let mut has_key = false;
    for (key, value) in pairs(text) {
        has_key = true;
        match key {
            "vdev" => disk.vdev = value.to_owned(),
            "access" => disk.is_writable = !matches!(value, "r" | "ro"),
            "target" => disk.target = value.to_owned(),
            "script" => disk.script = value.to_owned(),
            _ => {}
        }
    }
    if !has_key {
        // The short form: target, format, device, access.
        let parts: Vec<&str> = text.split(',').map(str::trim).collect();
        disk.target = parts.first().copied().unwrap_or_default().to_owned();
        disk.vdev = parts.get(2).copied().unwrap_or_default().to_owned();
        disk.is_writable = !matches!(parts.get(3).copied(), Some("r" | "ro"));
    }
    if disk.vdev.is_empty() { Err(ConfigError::Disk(text.to_owned())) } else { Ok(disk) }
}

fn vif(text: &str, at: usize) -> VifConfig {
    let mac = format!("00:16:3e:00:00:{:02x}", at + 1);
    let mut vif = VifConfig { mac, bridge: "xenbr0".to_owned(), script: "vif-bridge".to_owned() };
    for (key, value) in pairs(text) {
        match key {
            "mac" => vif.mac = value.to_owned(),
            "bridge" => vif.bridge = value.to_owned(),
            "script" => vif.script = value.to_owned(),
            _ => {}
        }
    }
    vif
}

fn action(key: &str, text: &str) -> Result<Action, ConfigError> {
    Ok(match text {
        "destroy" => Action::Destroy,
        "restart" => Action::Restart,
        "preserve" => Action::Preserve,
        "rename-restart" | "coredump-destroy" | "coredump-restart" | "soft-reset" => {
            return Err(ConfigError::NotModelled(key.to_owned(), text.to_owned()));
        }
        _ => return Err(ConfigError::Action(key.to_owned(), text.to_owned())),
    })
}

/// `SHUTDOWN_poweroff`, `_reboot`, `_crash`, `_watchdog`.
const POWEROFF: i64 = 0;
const REBOOT: i64 = 1;
const CRASH: i64 = 3;
const WATCHDOG: i64 = 4;

impl DomainConfig {
    /// What is to be done when it has shut down for this reason.
    pub fn action(&self, why: i64) -> Action {
        match why {
            POWEROFF => self.on_poweroff,
            REBOOT => self.on_reboot,
            CRASH => self.on_crash,
            WATCHDOG => self.on_watchdog,
            _ => Action::Preserve,
        }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// What `xl create` says of it.
    pub fn parse(text: &str) -> Result<DomainConfig, ConfigError> {
        let mut config = DomainConfig {
            kind: "pv".to_owned(),
            memory: 32,
            vcpus: 1,
            on_reboot: Action::Restart,
            ..DomainConfig::default()
        };
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (key, value) = line.split_once('=').ok_or_else(|| ConfigError::Syntax(line.to_owned()))?;
            let values = values(value).ok_or_else(|| ConfigError::Syntax(line.to_owned()))?;
            let first = values.first().cloned().unwrap_or_default();
            let number = || first.parse().map_err(|_| ConfigError::Syntax(line.to_owned()));
            match key.trim() {
                "name" => config.name = first,
                "type" => config.kind = first,
                "kernel" => config.kernel = first,
                "extra" | "cmdline" => config.extra = first,
                "memory" => config.memory = number()?,
                "vcpus" => config.vcpus = number()? as u32,
                "disk" => config.disks = values.iter().map(|text| disk(text)).collect::<Result<_, _>>()?,
                "vif" => config.vifs = values.iter().enumerate().map(|(at, text)| vif(text, at)).collect(),
                "on_poweroff" => config.on_poweroff = action("on_poweroff", &first)?,
                "on_reboot" => config.on_reboot = action("on_reboot", &first)?,
                "on_crash" => config.on_crash = action("on_crash", &first)?,
                "on_watchdog" => config.on_watchdog = action("on_watchdog", &first)?,
                // Of the many other keys nothing is modelled; xl takes them too.
                _ => {}
            }
        }
        match config.name.is_empty() {
            true => Err(ConfigError::Missing("domain name")),
            false => Ok(config),
        }
    }
}

/// The number of a disk by its name: `xvda` 51712, sixteen for each disk (`libxl__device_disk_dev_number`).
pub fn disk_number(vdev: &str) -> Option<u32> {
    let rest = vdev.strip_prefix("xvd").or_else(|| vdev.strip_prefix("sd"))?;
    let mut letters = rest.chars();
    let letter = letters.next().filter(char::is_ascii_lowercase)?;
    let partition: u32 = match letters.as_str() {
        "" => 0,
        text => text.parse().ok()?,
    };
    Some((202 << 8) + (u32::from(letter) - u32::from('a')) * 16 + partition)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_quotes_and_both_forms_of_disks_are_read() {
        let text = "# a guest\nname=\"g\"\nmemory = 64\ndisk=['/dev/vg/g,raw,xvdb,ro', 'vdev=xvda,target=/dev/loop0']\nvif=['']\n";
        let config = DomainConfig::parse(text).expect("it is right");
        assert_eq!((config.memory, config.vcpus, config.disks.len(), config.vifs.len()), (64, 1, 2, 1));
        assert_eq!((config.disks[0].vdev.as_str(), config.disks[0].is_writable), ("xvdb", false));
        assert_eq!(DomainConfig::parse("memory=1"), Err(ConfigError::Missing("domain name")));
        assert_eq!(DomainConfig::parse("nonsense"), Err(ConfigError::Syntax("nonsense".to_owned())));
        let ends = DomainConfig::parse("name='g'\non_crash=\"preserve\"").expect("it is right");
        let actions = [POWEROFF, REBOOT, CRASH].map(|why| ends.action(why));
        assert_eq!(actions, [Action::Destroy, Action::Restart, Action::Preserve]);
        let wrong = DomainConfig::parse("name='g'\non_reboot='dance'").expect_err("there is no such action");
        assert_eq!(wrong.to_string(), "Unknown on_reboot action \"dance\" specified");
        assert_eq!((disk_number("xvda"), disk_number("xvdb1"), disk_number("hda")), (Some(51712), Some(51729), None));
    }
}
