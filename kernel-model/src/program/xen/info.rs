//! `xl list`, `vcpu-list`, `info`, `dmesg`, `debug-keys`, `sched-credit`. Source: Xen 4.17, `tools/xl/xl_list.c`, `xl_info.c`,
//! `xl_sched.c`, `xl_misc.c`.

use super::privcmd::{
    DEBUG_KEYS, DomainInfo, GETVCPUINFO, PHYSINFO, PrivCmd, READCONSOLE, SCHEDULER_OP, SYSCTL, XEN_VERSION, written,
};
use super::xl::{Xl, find};
use crate::syscall::Value;

/// `libxl_domid_to_name`.
async fn name_of(xl: &Xl<'_>, domid: i64) -> String {
    let path = format!("/local/domain/{domid}/name");
    xl.store.read(&path).await.unwrap_or_else(|_| "(null)".to_owned())
}

/// The domains that are named, or all.
async fn chosen(xl: &Xl<'_>, words: &[String]) -> Result<Vec<DomainInfo>, i32> {
    let all = xl.xen.domains().await.map_err(|_| 1)?;
    match words.first() {
        None => Ok(all),
        Some(word) => {
            let domid = find(xl, word).await?;
            Ok(all.into_iter().filter(|info| info.domid == domid).collect())
        }
    }
}

/// `xl list [DOMAIN]`.
pub async fn list(xl: &Xl<'_>, words: &[String]) -> Result<i32, i32> {
    let infos = chosen(xl, words).await?;
    xl.sys.print("Name                                        ID   Mem VCPUs\tState\tTime(s)\n").await;
    for info in infos {
        let (mib, seconds) = (info.tot_pages >> 8, info.cpu_time as f64 / 1e9);
        let line = format!(
            "{:<40} {:>5} {mib:>5} {:>5}     {}  {seconds:>8.1}\n",
            name_of(xl, info.domid).await,
            info.domid,
            info.vcpus,
            info.state()
        );
        xl.sys.print(line).await;
    }
    Ok(0)
}

/// `xl vcpu-list [DOMAIN]`.
pub async fn vcpu_list(xl: &Xl<'_>, words: &[String]) -> Result<i32, i32> {
    let infos = chosen(xl, words).await?;
    xl.sys.print("Name                                ID  VCPU   CPU State   Time(s) Affinity (Hard / Soft)\n").await;
    for info in infos {
        let name = name_of(xl, info.domid).await;
        for vcpu in 0_i64.. {
            let fields = [("vcpu", vcpu.into())];
            let Ok(told) = xl.xen.domctl(GETVCPUINFO, info.domid, &fields).await else { break };
            let is = |name: &str| written(&told, name) != 0;
            let state = match (is("online"), is("running"), is("blocked")) {
                (false, ..) => "--p",
                (_, true, _) => "r--",
                (.., true) => "-b-",
                _ => "---",
            };
            let cpu = if is("online") { vcpu.to_string() } else { "-".to_owned() };
            let seconds = written(&told, "cpu_time") as f64 / 1e9;
            let line =
                format!("{name:<32} {:>5} {vcpu:>5} {cpu:>5}   {state}  {seconds:>8.1}  all / all\n", info.domid);
            xl.sys.print(line).await;
        }
    }
    Ok(0)
}

/// `xl info`.
pub async fn info(xl: &Xl<'_>) -> Result<i32, i32> {
    let mut rows: Vec<(&str, String)> = Vec::new();
    for (label, field) in [("host", "nodename"), ("release", "release"), ("version", "version"), ("machine", "machine")]
    {
        rows.push((label, xl.sys.uname(field).await.unwrap_or_default()));
    }
    let machine = xl.xen.call(SYSCTL, PHYSINFO, &[]).await.map_err(|_| 1)?;
    let version = xl.xen.call(XEN_VERSION, 0, &[]).await.map_err(|_| 1)?.value;
    let text = async |cmd: i64| match xl.xen.call(XEN_VERSION, cmd, &[]).await {
        Ok(ret) => ret.output(2).field("text").and_then(Value::as_str).unwrap_or_default().to_owned(),
        Err(_) => String::new(),
    };
    let (extra, caps, changeset) = (text(1).await, text(3).await, text(4).await);
    let (major, minor, cpus) = (version >> 16, version & 0xffff, written(&machine, "nr_cpus"));
    rows.extend([
        ("nr_cpus", cpus.to_string()),
        ("max_cpu_id", (cpus - 1).to_string()),
        ("nr_nodes", "1".to_owned()),
        ("cores_per_socket", cpus.to_string()),
        ("threads_per_core", "1".to_owned()),
        ("virt_caps", "pv hvm gnttab-v1 gnttab-v2".to_owned()),
        ("total_memory", (written(&machine, "total_pages") >> 8).to_string()),
        ("free_memory", (written(&machine, "free_pages") >> 8).to_string()),
        ("sharing_freed_memory", "0".to_owned()),
        ("sharing_used_memory", "0".to_owned()),
        ("outstanding_claims", "0".to_owned()),
        ("free_cpus", "0".to_owned()),
        ("xen_major", major.to_string()),
        ("xen_minor", minor.to_string()),
        ("xen_extra", extra.clone()),
        ("xen_version", format!("{major}.{minor}{extra}")),
        ("xen_caps", caps),
        ("xen_scheduler", "credit".to_owned()),
        ("xen_pagesize", "4096".to_owned()),
        ("platform_params", "virt_start=0xffff800000000000".to_owned()),
        ("xen_changeset", changeset),
        ("xend_config_format", "4".to_owned()),
    ]);
    let all: String = rows.iter().map(|(label, value)| format!("{label:<23}: {value}\n")).collect();
    xl.sys.print(all).await;
    Ok(0)
}

/// `xl dmesg [-c]`.
pub async fn dmesg(xl: &Xl<'_>, words: &[String]) -> Result<i32, i32> {
    let clears = i64::from(words.first().is_some_and(|word| word == "-c"));
    let ret = xl.xen.call(SYSCTL, READCONSOLE, &[("clear", clears.into())]).await.map_err(|_| 1)?;
    xl.sys.print(ret.output(2).field("text").and_then(Value::as_str).unwrap_or_default()).await;
    Ok(0)
}

/// `xl debug-keys KEYS`.
pub async fn debug_keys(xl: &Xl<'_>, words: &[String]) -> Result<i32, i32> {
    let keys = words.first().cloned().unwrap_or_default();
    if xl.xen.call(SYSCTL, DEBUG_KEYS, &[("keys", Value::str(keys))]).await.is_err() {
        xl.sys.eprint("cannot send debug keys: \n").await;
        return Err(1);
    }
    Ok(0)
}

/// `xl sched-credit [-d DOMAIN [-w WEIGHT] [-c CAP]]`.
pub async fn sched_credit(xl: &Xl<'_>, words: &[String]) -> Result<i32, i32> {
    let value = |names: [&str; 2]| {
        let at = words.iter().position(|word| names.contains(&word.as_str()))?;
        words.get(at + 1).cloned()
    };
    let (weight, cap) = (value(["-w", "--weight"]), value(["-c", "--cap"]));
    let Some(domain) = value(["-d", "--domain"]) else {
        if weight.is_some() || cap.is_some() {
            xl.sys.eprint("Must specify a domain.\n").await;
            return Err(1);
        }
        let all = xl.xen.domains().await.map_err(|_| 1)?;
        xl.sys.print("Cpupool Pool-0: tslice=30ms ratelimit=1000us migration-delay=0us\n").await;
        return shares(xl, &all).await;
    };
    let domid = find(xl, &domain).await?;
    let info = xl.xen.domain(domid).await.map_err(|_| 1)?;
    if weight.is_none() && cap.is_none() {
        return shares(xl, &[info]).await;
    }
    let number = |text: Option<String>, known: i64| text.map_or(Ok(known), |text| text.parse::<i64>().map_err(|_| 1));
    let (weight, cap) = (number(weight, info.weight)?, number(cap, info.cap)?);
    if !(1..=65535).contains(&weight) {
        xl.sys.eprint("libxl: error: Cpu weight out of range, valid values are within range from 1 to 65535\n").await;
        return Err(1);
    }
    if !(0..=100 * info.vcpus).contains(&cap) {
        let most = 100 * info.vcpus;
        xl.sys
            .eprint(format!(
                "libxl: error: Cpu cap out of range, valid range is from 0 to {most} for specified number of vcpus\n"
            ))
            .await;
        return Err(1);
    }
    let fields = [("weight", weight.into()), ("cap", cap.into())];
    xl.xen.domctl(SCHEDULER_OP, domid, &fields).await.map(|_| 0).map_err(|_| 1)
}

async fn shares(xl: &Xl<'_>, infos: &[DomainInfo]) -> Result<i32, i32> {
    xl.sys.print(format!("{:<33} {:>4} {:>6} {:>4}\n", "Name", "ID", "Weight", "Cap")).await;
    for info in infos {
        let name = name_of(xl, info.domid).await;
        xl.sys.print(format!("{name:<33} {:>4} {:>6} {:>4}\n", info.domid, info.weight, info.cap)).await;
    }
    Ok(0)
}

/// Whether somebody has the name, and who.
pub async fn by_name(xen: &PrivCmd<'_>, store: &super::xenstore::XenStore<'_>, name: &str) -> Option<i64> {
    for info in xen.domains().await.unwrap_or_default() {
        let path = format!("/local/domain/{}/name", info.domid);
        if store.read(&path).await.is_ok_and(|known| known == name) {
            return Some(info.domid);
        }
    }
    None
}
