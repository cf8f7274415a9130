//! xenstore as a tree, and where its handshakes stand.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use kernel_model::projection::Change;

use super::name_of;
use crate::machine::xen::host::XenParts;
use crate::xen::Xen;
use crate::xen::domain::DomId;
use crate::xen::io::xenbus::{DeviceId, DeviceKind, XenbusState};
use crate::xen::xenstore::{Asker, XenStore};

/// The picture.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Store {
    /// The nodes, as domain 0 sees them, in the order of `xenstore-ls`; those that the step has removed among them.
    pub nodes: Vec<StoreNode>,
    /// The devices with the states of both halves.
    pub handshakes: Vec<Handshake>,
    /// Who can look: number and name.
    pub viewers: Vec<(u16, String)>,
}

/// A node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoreNode {
    /// How deep below the root.
    pub depth: usize,
    /// Its name.
    pub name: String,
    /// Its path.
    pub path: String,
    /// Its value.
    pub value: String,
    /// Its permissions, as `n0,r1`.
    pub permissions: String,
    /// Which state its value means, where it is the `state` of one half of a driver.
    pub state: Option<&'static str>,
    /// The domains that can read it.
    pub readers: BTreeSet<u16>,
    /// The value before the step, if the step has changed it.
    pub was: Option<String>,
    /// What the step did to it.
    pub change: Change,
}

/// Two halves of a driver.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Handshake {
    /// `vbd 51712 of d1`.
    pub device: String,
    /// The number of the frontend's state, and what the step did to it.
    pub front: (usize, Change),
    /// The same of the backend.
    pub back: (usize, Change),
}

/// The states of the handshake, by number (`xen/include/public/io/xenbus.h`).
pub const STATES: [&str; 9] = [
    "Unknown",
    "Initialising",
    "InitWait",
    "Initialised",
    "Connected",
    "Closing",
    "Closed",
    "Reconfiguring",
    "Reconfigured",
];

/// What a node holds, as domain 0 sees it.
#[derive(PartialEq)]
struct Known {
    depth: usize,
    value: String,
    permissions: String,
}

/// The paths in the order of `xenstore-ls`, and what is there.
fn known(store: &XenStore) -> (Vec<String>, BTreeMap<String, Known>) {
    let who = Asker::of(DomId::DOM0);
    let walked = store.walk(who, "/");
    let paths = walked.iter().map(|(_, path, _)| path.clone()).collect();
    let nodes = walked.into_iter().map(|(depth, path, value)| {
        let permissions = store.permissions(who, &path).map(|p| p.to_string()).unwrap_or_default();
        (path, Known { depth, value, permissions })
    });
    (paths, nodes.collect())
}

/// The paths of both, what is gone where it was.
fn merged(before: &[String], after: Vec<String>) -> Vec<String> {
    let there: BTreeSet<&String> = after.iter().collect();
    let gone: Vec<(Option<&String>, &String)> = std::iter::once(None)
        .chain(before.iter().map(Some))
        .zip(before)
        .filter(|(_, path)| !there.contains(path))
        .collect();
    let mut paths = after.clone();
    for (previous, path) in gone {
        let at = previous.and_then(|previous| paths.iter().position(|known| known == previous)).map_or(0, |at| at + 1);
        paths.insert(at, path.clone());
    }
    paths
}

impl Store {
    /// The store before and after a step.
    pub fn of_step(before: XenParts<'_>, after: XenParts<'_>) -> Store {
        Store::between(before.store(), after.store(), after.xen())
    }

    /// The same of two stores and the hypervisor.
    pub fn between(before: &XenStore, after: &XenStore, xen: &Xen) -> Store {
        let viewers: Vec<(u16, String)> = xen.domains().map(|d| (d.id.0, name_of(after, d.id))).collect();
        let mut readable: BTreeMap<String, BTreeSet<u16>> = BTreeMap::new();
        for (viewer, _) in &viewers {
            for (_, path, _) in after.walk(Asker::of(DomId(*viewer)), "/") {
                readable.entry(path).or_default().insert(*viewer);
            }
        }
        let ((old_paths, old), (new_paths, new)) = (known(before), known(after));
        let nodes = merged(&old_paths, new_paths).into_iter().filter_map(|path| {
            let (was, is) = (old.get(&path), new.get(&path));
            let shown = is.or(was)?;
            let readers = readable.remove(&path).unwrap_or_else(|| BTreeSet::from([0]));
            let previous = was.filter(|was| is.is_some_and(|is| is.value != was.value));
            let name = path.rsplit('/').next().unwrap_or_default().to_owned();
            let is_state = name == "state" && (path.contains("/device/") || path.contains("/backend/"));
            Some(StoreNode {
                depth: shown.depth,
                name,
                value: shown.value.clone(),
                permissions: shown.permissions.clone(),
                state: is_state.then(|| STATES[XenbusState::from_text(&shown.value) as usize]),
                readers,
                was: previous.map(|was| was.value.clone()),
                change: Change::between(was, is),
                path,
            })
        });
        let nodes = nodes.collect();
        Store { nodes, handshakes: handshakes(before, after), viewers }
    }

    /// The nodes that a domain can read.
    pub fn seen_by(&self, viewer: u16) -> impl Iterator<Item = &StoreNode> {
        self.nodes.iter().filter(move |node| node.readers.contains(&viewer))
    }

    /// One sentence.
    pub fn summary(&self) -> String {
        let count = |wanted| self.nodes.iter().filter(|node| node.change == wanted).count();
        let (new, gone, changed) = (count(Change::New), count(Change::Gone), count(Change::Changed));
        let all = self.nodes.len() - gone;
        format!("{all} nodes; in this step {new} new, {changed} changed, {gone} gone.")
    }

    /// The text twin: handshakes, then the tree as `xenstore-ls -p` has it.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n\n", self.summary());
        for shake in &self.handshakes {
            let half = |(state, change): (usize, Change)| format!("{state} {} {}", STATES[state], change.mark());
            let _ = writeln!(text, "{}: front {}| back {}", shake.device, half(shake.front), half(shake.back));
        }
        if !self.handshakes.is_empty() {
            text.push('\n');
        }
        for node in &self.nodes {
            let state = node.state.map(|state| format!("  {state}")).unwrap_or_default();
            let was = node.was.as_ref().map(|was| format!("  was \"{was}\"")).unwrap_or_default();
            let (mark, indent) = (node.change.mark(), " ".repeat(node.depth));
            let _ = writeln!(
                text,
                "{mark:<1} {indent}{} = \"{}\"   ({}){state}{was}",
                node.name, node.value, node.permissions
            );
        }
        text
    }
}

/// The devices that are written below `backend`, before or after.
fn handshakes(before: &XenStore, after: &XenStore) -> Vec<Handshake> {
    let mut devices = BTreeSet::new();
    for store in [before, after] {
        for (_, path, _) in store.walk(Asker::of(DomId::DOM0), "/local/domain") {
            devices.extend(backend_of(&path));
        }
    }
    let shake = |device: &DeviceId| {
        let half = |was: XenbusState, is: XenbusState| (is as usize, Change::between(Some(&was), Some(&is)));
        Handshake {
            device: device_name(device),
            front: half(device.front_state(before), device.front_state(after)),
            back: half(device.back_state(before), device.back_state(after)),
        }
    };
    devices.iter().map(shake).collect()
}

/// `vbd 51712 of d1`.
pub(super) fn device_name(device: &DeviceId) -> String {
    format!("{} {} of {}", device.kind.name(), device.number, device.frontend)
}

/// The device whose backend's directory this is: `/local/domain/B/backend/KIND/F/N`.
fn backend_of(path: &str) -> Option<DeviceId> {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let ["local", "domain", backend, "backend", kind, frontend, number] = parts[..] else { return None };
    let kind = [DeviceKind::Vbd, DeviceKind::Vif].into_iter().find(|known| known.name() == kind)?;
    let domain = |text: &str| text.parse().ok().map(DomId);
    Some(DeviceId { kind, number: number.parse().ok()?, frontend: domain(frontend)?, backend: domain(backend)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xen::domain::{Domain, GuestKind};
    use crate::xen::xenstore::permission::{Permissions, Right};

    fn two_domains() -> Xen {
        let mut xen = Xen::new(8, 2);
        for id in 0..2 {
            xen.insert_domain(Domain::new(DomId(id), GuestKind::Pv64, 1));
        }
        xen
    }

    #[test]
    fn each_domain_has_its_own_view() {
        let mut tree = XenStore::new();
        let dom0 = Asker::of(DomId(0));
        tree.write(dom0, "/local/domain/1/device/vbd/51712/state", "4").expect("domain 0 may");
        let shared = Permissions::of(DomId(0)).with(Right::Read, DomId(1));
        tree.set_permissions(dom0, "/local", shared).expect("domain 0 may");
        let store = Store::between(&tree, &tree, &two_domains());
        let names: Vec<&str> = store.seen_by(1).map(|node| node.name.as_str()).collect();
        assert_eq!(names, ["local"]);
        assert_eq!(store.nodes.last().and_then(|node| node.state), Some("Connected"));
        assert!(store.text().ends_with("       state = \"4\"   (n0)  Connected\n"), "{}", store.text());
    }

    #[test]
    fn a_handshake_is_marked_where_it_moves_and_what_is_gone_stays_in_its_place() {
        let dom0 = Asker::of(DomId(0));
        let mut before = XenStore::new();
        for (path, value) in [
            ("/local/domain/0/backend/vbd/1/51712/state", "2"),
            ("/local/domain/1/device/vbd/51712/state", "1"),
            ("/local/domain/1/gone/x", "1"),
            ("/local/domain/1/name", "g"),
        ] {
            before.write(dom0, path, value).expect("domain 0 may");
        }
        let mut after = before.clone();
        after.write(dom0, "/local/domain/1/device/vbd/51712/state", "3").expect("domain 0 may");
        after.rm(dom0, "/local/domain/1/gone").expect("domain 0 may");
        let store = Store::between(&before, &after, &two_domains());
        let shake =
            Handshake { device: "vbd 51712 of d1".to_owned(), front: (3, Change::Changed), back: (2, Change::Same) };
        assert_eq!(store.handshakes, [shake]);
        assert!(store.summary().ends_with("in this step 0 new, 1 changed, 2 gone."), "{}", store.summary());
        let text = store.text();
        let tail: Vec<&str> = text.lines().rev().take(4).map(str::trim_end).collect::<Vec<_>>();
        assert_eq!(
            tail,
            [
                "     name = \"g\"   (n0)",
                "✕     x = \"1\"   (n0)",
                "✕    gone = \"\"   (n0)",
                "Δ       state = \"3\"   (n0)  Initialised  was \"1\"",
            ]
        );
    }
}
