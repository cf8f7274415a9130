//! Xen's own dumps: `xl debug-keys g` and `e`. Source: Xen 4.17, `xen/common/grant_table.c` (`gnttab_usage_print`),
//! `xen/common/event_channel.c` (`domain_dump_evtchn_info`).

use std::fmt::Write;

use super::Xen;
use super::domain::Domain;
use super::event_channel::PortState;

const HEADER: &str = "(XEN)       -------- active --------       -------- shared --------\n\
                      (XEN) [ref] localdom mfn      pin          localdom gmfn     flags\n";

fn usage(d: &Domain) -> String {
    let grants = &d.grants;
    let mut text = HEADER.to_owned();
    let _ = writeln!(text, "(XEN) grant-table for remote {} (v1)", d.id);
    let _ = writeln!(
        text,
        "(XEN)   {} frames ({} max), {} maptrack frames ({} max)",
        grants.frames,
        grants.max_frames,
        grants.maptrack_frames(),
        grants.max_maptrack_frames
    );
    for (gref, active) in &grants.active {
        let entry = grants.entry(*gref);
        let _ = writeln!(
            text,
            "(XEN) [{gref:#05x}]  {:>5} {:#x} {:#010x}      {:>5} {:#08x} {:#04x}",
            active.domid.0,
            active.mfn.0,
            active.pin(),
            entry.domid.0,
            entry.frame.0,
            entry.flags
        );
    }
    if grants.active.is_empty() {
        text.push_str("(XEN) no active grant table entries\n");
    }
    text
}

fn channels(d: &Domain) -> String {
    let mut text = format!("(XEN) Event channel information for domain {}:\n", d.id.0);
    text.push_str("(XEN) Polling vCPUs: {}\n(XEN)     port [p/m/s]\n");
    for (number, port) in &d.channels.ports {
        let (pending, masked) = (d.channels.is_pending(*number), d.channels.is_masked(*number));
        let _ = write!(
            text,
            "(XEN)     {number:>4} [{}/{}/  -   ]: s={} n={} x={}",
            u8::from(pending),
            u8::from(masked),
            port.state.number(),
            port.notify_vcpu,
            u8::from(port.is_xens)
        );
        let _ = match port.state {
            PortState::Unbound { remote } => write!(text, " d={}", remote.0),
            PortState::Interdomain { remote, port } => write!(text, " d={} p={port}", remote.0),
            PortState::Pirq(pirq) => write!(text, " p={pirq} i={pirq}"),
            PortState::Virq(virq) => write!(text, " v={virq}"),
            PortState::Ipi => Ok(()),
        };
        text.push('\n');
    }
    text
}

impl Xen {
    /// A key is pressed at Xen's console: what it prints is there.
    pub fn debug_key(&mut self, key: char) {
        let text = match key {
            'e' => self.dump_channels(),
            'g' => self.dump_grants(),
            _ => return self.print(format!("'{key}' pressed: this key is not modelled")),
        };
        self.console.extend(text.lines().map(str::to_owned));
    }

    /// Key g: grant tables.
    pub fn dump_grants(&self) -> String {
        let tables: String = self.domains().map(usage).collect();
        format!("(XEN) gnttab_usage_print_all [ key 'g' pressed\n{tables}(XEN) gnttab_usage_print_all ] done\n")
    }

    /// Key e: event channels.
    pub fn dump_channels(&self) -> String {
        let all: String = self.domains().map(channels).collect();
        format!("(XEN) 'e' pressed -> dumping event-channel info\n{all}")
    }
}
