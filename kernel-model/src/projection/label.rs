//! Events in a few words: for lists, for the timeline, for text.

use crate::event::{EventKind, SignalEffect};
use crate::namespace::pid::PidNsId;
use crate::strace::print;
use crate::world::World;

/// An event in a few words, with the numbers of `world`, the world at the event.
pub fn label(kind: &EventKind, world: &World) -> String {
    let name = |task| super::changes::name_of(world, task);
    let pid_ns = |ns: PidNsId| world.pid_namespaces.get(ns).map_or(0, |n| n.ns.inum);
    match kind {
        EventKind::CommandBegan { text, .. } => format!("$ {}", text.lines().next().unwrap_or_default()),
        EventKind::CommandEnded { status: 0, .. } => "done".to_owned(),
        EventKind::CommandEnded { status, .. } => format!("done, exit status {status}"),
        EventKind::Interrupted { .. } => "Ctrl-C".to_owned(),
        EventKind::CallRequested { call } => format!("asked for {}", call.nr.name()),
        EventKind::CalledBelow { text, .. } => text.to_string(),
        EventKind::TimePassed { span } => format!("{span} s pass"),
        EventKind::ConsoleOpened { console } => format!("console {console} opened"),
        EventKind::CallEntered { call } => print::print_call(call, None),
        EventKind::CallReturned { call, result } => {
            format!("{} = {}", call.nr.name(), print::print_result(call.nr, result))
        }
        EventKind::CallSlept { call, .. } => format!("{} sleeps", call.nr.name()),
        EventKind::Output { bytes, .. } => {
            let text = String::from_utf8_lossy(bytes.get(..60).unwrap_or(bytes)).into_owned();
            format!("prints {:?}", text.trim_end())
        }
        EventKind::Switched { cpu, .. } => format!("switched to this task on processor {cpu}"),
        EventKind::Idled { cpu, .. } => format!("processor {cpu} is idle"),
        EventKind::Migrated { task, from, to } => format!("{} moves from processor {from} to {to}", name(*task)),
        EventKind::BandwidthSet { quota: Some(quota), period, .. } => format!("quota {quota} s in {period} s"),
        EventKind::BandwidthSet { .. } => "no quota".to_owned(),
        EventKind::Throttled { cpu, .. } => format!("group throttled on processor {cpu}"),
        EventKind::Unthrottled { cpu, .. } => format!("group runs again on processor {cpu}"),
        EventKind::ClockAdvanced { to } => format!("clock moves to {to}"),
        EventKind::Woken { task } => format!("{} wakes", name(*task)),
        EventKind::Privileged { op } => super::privileged::label(*op).to_owned(),
        EventKind::TaskCreated { child, thread: false } => format!("process {} made", name(*child)),
        EventKind::TaskCreated { child, thread: true } => format!("thread {} made", name(*child)),
        EventKind::PidAllocated { ns, nr, .. } => format!("number {nr} handed out in pid:[{}]", pid_ns(*ns)),
        EventKind::PidFreed { ns, nr } => format!("number {nr} free in pid:[{}]", pid_ns(*ns)),
        EventKind::PidLookedUp { ns, nr, found: Some(task) } => {
            format!("{nr} in pid:[{}] is {}", pid_ns(*ns), name(*task))
        }
        EventKind::PidLookedUp { ns, nr, found: None } => format!("{nr} in pid:[{}] is nobody", pid_ns(*ns)),
        EventKind::ProgramExecuted { path, .. } => format!("runs {path}"),
        EventKind::Exited { task, .. } => format!("{} exits", name(*task)),
        EventKind::Reaped { .. } => "status collected, gone".to_owned(),
        EventKind::Reparented { task, to } => format!("{} adopted by {}", name(*task), name(*to)),
        EventKind::PidNamespaceKilled { ns } => format!("everybody in pid:[{}] killed", pid_ns(*ns)),
        EventKind::NamespaceCreated { ns, inum } => format!("{}:[{inum}] created", ns.kind().name()),
        EventKind::NamespaceEntered { ns, task } => format!("{} enters a {} namespace", name(*task), ns.kind().name()),
        EventKind::NamespaceFreed { ns, inum } => format!("{}:[{inum}] freed", ns.kind().name()),
        EventKind::CapabilityChecked { cap, granted, .. } => {
            format!("{cap}: {}", if *granted { "granted" } else { "refused" })
        }
        EventKind::SeccompAttached { filters: 0, .. } => "seccomp: strict mode".to_owned(),
        EventKind::SeccompAttached { filters, instructions } => {
            format!("seccomp filter {filters} of {instructions} instructions attached")
        }
        EventKind::SeccompDecided { nr, action, .. } => format!("seccomp: {} {action}", nr.name()),
        EventKind::CredentialsChanged { .. } => "credentials changed".to_owned(),
        EventKind::IdMapWritten { file, text, .. } => format!("{file}: {}", text.trim_end()),
        EventKind::LinkChanged { device, up, .. } => format!("{device} {}", if *up { "up" } else { "down" }),
        EventKind::CarrierChanged { device, carrier: true, .. } => format!("{device} has a carrier"),
        EventKind::CarrierChanged { device, carrier: false, .. } => format!("{device} has no carrier"),
        EventKind::DeviceAdded { device, .. } => format!("device {device} made"),
        EventKind::DeviceRemoved { device, .. } => format!("device {device} gone"),
        EventKind::DeviceMoved { device, .. } => format!("device {device} moved to another namespace"),
        EventKind::DeviceRenamed { old, new, .. } => format!("device {old} is now {new}"),
        EventKind::PortChanged { device, bridge, joined: true, .. } => format!("{device} is a port of {bridge}"),
        EventKind::PortChanged { device, bridge, joined: false, .. } => format!("{device} leaves {bridge}"),
        EventKind::BridgeLearned { bridge, port, mac, .. } => format!("{bridge} learns {mac} at {port}"),
        EventKind::AddressAdded { device, address, prefix_len, .. } => format!("{device} has {address}/{prefix_len}"),
        EventKind::AddressRemoved { device, address, prefix_len, .. } => {
            format!("{device} loses {address}/{prefix_len}")
        }
        EventKind::RouteChanged { destination, prefix_len, added, .. } => {
            format!("route to {destination}/{prefix_len} {}", if *added { "added" } else { "removed" })
        }
        EventKind::NeighbourChanged { address, state, .. } => format!("neighbour {address}: {}", state.name()),
        EventKind::ForwardingSet { on, .. } => format!("forwarding {}", if *on { "on" } else { "off" }),
        EventKind::PacketMoved { stage, name, what, .. } => {
            format!("{what}: {}", super::net_packet::stage_words(*stage, name))
        }
        EventKind::RuleApplied { chain, rule, target, .. } => format!("{chain} rule {rule}: {target}"),
        EventKind::PacketTranslated { what, .. } => format!("translated: {what}"),
        EventKind::PacketDropped { name, what, why, .. } => format!("{what}: dropped at {name}, {why}"),
        EventKind::NodenameSet { old, new, .. } => format!("nodename {old} → {new}"),
        EventKind::SignalSent { signal, to } => format!("SIG{} to {}", signal.short_name(), name(*to)),
        EventKind::SignalDropped { signal, why, .. } => format!("SIG{} dropped: {why}", signal.short_name()),
        EventKind::SignalDelivered { signal, effect, .. } => {
            let effect = match effect {
                SignalEffect::Killed => "kills",
                SignalEffect::Stopped => "stops",
                SignalEffect::Continued => "continues",
                SignalEffect::Handled => "is handled",
            };
            format!("SIG{} {effect}", signal.short_name())
        }
        EventKind::PathWalked { path, to } if path == to => format!("walks {path}"),
        EventKind::PathWalked { path, to } => format!("walks {path} to {to}"),
        EventKind::FdOpened { fd, what } => format!("descriptor {fd}: {what}"),
        EventKind::DescriptorSent { what } => format!("{what} is sent"),
        EventKind::SocketNamed { socket, name, .. } => format!("{socket} is {name}"),
        EventKind::SocketConnected { socket, name, .. } => format!("{socket} connects to {name}"),
        EventKind::FdClosed { fd } => format!("descriptor {fd} closed"),
        EventKind::Mounted { place, .. } => format!("mounted on {place}"),
        EventKind::Unmounted { place, .. } => format!("unmounted from {place}"),
        EventKind::MountPropagated { from, to } => format!("mount {from} propagated as {to}"),
        EventKind::PropagationChanged { mount } => format!("propagation of mount {mount} changed"),
        EventKind::RootChanged { path, .. } => format!("root is now {path}"),
        EventKind::FileCreated { path } => format!("{path} made"),
        EventKind::FileRemoved { path } => format!("{path} removed"),
        EventKind::IpcCreated { kind, id, .. } => format!("{} {id} made", kind.name()),
        EventKind::IpcRemoved { kind, id, .. } => format!("{} {id} removed", kind.name()),
        EventKind::DataWritten { what, bytes } => format!("{bytes} bytes to {what}"),
        EventKind::Lsm(event) => event.label(),
        EventKind::Cgroup(event) => super::explain_cgroup::label(event, world),
        EventKind::Memory(event) => event.label(world),
        EventKind::Tty(event) => event.label(world),
        EventKind::Block(event) => event.label(world),
        EventKind::Migration(event) => event.label(),
        EventKind::Machine(report) => super::machine::label(report),
        EventKind::NotModelled { what } => format!("not modelled: {what}"),
    }
}
