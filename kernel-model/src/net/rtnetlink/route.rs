//! Routes: `RTM_NEWROUTE`, `RTM_DELROUTE`, `RTM_GETROUTE` (`net/ipv4/fib_frontend.c`, `fib_trie.c`, `route.c`).

use std::net::Ipv4Addr;

use super::{Answer, Refusal, Request, nlm, refuse};
use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::namespace::net::NetNsId;
use crate::net::fib::{Flow, RT_SCOPE_HOST, RT_SCOPE_NOWHERE, RT_TABLE_MAIN, Route, rtn};
use crate::net::socket::AF_INET;
use crate::syscall::Value;

/// `RTNH_F_ONLINK` and `RTNH_F_LINKDOWN`.
const ONLINK: u32 = 4;
const LINKDOWN: u32 = 16;
/// `RTM_F_CLONED`: the answer to a question, not a route of a table.
const CLONED: u32 = 0x200;

impl Kernel<'_> {
    pub(super) fn get_route(&mut self, net: NetNsId, asked: Request<'_>) -> Answer {
        if !asked.is_dump() {
            return self.resolve_route(net, asked);
        }
        let table = asked.number("RTA_TABLE").unwrap_or(0);
        let fib = &self.net_namespaces[net].fib;
        if table != 0 && table != RT_TABLE_MAIN && !fib.tables.contains(&table) {
            return refuse(Errno::ENOENT, "ipv4: FIB table does not exist");
        }
        let mut routes: Vec<&Route> = fib.routes.iter().filter(|r| table == 0 || r.table == table).collect();
        // Tables are listed by their place in a hash of 256, and those made later come first.
        routes.sort_by_key(|r| r.table & 0xff);
        Ok(routes.into_iter().map(|r| self.route_message(r)).collect())
    }

    /// The way that a packet would go (`inet_rtm_getroute`).
    fn resolve_route(&mut self, net: NetNsId, asked: Request<'_>) -> Answer {
        let to = asked.ipv4("RTA_DST").unwrap_or(Ipv4Addr::UNSPECIFIED);
        let oif = match asked.number("RTA_OIF").filter(|i| *i != 0) {
            Some(index) => Some(self.device_at(net, index).ok_or(Errno::ENODEV)?),
            None => None,
        };
        let from = asked.ipv4("RTA_SRC");
        let path = self.route_output(net, Flow { source: from, oif, ..Flow::to(to) })?;
        let device = &self.net_devices[path.dev];
        let mut fields = vec![
            ("rtm_family".into(), AF_INET.into()),
            ("rtm_dst_len".into(), 32.into()),
            ("rtm_src_len".into(), if from.is_some() { 32 } else { 0 }.into()),
            ("rtm_table".into(), RT_TABLE_MAIN.into()),
            ("rtm_protocol".into(), 0.into()),
            ("rtm_scope".into(), 0.into()),
            ("rtm_type".into(), u32::from(path.kind).into()),
            ("rtm_flags".into(), CLONED.into()),
            ("RTA_DST".into(), path.destination.to_string().as_str().into()),
            ("RTA_OIF".into(), device.ifindex.into()),
        ];
        match from {
            Some(from) => fields.push(("RTA_SRC".into(), from.to_string().as_str().into())),
            None => fields.push(("RTA_PREFSRC".into(), path.source.to_string().as_str().into())),
        }
        fields.extend(path.gateway.map(|g| ("RTA_GATEWAY".into(), g.to_string().as_str().into())));
        fields.push(("RTA_UID".into(), 0.into()));
        Ok(vec![Value::Struct(fields)])
    }

    fn route_message(&self, route: &Route) -> Value {
        let linkdown = route.scope < RT_SCOPE_HOST
            && route.kind != rtn::LOCAL
            && route.oif.is_some_and(|dev| !self.has_carrier(dev));
        let flags = if route.onlink { ONLINK } else { 0 } | if linkdown { LINKDOWN } else { 0 };
        let mut fields = vec![
            ("rtm_family".into(), AF_INET.into()),
            ("rtm_dst_len".into(), u32::from(route.prefix_len).into()),
            ("rtm_table".into(), route.table.into()),
            ("rtm_protocol".into(), u32::from(route.protocol).into()),
            ("rtm_scope".into(), u32::from(route.scope).into()),
            ("rtm_type".into(), u32::from(route.kind).into()),
            ("rtm_flags".into(), flags.into()),
        ];
        if route.prefix_len > 0 {
            fields.push(("RTA_DST".into(), route.destination.to_string().as_str().into()));
        }
        if route.priority != 0 {
            fields.push(("RTA_PRIORITY".into(), route.priority.into()));
        }
        fields.extend(route.source.map(|s| ("RTA_PREFSRC".into(), s.to_string().as_str().into())));
        fields.extend(route.gateway.map(|g| ("RTA_GATEWAY".into(), g.to_string().as_str().into())));
        if let Some(device) = route.oif.and_then(|dev| self.net_devices.get(dev)) {
            fields.push(("RTA_OIF".into(), device.ifindex.into()));
        }
        fields.extend(route.mtu.map(|m| ("RTAX_MTU".into(), m.into())));
        Value::Struct(fields)
    }

    /// What a request says of a route (`rtm_to_fib_config`).
    fn asked_route(&mut self, net: NetNsId, asked: Request<'_>) -> Result<Route, Refusal> {
        if asked.fields.field("RTA_MULTIPATH").is_some() {
            return Err(self.not_modelled("routes with several next hops"));
        }
        let oif = match asked.number("RTA_OIF").filter(|i| *i != 0) {
            Some(index) => Some(self.device_at(net, index).ok_or(Errno::ENODEV)?),
            None => None,
        };
        let table = asked.number("RTA_TABLE").or_else(|| asked.number("rtm_table")).filter(|t| *t != 0);
        Ok(Route {
            destination: asked.ipv4("RTA_DST").unwrap_or(Ipv4Addr::UNSPECIFIED),
            prefix_len: asked.number("rtm_dst_len").unwrap_or(0).min(255) as u8,
            table: table.unwrap_or(RT_TABLE_MAIN),
            protocol: asked.number("rtm_protocol").unwrap_or(0) as u8,
            scope: asked.number("rtm_scope").unwrap_or(0) as u8,
            kind: asked.number("rtm_type").unwrap_or(0) as u8,
            priority: asked.number("RTA_PRIORITY").unwrap_or(0),
            source: asked.ipv4("RTA_PREFSRC"),
            oif,
            gateway: asked.ipv4("RTA_GATEWAY").filter(|g| !g.is_unspecified()),
            onlink: asked.number("rtm_flags").unwrap_or(0) & ONLINK != 0,
            mtu: asked.number("RTAX_MTU"),
        })
    }

    /// Puts a route in (`fib_table_insert`).
    pub(super) fn new_route(&mut self, net: NetNsId, asked: Request<'_>) -> Answer {
        let mut route = self.asked_route(net, asked)?;
        if let Err((errno, words)) = self.fib_check(net, &mut route) {
            return Err(Refusal { errno, words });
        }
        let fib = &mut self.net_namespaces[net].fib;
        let first = fib.routes.iter().position(|r| r.same_place(&route));
        if let Some(first) = first {
            if asked.flags & nlm::EXCL != 0 {
                return Err(Errno::EEXIST.into());
            }
            let same = fib.routes.iter().position(|r| *r == route);
            if asked.flags & nlm::REPLACE != 0 {
                if same.is_some_and(|same| same != first) {
                    return Err(Errno::EEXIST.into());
                }
                fib.routes[first] = route.clone();
                return Ok(self.route_changed(net, &route, true));
            }
            if same.is_some() {
                return Err(Errno::EEXIST.into());
            }
        } else if asked.flags & nlm::CREATE == 0 {
            return Err(Errno::ENOENT.into());
        }
        fib.insert(route.clone(), asked.flags & nlm::APPEND == 0);
        Ok(self.route_changed(net, &route, true))
    }

    fn route_changed(&mut self, ns: NetNsId, route: &Route, added: bool) -> Vec<Value> {
        let (destination, prefix_len, gateway) = (route.destination, route.prefix_len, route.gateway);
        self.emit(EventKind::RouteChanged { ns, destination, prefix_len, gateway, added });
        Vec::new()
    }

    /// Takes a route out (`fib_table_delete`): the first that fits what is said.
    pub(super) fn del_route(&mut self, net: NetNsId, asked: Request<'_>) -> Answer {
        let wanted = self.asked_route(net, asked)?;
        let fib = &mut self.net_namespaces[net].fib;
        let fits = |r: &Route| {
            r.table == wanted.table
                && r.destination == wanted.destination
                && r.prefix_len == wanted.prefix_len
                && (wanted.kind == 0 || r.kind == wanted.kind)
                && (wanted.scope == RT_SCOPE_NOWHERE || r.scope == wanted.scope)
                && (wanted.source.is_none() || r.source == wanted.source)
                && (wanted.protocol == 0 || r.protocol == wanted.protocol)
                && (wanted.priority == 0 || r.priority == wanted.priority)
                && (wanted.oif.is_none() || r.oif == wanted.oif)
                && (wanted.gateway.is_none() || r.gateway == wanted.gateway)
        };
        let at = fib.routes.iter().position(fits).ok_or(Errno::ESRCH)?;
        let gone = fib.routes.remove(at);
        Ok(self.route_changed(net, &gone, false))
    }
}
