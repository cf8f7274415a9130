//! `-netdev`, `-nic` and `-device`: network cards, and what they lead to (`net/net.c`, `qdev-monitor.c`).

use super::{Model, Netdev, Nic, Options, Stop, not_modelled, stop};
use crate::net::mac::Mac;

/// The address of the first card; the next ones count up (`qemu_macaddr_default_if_unset`).
const FIRST_MAC: [u8; 6] = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];

fn parts(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split(',').skip(1).map(|part| part.split_once('=').unwrap_or((part, "on")))
}

/// `-netdev`.
pub fn netdev(option: &str, value: &str, options: &mut Options) -> Result<(), Stop> {
    let text = format!("{option} {value}");
    if value.split(',').next() != Some("tap") {
        return Err(not_modelled(option, value));
    }
    let Some((_, id)) = parts(value).find(|(key, _)| *key == "id") else {
        return Err(stop(format!("{text}: Parameter 'id' is missing")));
    };
    if options.netdevs.iter().any(|known| known.id == id) {
        return Err(stop(format!("{text}: Duplicate ID '{id}' for netdev")));
    }
    let mut netdev = Netdev { text: text.clone(), id: id.to_owned(), ifname: None, script: None, downscript: None };
    for (key, value) in parts(value) {
        match key {
            "id" => {}
            "ifname" => netdev.ifname = Some(value.to_owned()),
            "script" => netdev.script = Some(value.to_owned()),
            "downscript" => netdev.downscript = Some(value.to_owned()),
            "vhost" | "vnet_hdr" if value == "off" => {}
            "vhost" | "vnet_hdr" | "queues" | "fd" | "fds" | "br" | "helper" | "sndbuf" => {
                return Err(stop(format!("{text}: {key} is not modelled here")));
            }
            _ => return Err(stop(format!("{text}: Invalid parameter '{key}'"))),
        }
    }
    options.netdevs.push(netdev);
    Ok(())
}

/// `-nic tap`: a netdev and a card in one.
pub fn nic(option: &str, value: &str, options: &mut Options) -> Result<(), Stop> {
    let id = format!("__org.qemu.net{}", options.netdevs.len());
    let of_card = |key: &str| matches!(key, "model" | "mac" | "macaddr");
    let mut back = format!("tap,id={id}");
    let (mut model, mut mac) = ("e1000", None);
    for (key, value) in parts(value) {
        match key {
            "model" => model = value,
            _ if of_card(key) => mac = Some(value),
            _ => back.push_str(&format!(",{key}={value}")),
        }
    }
    netdev(option, &back, options)?;
    let text = format!("{option} {value}");
    if let Some(last) = options.netdevs.last_mut() {
        last.text.clone_from(&text);
    }
    let model = self::model(model).ok_or_else(|| stop(format!("Unsupported NIC model: {model}")))?;
    let mac = address(mac, options).map_err(|_| stop(format!("{text}: invalid syntax for ethernet address")))?;
    options.nics.push(Nic { text, netdev: options.netdevs.len() - 1, model, mac });
    Ok(())
}

fn model(name: &str) -> Option<Model> {
    match name {
        "virtio-net-pci" | "virtio-net" | "virtio" => Some(Model::Virtio),
        "e1000" | "e1000-82540em" => Some(Model::E1000),
        _ => None,
    }
}

/// The address that was asked for, or the next free one.
///
/// # Errors
/// The text that is no address.
fn address<'a>(mac: Option<&'a str>, options: &Options) -> Result<[u8; 6], &'a str> {
    if let Some(mac) = mac {
        return mac.parse::<Mac>().map(|parsed| parsed.0).map_err(|()| mac);
    }
    let taken = |mac: &[u8; 6]| options.nics.iter().any(|nic| nic.mac == *mac);
    let [a, b, c, d, e, last] = FIRST_MAC;
    let all = (0..=u8::MAX).map(|n| [a, b, c, d, e, last.wrapping_add(n)]);
    Ok(all.into_iter().find(|mac| !taken(mac)).unwrap_or(FIRST_MAC))
}

/// `-device`; `text` is the option with its value.
pub fn device(text: &str, options: &mut Options) -> Result<(), Stop> {
    let (option, value) = text.split_once(' ').unwrap_or((text, ""));
    let driver = value.split(',').next().unwrap_or_default();
    if matches!(driver, "virtio-balloon" | "virtio-balloon-pci") {
        if options.balloon.is_some() {
            return Err(stop(format!("{text}: Only one balloon device is supported")));
        }
        options.balloon = Some(text.to_owned());
        return Ok(());
    }
    let Some(model) = model(driver).filter(|_| driver != "virtio") else {
        let known = ["virtio-blk", "ide-", "virtio-serial", "usb-", "vfio-", "virtio-rng", "virtio-scsi", "isa-", "pc"];
        return Err(match known.iter().any(|prefix| driver.starts_with(prefix)) {
            true => not_modelled(option, value),
            false => stop(format!("{text}: '{driver}' is not a valid device model name")),
        });
    };
    let (mut netdev, mut mac) = (None, None);
    for (key, value) in parts(value) {
        match key {
            "netdev" => {
                let place = options.netdevs.iter().position(|known| known.id == value);
                // The property is that of the virtio device on the bus within.
                let of = if model == Model::Virtio { "virtio-net-device" } else { driver };
                let property = format!("Property '{of}.netdev'");
                let place = place.ok_or_else(|| stop(format!("{text}: {property} can't find value '{value}'")))?;
                if options.nics.iter().any(|nic| nic.netdev == place) {
                    return Err(stop(format!("{text}: {property} can't take value '{value}', it's in use")));
                }
                netdev = Some(place);
            }
            "mac" => mac = Some(value),
            "id" | "bus" | "addr" | "romfile" => {}
            _ => return Err(stop(format!("{text}: Property '{driver}.{key}' not found"))),
        }
    }
    let mac = address(mac, options)
        .map_err(|mac| stop(format!("{text}: Property '{driver}.mac' doesn't take value '{mac}'")))?;
    let Some(netdev) = netdev else {
        return Err(stop(format!("{text}: a card that leads nowhere is not modelled here: netdev=ID")));
    };
    options.nics.push(Nic { text: text.to_owned(), netdev, model, mac });
    Ok(())
}
