//! `xl create`: a domain is made, built, wired and started. Source: Xen 4.17, `tools/libs/light/libxl_create.c`,
//! `libxl_dom.c`, `libxl_device.c`, `libxl_disk.c`, `libxl_nic.c`, `libxl_console.c`; what they write is as recorded.
//!
//! A kernel's code is not modelled: it is enough that the file is there. Its page tables are made when it first runs.

use super::config::{self, DiskConfig, DomainConfig, VifConfig};
use super::console;
use super::info::by_name;
use super::monitor;
use super::privcmd::{
    CREATEDOMAIN, DOMCTL, EVENT_CHANNEL_OP, MAX_MEM, MEMORY_OP, SETVCPUCONTEXT, UNPAUSEDOMAIN, written,
};
use super::xl::Xl;
use crate::errno::Errno;
use crate::syscall::Value;

/// `EVTCHNOP_alloc_unbound`, `XENMEM_populate_physmap`.
const ALLOC_UNBOUND: i64 = 6;
const POPULATE_PHYSMAP: i64 = 6;
/// The guest's frames that are no ordinary memory: ring to xenstore, ring to the console, shared info. They are the first of
/// those that its drivers use.
const SPECIAL: i64 = 68 << 8;

/// `xl create [-c] [-p] [-e] FILE [KEY=VALUE...]`.
pub async fn create(mut xl: Xl<'_>, words: &[String]) -> Result<i32, i32> {
    let sys = xl.sys;
    let has = |flag: &str| words.iter().any(|word| word == flag);
    let mut operands = words.iter().filter(|word| !word.starts_with('-'));
    let file = operands.next().cloned().unwrap_or_default();
    let mut text = match sys.read_file(&file).await {
        Ok(text) => text,
        Err(e) => {
            sys.eprint(format!("Failed to read config file: {file}: {e}\n")).await;
            return Err(1);
        }
    };
    sys.print(format!("Parsing config from {file}\n")).await;
    sys.flush().await;
    for word in operands {
        text.push_str(&format!("\n{word}\n"));
    }
    let config = match DomainConfig::parse(&text) {
        Ok(config) => config,
        Err(wrong) => {
            sys.eprint(format!("{wrong}\n")).await;
            return Err(1);
        }
    };
    if config.kind != "pv" {
        sys.eprint(format!("xl create: domains of type \"{}\" are not modelled here, only \"pv\"\n", config.kind))
            .await;
        return Err(1);
    }
    let domid = start(&mut xl, &config, has("-p")).await?;
    if !has("-e") {
        monitor::leave_behind(&xl, domid, &text).await;
    }
    if has("-c") { console::attach(sys, domid).await } else { Ok(0) }
}

/// `libxl_domain_create_new`, and it runs: its number.
///
/// # Errors
/// The exit status, after a message; nothing is left of it.
pub async fn start(xl: &mut Xl<'_>, config: &DomainConfig, is_paused: bool) -> Result<i64, i32> {
    let domid = make(xl, config).await?;
    if let Err(step) = build(xl, domid, config).await {
        xl.sys.eprint(format!("libxl: error: libxl_create.c: domcreate_rebuild_done: Domain {domid}:{step}\n")).await;
        let _ = super::destroy::destroy_domain(xl, domid).await;
        return Err(1);
    }
    if !is_paused {
        let _ = xl.xen.domctl(UNPAUSEDOMAIN, domid, &[]).await;
    }
    Ok(domid)
}

/// `libxl__domain_make`: the domain, and its place in the store.
async fn make(xl: &Xl<'_>, config: &DomainConfig) -> Result<i64, i32> {
    let sys = xl.sys;
    if by_name(&xl.xen, &xl.store, &config.name).await.is_some() {
        let name = &config.name;
        sys.eprint(format!("libxl: error: libxl_create.c: Domain with name \"{name}\" already exists.\n")).await;
        return Err(1);
    }
    if let Err(e) = sys.stat(&config.kernel).await {
        let kernel = &config.kernel;
        sys.eprint(format!("libxl: error: libxl_dom.c: libxl__build_pv: xc_dom_kernel_file({kernel}) failed: {e}\n"))
            .await;
        return Err(1);
    }
    let fields = [("max_vcpus", config.vcpus.into()), ("handle", Value::str(config.name.as_str()))];
    let domid = match xl.xen.call(DOMCTL, CREATEDOMAIN, &fields).await {
        Ok(ret) => ret.value,
        Err(e) => {
            sys.eprint(format!("libxl: error: libxl_create.c: domain creation fail: {e}\n")).await;
            return Err(1);
        }
    };
    let at = format!("/local/domain/{domid}");
    let own = [format!("n{domid}")];
    let made = async {
        xl.store.make(&at, &["n0".to_owned(), format!("r{domid}")]).await?;
        xl.store.write(&format!("{at}/name"), &config.name).await?;
        for writable in ["control", "control/shutdown", "data", "device/suspend/event-channel"] {
            xl.store.make(&format!("{at}/{writable}"), &own).await?;
        }
        xl.store.write(&format!("{at}/domid"), &domid.to_string()).await
    };
    made.await.map_err(|_: Errno| 1)?;
    Ok(domid)
}

/// Memory, channels, devices; the text says what did not work.
async fn build(xl: &mut Xl<'_>, domid: i64, config: &DomainConfig) -> Result<(), String> {
    let pages = i64::try_from(config.memory.saturating_mul(256)).unwrap_or(i64::MAX);
    let kib = pages.saturating_mul(4);
    let failed = |what: &str, e: Errno| format!("{what} failed: {e}");
    xl.xen.domctl(MAX_MEM, domid, &[("max_memkb", kib.into())]).await.map_err(|e| failed("xc_domain_setmaxmem", e))?;
    let store_port = channel(xl, domid).await.map_err(|e| failed("xc_evtchn_alloc_unbound", e))?;
    let console_port = channel(xl, domid).await.map_err(|e| failed("xc_evtchn_alloc_unbound", e))?;
    // In three parts, so that it is known which frames the special ones are.
    let mut special = 0;
    for (gpfn, count) in [(0, SPECIAL), (SPECIAL, 3), (SPECIAL + 3, pages - SPECIAL - 3)] {
        let count = count.min(pages - gpfn).max(0);
        let fields = [("domid", domid.into()), ("nr_extents", count.into()), ("gpfn", gpfn.into())];
        let got = xl.xen.call(MEMORY_OP, POPULATE_PHYSMAP, &fields).await.map_err(|e| failed("populate", e))?;
        if got.value < count {
            return Err("xc_dom_boot_mem_init failed: Cannot allocate memory".to_owned());
        }
        if gpfn == SPECIAL {
            special = written(&got, "first_frame");
        }
    }
    for vcpu in 0..i64::from(config.vcpus) {
        let fields = [
            ("vcpu", vcpu.into()),
            ("store_mfn", special.into()),
            ("console_mfn", (special + 1).into()),
            ("shared_info_frame", (special + 2).into()),
            ("store_evtchn", store_port.into()),
            ("console_evtchn", console_port.into()),
            ("cmd_line", Value::str(config.extra.as_str())),
        ];
        xl.xen.domctl(SETVCPUCONTEXT, domid, &fields).await.map_err(|e| failed("xc_dom_boot_image", e))?;
    }
    let nodes = async {
        let at = format!("/local/domain/{domid}");
        for (name, value) in [
            ("memory/static-max", kib),
            ("memory/target", kib),
            ("store/port", store_port),
            ("store/ring-ref", special),
        ] {
            xl.store.write(&format!("{at}/{name}"), &value.to_string()).await?;
        }
        for vcpu in 0..config.vcpus {
            xl.store.write(&format!("{at}/cpu/{vcpu}/availability"), "online").await?;
        }
        xl.store.introduce(domid, special, store_port).await?;
        console_nodes(xl, domid, console_port, special + 1).await?;
        for disk in &config.disks {
            add_disk(xl, domid, disk).await?;
        }
        console_backend(xl, domid).await?;
        for (number, vif) in config.vifs.iter().enumerate() {
            add_vif(xl, domid, number, vif).await?;
        }
        Ok(())
    };
    nodes.await.map_err(|e: Errno| format!("unable to add devices: {e}"))
}

async fn channel(xl: &Xl<'_>, domid: i64) -> Result<i64, Errno> {
    let fields = [("dom", domid.into()), ("remote_dom", 0.into())];
    Ok(written(&xl.xen.call(EVENT_CHANNEL_OP, ALLOC_UNBOUND, &fields).await?, "port"))
}

/// The two halves of a device, in one transaction (`libxl__device_generic_add`).
async fn device(
    xl: &mut Xl<'_>,
    domid: i64,
    class: &str,
    number: u32,
    front: &[(&str, &str)],
    back: &[(&str, &str)],
) -> Result<String, Errno> {
    let front_at = format!("/local/domain/{domid}/device/{class}/{number}");
    let back_at = format!("/local/domain/0/backend/{class}/{domid}/{number}");
    loop {
        xl.store.begin().await?;
        xl.store.make(&front_at, &[format!("n{domid}"), "r0".to_owned()]).await?;
        xl.store.write(&format!("{front_at}/backend"), &back_at).await?;
        xl.store.write(&format!("{front_at}/backend-id"), "0").await?;
        for (name, value) in front {
            xl.store.write(&format!("{front_at}/{name}"), value).await?;
        }
        xl.store.make(&back_at, &["n0".to_owned(), format!("r{domid}")]).await?;
        xl.store.write(&format!("{back_at}/frontend"), &front_at).await?;
        for (name, value) in back {
            xl.store.write(&format!("{back_at}/{name}"), value).await?;
        }
        match xl.store.commit().await {
            Err(Errno::EAGAIN) => {}
            Err(e) => return Err(e),
            Ok(()) => return Ok(back_at),
        }
    }
}

async fn add_disk(xl: &mut Xl<'_>, domid: i64, disk: &DiskConfig) -> Result<(), Errno> {
    let Some(number) = config::disk_number(&disk.vdev) else {
        xl.sys
            .eprint(format!(
                "libxl: error: libxl_disk.c: Invalid or unsupported virtual disk identifier {}\n",
                disk.vdev
            ))
            .await;
        return Err(Errno::EINVAL);
    };
    let stat = match xl.sys.stat(&disk.target).await {
        Ok(stat) if stat.st_mode & 0o170_000 == 0o060_000 => stat,
        Ok(_) => {
            let target = &disk.target;
            xl.sys
                .eprint(format!("xl create: {target}: disks that are no block devices are not modelled here\n"))
                .await;
            return Err(Errno::ENOTBLK);
        }
        Err(e) => {
            let text =
                format!("libxl: error: libxl_device.c: Disk vdev={} failed to stat: {}: {e}\n", disk.vdev, disk.target);
            xl.sys.eprint(text).await;
            return Err(e);
        }
    };
    let (text, id, script) = (number.to_string(), domid.to_string(), format!("/etc/xen/scripts/{}", disk.script));
    let front = [
        ("state", "1"),
        ("virtual-device", &text),
        ("device-type", "disk"),
        ("trusted", "1"),
        ("protocol", "x86_64-abi"),
    ];
    let back = [
        ("params", disk.target.as_str()),
        ("script", &script),
        ("frontend-id", &id),
        ("online", "1"),
        ("removable", "0"),
        ("bootable", "1"),
        ("state", "1"),
        ("dev", &disk.vdev),
        ("type", "phy"),
        ("mode", if disk.is_writable { "w" } else { "r" }),
        ("device-type", "disk"),
        ("discard-enable", "1"),
        ("specification", "xen"),
    ];
    let at = device(xl, domid, "vbd", number, &front, &back).await?;
    // What the script does: it finds out which device it is.
    let (major, minor) = (stat.st_rdev >> 8 & 0xfff, stat.st_rdev & 0xff);
    xl.store.write(&format!("{at}/physical-device"), &format!("{major:x}:{minor:x}")).await?;
    xl.store.write(&format!("{at}/hotplug-status"), "connected").await
}

async fn add_vif(xl: &mut Xl<'_>, domid: i64, number: usize, vif: &VifConfig) -> Result<(), Errno> {
    let (handle, id, script) = (number.to_string(), domid.to_string(), format!("/etc/xen/scripts/{}", vif.script));
    let front = [("state", "1"), ("handle", &handle), ("mac", &vif.mac), ("trusted", "1"), ("mtu", "1500")];
    let back = [
        ("frontend-id", id.as_str()),
        ("online", "1"),
        ("state", "1"),
        ("script", &script),
        ("mac", &vif.mac),
        ("bridge", &vif.bridge),
        ("handle", &handle),
        ("type", "vif"),
    ];
    let at = device(xl, domid, "vif", number as u32, &front, &back).await?;
    plug(xl, &format!("vif{domid}.{number}"), vif).await;
    xl.store.write(&format!("{at}/hotplug-status"), "connected").await
}

/// What the script of an interface does: it is put up, and `vif-bridge` puts it into its bridge, if there is one.
async fn plug(xl: &Xl<'_>, name: &str, vif: &VifConfig) {
    let bridge: &[&str] =
        if vif.script == "vif-bridge" { &["ip", "link", "set", name, "master", &vif.bridge] } else { &[] };
    for words in [bridge, &["ip", "link", "set", name, "up"]] {
        if words.is_empty() {
            continue;
        }
        let argv: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        match xl.sys.fork().await {
            Ok(0) => {
                let _ = xl.sys.execvp("ip", &argv).await;
                xl.sys.exit(127).await;
            }
            Ok(pid) => {
                let _ = xl.sys.wait4(pid, 0).await;
            }
            Err(_) => {}
        }
    }
}

async fn console_nodes(xl: &Xl<'_>, domid: i64, port: i64, ring: i64) -> Result<(), Errno> {
    let at = format!("/local/domain/{domid}/console");
    xl.store.make(&at, &["n0".to_owned(), format!("r{domid}")]).await?;
    for (name, value) in [
        ("backend", format!("/local/domain/0/backend/console/{domid}/0")),
        ("backend-id", "0".to_owned()),
        ("limit", "1048576".to_owned()),
        ("type", "xenconsoled".to_owned()),
        ("output", "pty".to_owned()),
        ("ring-ref", ring.to_string()),
        ("port", port.to_string()),
    ] {
        xl.store.write(&format!("{at}/{name}"), &value).await?;
    }
    Ok(())
}

async fn console_backend(xl: &Xl<'_>, domid: i64) -> Result<(), Errno> {
    let at = format!("/local/domain/0/backend/console/{domid}/0");
    xl.store.make(&at, &["n0".to_owned(), format!("r{domid}")]).await?;
    for (name, value) in [
        ("frontend", format!("/local/domain/{domid}/console")),
        ("frontend-id", domid.to_string()),
        ("online", "1".to_owned()),
        ("state", "1".to_owned()),
        ("protocol", "vt100".to_owned()),
    ] {
        xl.store.write(&format!("{at}/{name}"), &value).await?;
    }
    Ok(())
}
