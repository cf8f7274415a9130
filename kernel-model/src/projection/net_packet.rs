//! What happens in the network, in words.

use crate::event::{EventKind, PacketStage};
use crate::namespace::NsRef;
use crate::net::neighbour::NudState;
use crate::world::World;

use super::explain::ns_name;

/// How far a packet has come, in a few words; `name` is the device.
pub(super) fn stage_words(stage: PacketStage, name: &str) -> String {
    match stage {
        PacketStage::Sent => format!("sent, by way of {name}"),
        PacketStage::Waiting => "waits for an address".to_owned(),
        PacketStage::Transmitted => format!("leaves through {name}"),
        PacketStage::Received => format!("comes in at {name}"),
        PacketStage::Bridged => format!("passed on by {name}"),
        PacketStage::Forwarded => format!("forwarded, by way of {name}"),
        PacketStage::Delivered => "arrives".to_owned(),
    }
}

/// A sentence about an event of the network and its source; `None` for other events.
pub(super) fn explain(kind: &EventKind, world: &World) -> Option<(String, &'static str)> {
    let place = |ns| ns_name(world, NsRef::Net(ns));
    Some(match kind {
        EventKind::LinkChanged { ns, device, up } => (
            format!("{device} in {} is now {}.", place(*ns), if *up { "up" } else { "down" }),
            "netdevice(7), dev_change_flags()",
        ),
        EventKind::CarrierChanged { device, carrier: true, .. } => {
            (format!("{device} has a carrier: what is at its other end can be reached."), "netif_carrier_on()")
        }
        EventKind::CarrierChanged { device, carrier: false, .. } => (
            format!("{device} has no carrier any more; what was known of its neighbours is forgotten."),
            "netif_carrier_off()",
        ),
        EventKind::SocketNamed { ns, socket, name } if name.starts_with('@') => (
            format!("{socket} is called {name} in {}: the name is known nowhere else.", place(*ns)),
            "unix(7), unix_bind_abstract()",
        ),
        EventKind::SocketNamed { socket, name, .. } => {
            (format!("{socket} is bound to {name}: whoever sees that file can talk to it."), "unix(7), unix_bind_bsd()")
        }
        EventKind::SocketConnected { socket, name, .. } => {
            (format!("{socket} is connected to {name}."), "unix(7), connect(2)")
        }
        EventKind::DeviceAdded { ns, device, kind } => (
            format!("{device}, a {kind} device, comes into being in {}.", place(*ns)),
            "ip-link(8), register_netdevice()",
        ),
        EventKind::DeviceRemoved { ns, device } => {
            (format!("{device} in {} is gone, and what it had with it.", place(*ns)), "unregister_netdevice()")
        }
        EventKind::DeviceMoved { from, to, device } => (
            format!(
                "{device} moves from {} to {}: it is switched off and loses its addresses and routes.",
                place(*from),
                place(*to)
            ),
            "network_namespaces(7), dev_change_net_namespace()",
        ),
        EventKind::DeviceRenamed { ns, old, new } => {
            (format!("{old} in {} is called {new} from now on.", place(*ns)), "dev_change_name()")
        }
        EventKind::PortChanged { device, bridge, joined: true, .. } => {
            (format!("{device} becomes a port of {bridge}: frames that come in there go to the bridge."), "br_add_if()")
        }
        EventKind::PortChanged { device, bridge, joined: false, .. } => {
            (format!("{device} is no port of {bridge} any more."), "br_del_if()")
        }
        EventKind::BridgeLearned { bridge, port, mac, .. } => (
            format!("{bridge} sees a frame of {mac} come in at {port} and remembers where that address is."),
            "bridge(8), br_fdb_update()",
        ),
        EventKind::AddressAdded { ns, device, address, prefix_len } => (
            format!("{device} in {} has the address {address}/{prefix_len}, and the routes that follow.", place(*ns)),
            "ip-address(8), inet_insert_ifa()",
        ),
        EventKind::AddressRemoved { ns, device, address, prefix_len } => (
            format!("{device} in {} loses the address {address}/{prefix_len} and its routes.", place(*ns)),
            "ip-address(8), inet_del_ifa()",
        ),
        EventKind::RouteChanged { ns, destination, prefix_len, gateway, added } => {
            let via = gateway.map_or_else(String::new, |g| format!(" by way of {g}"));
            let what = if *added { "there is now a route" } else { "there is no longer the route" };
            (format!("In {} {what} to {destination}/{prefix_len}{via}.", place(*ns)), "ip-route(8), fib_table_insert()")
        }
        EventKind::NeighbourChanged { device, address, state, .. } => {
            let what = match state {
                NudState::Incomplete => "is asked for; packets for it wait",
                NudState::Reachable => "is there: its address is known",
                NudState::Stale => "has not been heard of for some time; its address is used until it is needed again",
                NudState::Delay => "is used again; it has five seconds to show that it is still there",
                NudState::Probe => "is asked again whether it is still there",
                NudState::Failed => "does not answer",
                NudState::Noarp => "is not asked for",
                NudState::Permanent => "was put in by hand",
            };
            (format!("The neighbour {address} at {device} {what}."), "arp(7), ip-neighbour(8)")
        }
        EventKind::ForwardingSet { ns, on } => (
            format!("{} {} packets that are not for it.", place(*ns), if *on { "passes on" } else { "drops" }),
            "ip(7), ip_forward",
        ),
        EventKind::PacketMoved { stage, ns, name, what, .. } => packet(*stage, &place(*ns), name, what),
        EventKind::RuleApplied { ns, table, chain, rule, target, what, .. } => {
            let which = if *rule == 0 { "The policy".to_owned() } else { format!("Rule {rule}") };
            (
                format!("{which} of {chain} in the table {table} of {} says {target} to {what}.", place(*ns)),
                "iptables(8), ipt_do_table()",
            )
        }
        EventKind::PacketTranslated { ns, from, to, what, .. } => (
            format!(
                "{} changes addresses: {} > {} becomes {} > {}, so the packet is now {what}.",
                place(*ns),
                from.0,
                from.1,
                to.0,
                to.1
            ),
            "iptables-extensions(8), nf_nat_packet()",
        ),
        EventKind::PacketDropped { ns, name, what, why, .. } => {
            let at = if name.is_empty() { String::new() } else { format!(" at {name}") };
            (format!("{what} ends{at} in {}: {why}.", place(*ns)), "kfree_skb_reason()")
        }
        _ => return None,
    })
}

fn packet(stage: PacketStage, place: &str, name: &str, what: &str) -> (String, &'static str) {
    match stage {
        PacketStage::Sent => {
            (format!("{what} is sent from {place}; its way out is {name}."), "ip_local_out(), ip_route_output_key()")
        }
        PacketStage::Waiting => (
            format!("{what} waits: the Ethernet address of the next one on the link of {name} is not known."),
            "arp(7), neigh_resolve_output()",
        ),
        PacketStage::Transmitted => (format!("{what} leaves {place} through {name}."), "dev_queue_xmit()"),
        PacketStage::Received => (format!("{what} comes into {place} at {name}."), "netif_receive_skb()"),
        PacketStage::Bridged => (format!("{name} passes {what} on to another port."), "br_forward()"),
        PacketStage::Forwarded => {
            (format!("{what} is not for {place}, which passes it on through {name}."), "ip_forward()")
        }
        PacketStage::Delivered => (format!("{what} has arrived in {place}."), "ip_local_deliver()"),
    }
}
