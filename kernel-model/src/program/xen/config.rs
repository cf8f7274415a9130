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

impl DomainConfig {
    /// Reads a file.
    ///
    /// # Errors
    /// What `xl create` says of it.
    pub fn parse(text: &str) -> Result<DomainConfig, ConfigError> {
        let mut config = DomainConfig { kind: "pv".to_owned(), memory: 32, vcpus: 1, ..DomainConfig::default() };
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
        assert_eq!((disk_number("xvda"), disk_number("xvdb1"), disk_number("hda")), (Some(51712), Some(51729), None));
    }
}
