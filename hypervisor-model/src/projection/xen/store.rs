//! xenstore as a tree, and where its handshakes stand.

use serde::Serialize;

use crate::xen::domain::DomId;
use crate::xen::io::xenbus::XenbusState;
use crate::xen::xenstore::{Asker, XenStore};

/// A node, as seen by one domain.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
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
    pub state: Option<String>,
}

/// The tree as a domain sees it.
pub fn store(store: &XenStore, viewer: DomId) -> Vec<StoreNode> {
    let who = Asker::of(viewer);
    let nodes = store.walk(who, "/").into_iter().map(|(depth, path, value)| {
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        let is_state = name == "state" && (path.contains("/device/") || path.contains("/backend/"));
        let state = is_state.then(|| format!("{:?}", XenbusState::from_text(&value)));
        let permissions = store.permissions(who, &path).map(|p| p.to_string()).unwrap_or_default();
        StoreNode { depth, name, path, value, permissions, state }
    });
    nodes.collect()
}

/// The text twin, as `xenstore-ls -p` has it.
pub fn text(nodes: &[StoreNode]) -> String {
    let line = |node: &StoreNode| {
        let state = node.state.as_ref().map(|state| format!("  {state}")).unwrap_or_default();
        format!("{}{} = \"{}\"   ({}){state}\n", " ".repeat(node.depth), node.name, node.value, node.permissions)
    };
    nodes.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xen::xenstore::permission::{Permissions, Right};

    #[test]
    fn each_domain_has_its_own_view() {
        let mut tree = XenStore::new();
        let dom0 = Asker::of(DomId(0));
        tree.write(dom0, "/local/domain/1/device/vbd/51712/state", "4").expect("domain 0 may");
        let shared = Permissions::of(DomId(0)).with(Right::Read, DomId(1));
        tree.set_permissions(dom0, "/local", shared).expect("domain 0 may");
        assert_eq!(text(&store(&tree, DomId(1))), "local = \"\"   (n0,r1)\n");
        let all = store(&tree, DomId(0));
        assert_eq!(all.last().and_then(|node| node.state.as_deref()), Some("Connected"));
        assert!(text(&all).ends_with("     state = \"4\"   (n0)  Connected\n"));
    }
}
