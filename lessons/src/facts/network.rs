//! Network devices and routes as facts.

use kernel_model::net::device::{DeviceKind, NetDevice};
use kernel_model::net::fib::RT_TABLE_MAIN;
use kernel_model::world::World;

use super::value::{Value, list, map, texts};

pub(super) fn devices(world: &World) -> Value {
    list(world.net_devices.iter().map(|(id, device)| {
        let port = device.port.as_ref().and_then(|_| device.master()).and_then(|bridge| world.net_devices.get(bridge));
        let peer = match &device.kind {
            DeviceKind::Veth { peer: Some(peer) } => world.net_devices.get(*peer),
            _ => None,
        };
        let addresses = device.addresses.iter().map(|a| format!("{}/{}", a.local, a.prefix_len));
        map([
            ("ns", inum(world, device).into()),
            ("name", device.name.as_str().into()),
            ("kind", device.kind.name().unwrap_or("lo").into()),
            ("up", device.is_up().into()),
            ("carrier", world.has_carrier(id).into()),
            ("addresses", texts(addresses)),
            ("bridge", port.map_or(Value::Null, |bridge| bridge.name.as_str().into())),
            ("peer", peer.map_or(Value::Null, |peer| peer.name.as_str().into())),
            ("peer_ns", peer.map_or(Value::Null, |peer| inum(world, peer).into())),
            ("mtu", i64::from(device.mtu).into()),
            ("received", (device.received.packets as i64).into()),
            ("sent", (device.sent.packets as i64).into()),
        ])
    }))
}

fn inum(world: &World, device: &NetDevice) -> i64 {
    world.net_namespaces.get(device.net).map_or(0, |ns| i64::from(ns.ns.inum))
}

pub(super) fn routes(world: &World) -> Value {
    let all = world.net_namespaces.iter().flat_map(|(_, ns)| ns.fib.routes.iter().map(move |route| (ns, route)));
    list(all.filter(|(_, route)| route.table == RT_TABLE_MAIN).map(|(ns, route)| {
        let device = route.oif.and_then(|id| world.net_devices.get(id));
        map([
            ("ns", i64::from(ns.ns.inum).into()),
            ("to", format!("{}/{}", route.destination, route.prefix_len).into()),
            ("via", route.gateway.map_or(Value::Null, |gateway| gateway.to_string().into())),
            ("device", device.map_or(Value::Null, |device| device.name.as_str().into())),
        ])
    }))
}
