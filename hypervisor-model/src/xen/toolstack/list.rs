//! What `xl list`, `xl vcpu-list`, `xl info`, `lsevtchn` and `xenstore-ls` print. Source: Xen 4.17, `tools/xl/xl_list.c`,
//! `xl_vcpu.c`, `xl_info.c`, `tools/xcutils/lsevtchn.c`, `tools/xs-clients`.

use std::fmt::Write;

use super::XenSystem;
use crate::xen::domain::{DomId, ShutdownReason};
use crate::xen::domctl::DomainInfo;
use crate::xen::event_channel::{Port, PortState};
use crate::xen::xenstore::Asker;

/// The six letters of a domain's state.
fn state(info: &DomainInfo) -> String {
    let is_crashed = info.shutdown == Some(ShutdownReason::Crash);
    let letters = [
        (info.is_running && !info.is_paused, 'r'),
        (info.is_blocked, 'b'),
        (info.is_paused, 'p'),
        (info.shutdown.is_some() && !is_crashed, 's'),
        (is_crashed, 'c'),
        (info.is_dying, 'd'),
    ];
    letters.iter().map(|(is_so, letter)| if *is_so { *letter } else { '-' }).collect()
}

impl XenSystem {
    /// `xl list`, all domains or one.
    pub fn list(&self, only: Option<DomId>) -> String {
        let mut text = "Name                                        ID   Mem VCPUs\tState\tTime(s)\n".to_owned();
        for d in self.host.xen.domains().filter(|d| only.is_none_or(|id| id == d.id)) {
            let Ok(info) = self.host.xen.domain_info(d.id) else { continue };
            let seconds = info.cpu_time as f64 / 1e9;
            let (name, mib) = (self.name(d.id), info.tot_pages >> 8);
            let _ = writeln!(
                text,
                "{name:<40} {:>5} {mib:>5} {:>5}     {}  {seconds:>8.1}",
                d.id.0,
                info.online_vcpus,
                state(&info)
            );
        }
        text
    }

    /// `xl vcpu-list`.
    pub fn vcpu_list(&self) -> String {
        let mut text =
            "Name                                ID  VCPU   CPU State   Time(s) Affinity (Hard / Soft)\n".to_owned();
        for d in self.host.xen.domains() {
            for (n, v) in d.vcpus.iter().enumerate() {
                let runs = self.host.xen.credit_pick().is_some_and(|who| (who.domain, who.vcpu) == (d.id, n as u32));
                let (cpu, state) = match (v.is_up, runs, v.is_runnable()) {
                    (false, ..) => ("-", "--p"),
                    (_, true, _) => ("0", "r--"),
                    (_, _, true) => ("0", "---"),
                    _ => ("0", "-b-"),
                };
                let seconds = v.unit.runtime as f64 / 1e9;
                let name = self.name(d.id);
                let _ = writeln!(text, "{name:<32} {:>5} {n:>5} {cpu:>5}   {state}  {seconds:>8.1}  all / all", d.id.0);
            }
        }
        text
    }

    /// `xl info`, as far as it is about Xen and its machine.
    pub fn info(&self) -> String {
        let (total, free) = (self.host.xen.memory.len() >> 8, self.host.xen.memory.free_frames() >> 8);
        let rows: [(&str, String); 21] = [
            ("nr_cpus", "1".to_owned()),
            ("max_cpu_id", "0".to_owned()),
            ("nr_nodes", "1".to_owned()),
            ("cores_per_socket", "1".to_owned()),
            ("threads_per_core", "1".to_owned()),
            ("virt_caps", "pv hvm gnttab-v1 gnttab-v2".to_owned()),
            ("total_memory", total.to_string()),
            ("free_memory", free.to_string()),
            ("sharing_freed_memory", "0".to_owned()),
            ("sharing_used_memory", "0".to_owned()),
            ("outstanding_claims", "0".to_owned()),
            ("free_cpus", "0".to_owned()),
            ("xen_major", "4".to_owned()),
            ("xen_minor", "17".to_owned()),
            ("xen_extra", ".7".to_owned()),
            ("xen_version", "4.17.7".to_owned()),
            ("xen_caps", "xen-3.0-x86_64 hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64 ".to_owned()),
            ("xen_scheduler", "credit2".to_owned()),
            ("xen_pagesize", "4096".to_owned()),
            ("platform_params", "virt_start=0xffff800000000000".to_owned()),
            ("xen_changeset", String::new()),
        ];
        let mut text: String = rows.iter().map(|(name, value)| format!("{name:<23}: {value}\n")).collect();
        text.push_str("xend_config_format     : 4\n");
        text
    }

    /// `lsevtchn`: the ports of a domain that are not closed.
    pub fn lsevtchn(&self, id: DomId) -> String {
        let ports = self.host.xen.domain(id).into_iter().flat_map(|d| &d.channels.ports);
        ports.map(|(number, port)| format!("{number:>4}: VCPU {}: {}\n", port.notify_vcpu, describe(port))).collect()
    }

    /// `xenstore-ls -f`, below a path.
    pub fn xenstore_ls(&self, path: &str) -> String {
        let lines = self.host.store.walk(Asker::of(DomId::DOM0), path);
        lines.into_iter().map(|(_, at, value)| format!("{at} = \"{value}\"\n")).collect()
    }
}

fn describe(port: &Port) -> String {
    match port.state {
        PortState::Unbound { remote } => format!("Interdomain (Waiting connection) - Remote Domain {}", remote.0),
        PortState::Interdomain { remote, port } => {
            format!("Interdomain (Connected) - Remote Domain {}, Port {port}", remote.0)
        }
        PortState::Pirq(pirq) => format!("Physical IRQ {pirq}"),
        PortState::Virq(virq) => format!("Virtual IRQ {virq}"),
        PortState::Ipi => "IPI".to_owned(),
    }
}
