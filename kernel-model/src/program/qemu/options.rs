//! The command line of QEMU, as far as it is modelled; network cards and what they lead to are in [`network`].

mod network;

/// A disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Drive {
    /// The option as it was written, for messages.
    pub text: String,
    /// The file of the host.
    pub file: String,
    /// `if=virtio`; else `ide`.
    pub is_virtio: bool,
    /// It may not be written.
    pub readonly: bool,
}

/// Where a network card leads to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Netdev {
    /// The option as it was written, for messages.
    pub text: String,
    /// What it is called.
    pub id: String,
    /// `ifname`: the device of the host.
    pub ifname: Option<String>,
    /// `script`, `downscript`: what is run when it is opened and closed.
    pub script: Option<String>,
    /// See [`Netdev::script`].
    pub downscript: Option<String>,
}

/// Which network card.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Model {
    /// `virtio-net-pci`.
    Virtio,
    /// `e1000`, an Intel 82540EM.
    E1000,
}

/// A network card.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Nic {
    /// The option as it was written, for messages.
    pub text: String,
    /// Which of the netdevs it leads to.
    pub netdev: usize,
    /// Which card it is.
    pub model: Model,
    /// Its Ethernet address.
    pub mac: [u8; 6],
}

/// What was asked for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// Bytes of memory.
    pub memory: u64,
    /// `-name`.
    pub name: Option<String>,
    /// `-nographic`.
    pub nographic: bool,
    /// `-kernel`.
    pub kernel: Option<String>,
    /// `-initrd`.
    pub initrd: Option<String>,
    /// `-append`.
    pub append: Option<String>,
    /// Disks, in order.
    pub drives: Vec<Drive>,
    /// Where network cards lead to.
    pub netdevs: Vec<Netdev>,
    /// Network cards, in order.
    pub nics: Vec<Nic>,
    /// `-S`: it waits for `cont`.
    pub is_stopped: bool,
    /// `-incoming`: where it waits for a guest.
    pub incoming: Option<String>,
    /// There is a balloon: the option as it was written.
    pub balloon: Option<String>,
}

/// The program ends before it has begun.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stop {
    /// What it says.
    pub text: String,
    /// How it exits.
    pub status: i32,
}

const VERSION: &str = "QEMU emulator version 7.2.19 (Debian 1:7.2+dfsg-7+deb12u16)
Copyright (c) 2003-2022 Fabrice Bellard and the QEMU Project developers
";

/// What a PC has when nothing is said.
const DEFAULT_MEMORY: u64 = 128 << 20;

fn stop(text: impl AsRef<str>) -> Stop {
    Stop { text: format!("{}: {}\n", super::SELF, text.as_ref()), status: 1 }
}

/// Reads the command line.
///
/// # Errors
/// What it says instead of starting.
pub fn parse(argv: &[String]) -> Result<Options, Stop> {
    let mut options = Options { memory: DEFAULT_MEMORY, ..Options::default() };
    let mut accel = None;
    // Devices are made when everything that they lead to is known.
    let mut devices = Vec::new();
    let mut words = argv.iter().skip(1);
    while let Some(word) = words.next() {
        if !word.starts_with('-') {
            options.drives.push(ide(word, word));
            continue;
        }
        // One dash or two, as QEMU takes them.
        let name = word.strip_prefix("--").or_else(|| word.strip_prefix('-')).unwrap_or(word);
        let mut value = || words.next().cloned().ok_or_else(|| stop(format!("{word}: requires an argument")));
        match name {
            "h" | "help" => return Err(Stop { text: help(), status: 0 }),
            "version" => return Err(Stop { text: VERSION.to_owned(), status: 0 }),
            "enable-kvm" => accel = Some("kvm".to_owned()),
            "accel" => accel = Some(value()?),
            "machine" | "M" => {
                let text = value()?;
                accel = text.split(',').find_map(|p| p.strip_prefix("accel=")).map(str::to_owned).or(accel);
            }
            "cpu" => drop(value()?),
            "m" => options.memory = memory(&value()?)?,
            "smp" => processors(&value()?)?,
            "name" => options.name = Some(value()?.trim_start_matches("guest=").to_owned()),
            "nographic" => options.nographic = true,
            "kernel" => options.kernel = Some(value()?),
            "initrd" => options.initrd = Some(value()?),
            "append" => options.append = Some(value()?),
            "drive" => options.drives.push(drive(&value()?)?),
            "hda" => {
                let file = value()?;
                options.drives.push(ide(&file, &file));
            }
            "device" => devices.push(format!("{word} {}", value()?)),
            "netdev" => network::netdev(word, &value()?, &mut options)?,
            "nic" | "net" | "chardev" | "serial" | "monitor" | "display" | "vga" | "cdrom" | "boot" => {
                let value = value()?;
                if name == "nic" && value.split(',').next() == Some("tap") {
                    network::nic(word, &value, &mut options)?;
                    continue;
                }
                let is_default = matches!(
                    (name, value.as_str()),
                    ("nic" | "net" | "display" | "vga", "none") | ("serial" | "monitor", "mon:stdio")
                );
                if !is_default {
                    return Err(not_modelled(word, &value));
                }
            }
            "nodefaults" | "no-reboot" => {}
            "S" => options.is_stopped = true,
            "incoming" => options.incoming = Some(value()?),
            _ => return Err(stop(format!("{word}: invalid option"))),
        }
    }
    for device in devices {
        network::device(&device, &mut options)?;
    }
    if options.append.is_some() && options.kernel.is_none() {
        return Err(stop("-append only allowed with -kernel option"));
    }
    if options.initrd.is_some() && options.kernel.is_none() {
        return Err(stop("-initrd only allowed with -kernel option"));
    }
    match accel.as_deref() {
        Some("kvm") => {}
        None | Some("tcg") => return Err(stop("the accelerator tcg is not modelled here: use -enable-kvm")),
        Some(other) => return Err(stop(format!("-accel {other}: invalid accelerator {other}"))),
    }
    if !options.nographic {
        return Err(stop("displays are not modelled here: use -nographic"));
    }
    Ok(options)
}

/// What QEMU has and the model does not.
fn not_modelled(option: &str, value: &str) -> Stop {
    stop(format!("{option} {value}: not modelled here"))
}

/// A size in MiB, or with a suffix (`parse_option_size`); at least 16 MiB are of use here.
fn memory(text: &str) -> Result<u64, Stop> {
    let number = text.split(',').find_map(|part| match part.split_once('=') {
        Some(("size", size)) => Some(size),
        Some(_) => None,
        None => Some(part),
    });
    let number = number.unwrap_or_default();
    let bytes = match strtosz(number) {
        Size::Bytes(0) => DEFAULT_MEMORY,
        Size::Bytes(n) => n,
        Size::TooLarge => {
            return Err(stop(format!("-m {text}: Value '{number}' is out of range for parameter 'size'")));
        }
        Size::NoNumber => {
            return Err(stop(format!(
                "-m {text}: Parameter 'size' expects a non-negative number below 2^64\nOptional suffix k, M, G, T, P or E \
                 means kilo-, mega-, giga-, tera-, peta-\nand exabytes, respectively."
            )));
        }
    };
    if bytes < 16 << 20 {
        return Err(stop("a guest with less than 16 MiB is not modelled here"));
    }
    if bytes > 1 << 30 {
        return Err(stop("a guest with more than 1 GiB is not modelled here: the host has 2"));
    }
    Ok(bytes.next_multiple_of(8192))
}

/// What a text for a size is.
enum Size {
    Bytes(u64),
    TooLarge,
    NoNumber,
}

/// `qemu_strtosz_MiB`: a number, perhaps with a fraction, and a suffix.
fn strtosz(text: &str) -> Size {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match &text[number.len()..] {
        "" | "M" | "m" => 20,
        "B" | "b" => 0,
        "K" | "k" => 10,
        "G" | "g" => 30,
        "T" | "t" => 40,
        "P" | "p" => 50,
        "E" | "e" => 60,
        _ => return Size::NoNumber,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let is_number = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(fraction) || fraction.len() > 9 {
        return Size::NoNumber;
    }
    let part = fraction.parse::<u128>().map_or(0, |n| (n << shift) / 10_u128.pow(fraction.len() as u32));
    let bytes = whole.parse::<u64>().ok().and_then(|n| u64::try_from((u128::from(n) << shift) + part).ok());
    bytes.map_or(Size::TooLarge, Size::Bytes)
}

fn processors(text: &str) -> Result<(), Stop> {
    let number = text.split(',').next().unwrap_or_default();
    match number.strip_prefix("cpus=").unwrap_or(number).parse::<u32>() {
        Ok(1) => Ok(()),
        Ok(0) => Err(stop("Invalid CPU topology: CPU topology parameters must be greater than zero")),
        Ok(_) => Err(stop("more than one virtual processor is not modelled here")),
        Err(_) => Err(stop(format!("-smp {text}: Parameter 'cpus' expects a number"))),
    }
}

fn ide(text: &str, file: &str) -> Drive {
    Drive { text: text.to_owned(), file: file.to_owned(), is_virtio: false, readonly: false }
}

fn drive(text: &str) -> Result<Drive, Stop> {
    let mut drive = ide(&format!("-drive {text}"), "");
    for part in text.split(',') {
        let (key, value) = part.split_once('=').unwrap_or((part, "on"));
        match (key, value) {
            ("file", file) => drive.file = file.to_owned(),
            ("if", "virtio") => drive.is_virtio = true,
            ("if", "ide") | ("format", "raw") | ("cache" | "aio" | "id" | "index" | "media", _) => {}
            ("format", other) => {
                return Err(stop(format!("-drive {text}: Unknown driver '{other}' (raw is modelled here)")));
            }
            ("readonly" | "read-only", value) => drive.readonly = value == "on",
            ("if", other) => return Err(stop(format!("-drive {text}: unsupported bus type '{other}'"))),
            _ => return Err(stop(format!("-drive {text}: Block format 'raw' does not support the option '{key}'"))),
        }
    }
    Ok(drive)
}

fn help() -> String {
    format!(
        "{VERSION}usage: {} [options] [disk_image]\n\n'disk_image' is a raw hard disk image for IDE hard disk 0\n\n\
         Options that are modelled here:\n{}\n",
        super::SELF,
        super::QEMU.usage
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: &str) -> String {
        let argv: Vec<String> = line.split(' ').map(str::to_owned).collect();
        parse(&argv).map_or_else(|stop| stop.text, |options| format!("{} MiB\n", options.memory >> 20))
    }

    #[test]
    fn what_is_asked_for_is_understood_or_refused_in_its_own_words() {
        let q = |rest: &str| told(&format!("qemu-system-x86_64 -enable-kvm -nographic {rest}"));
        assert_eq!(q("-m 256"), "256 MiB\n");
        assert_eq!(q("-m 1G"), "1024 MiB\n");
        assert_eq!(q("-m 0.5G"), "512 MiB\n");
        assert_eq!(q("-m 0"), "128 MiB\n");
        assert_eq!(q("-m size=64,slots=2"), "64 MiB\n");
        let range = "Value '99999999999999999999' is out of range for parameter 'size'\n";
        assert_eq!(q("-m 99999999999999999999"), format!("qemu-system-x86_64: -m 99999999999999999999: {range}"));
        assert!(q("-m 17179869184G").ends_with("is out of range for parameter 'size'\n"));
        assert!(
            q("-m 12abc").starts_with("qemu-system-x86_64: -m 12abc: Parameter 'size' expects a non-negative number")
        );
        assert_eq!(q("-nic none"), "128 MiB\n");
        assert_eq!(q("-netdev user,id=a"), "qemu-system-x86_64: -netdev user,id=a: not modelled here\n");
        assert_eq!(q("-netdev tap"), "qemu-system-x86_64: -netdev tap: Parameter 'id' is missing\n");
        let twice = "-netdev tap,id=a -netdev tap,id=a";
        assert_eq!(q(twice), "qemu-system-x86_64: -netdev tap,id=a: Duplicate ID 'a' for netdev\n");
        assert_eq!(
            q("-device e1000,netdev=b"),
            "qemu-system-x86_64: -device e1000,netdev=b: Property 'e1000.netdev' can't find value 'b'\n"
        );
        let taken = "-netdev tap,id=a -device e1000,netdev=a -device virtio-net-pci,netdev=a";
        assert_eq!(
            q(taken),
            "qemu-system-x86_64: -device virtio-net-pci,netdev=a: Property 'virtio-net-device.netdev' can't take value 'a', it's \
             in use\n"
        );
        assert_eq!(q("-device foo"), "qemu-system-x86_64: -device foo: 'foo' is not a valid device model name\n");
        assert_eq!(q("-nic tap,ifname=tap0,script=no,downscript=no -device virtio-balloon"), "128 MiB\n");
        assert_eq!(q("-m"), "qemu-system-x86_64: -m: requires an argument\n");
        assert_eq!(q("-frobnicate"), "qemu-system-x86_64: -frobnicate: invalid option\n");
        assert_eq!(q("-append x"), "qemu-system-x86_64: -append only allowed with -kernel option\n");
    }
}
