//! xenstore: a small tree of texts that all domains share through domain 0, and in which drivers find each other. Source:
//! `docs/misc/xenstore.txt`, `xen/include/public/io/xs_wire.h`, `tools/xenstored`.
//!
//! Nodes have an owner and permissions, changes fire watches, and a transaction either happens as a whole or not at all.
//! What it looks like on the ring is in [`wire`].
//!
//! Invariants ([`XenStore::check`]):
//! 1. Every node's parent is there.
//! 2. A transaction that is over is forgotten.

pub mod permission;
#[cfg(test)]
mod tests;
pub mod transaction;
pub mod watch;
pub mod wire;

use std::collections::BTreeMap;

use imbl::OrdMap;
use kernel_model::errno::Errno;
use serde::{Deserialize, Serialize};

use super::domain::DomId;
use permission::Permissions;
use transaction::{Transaction, TransactionId};
use watch::{Watch, WatchEvent};

/// A node: its value, and who may do what.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Node {
    /// Its value.
    pub value: String,
    /// Its owner, and what others may do.
    pub permissions: Permissions,
    /// Counts up with every change: how a transaction knows what happened meanwhile.
    pub generation: u64,
    /// When it was made, counted up: `xenstore-ls` shows children in that order.
    pub made: u64,
}

/// The store.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct XenStore {
    nodes: OrdMap<String, Node>,
    generation: u64,
    watches: Vec<Watch>,
    events: Vec<WatchEvent>,
    transactions: BTreeMap<(DomId, TransactionId), Transaction>,
    next_transaction: TransactionId,
    /// Domains that have been introduced.
    domains: Vec<DomId>,
}

/// Longest absolute path (`XENSTORE_ABS_PATH_MAX`).
pub const ABS_PATH_MAX: usize = 3072;
/// Longest relative path (`XENSTORE_REL_PATH_MAX`).
pub const REL_PATH_MAX: usize = 2048;
/// Longest value, and longest message (`XENSTORE_PAYLOAD_MAX`).
pub const PAYLOAD_MAX: usize = 4096;

/// Who asks, and in which transaction: 0 for none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Asker {
    /// The domain.
    pub domain: DomId,
    /// The transaction.
    pub transaction: TransactionId,
}

impl Asker {
    /// Outside of any transaction.
    pub const fn of(domain: DomId) -> Asker {
        Asker { domain, transaction: 0 }
    }
}

impl Default for XenStore {
    fn default() -> Self {
        XenStore::new()
    }
}

impl XenStore {
    /// A store with its root, domain 0's.
    pub fn new() -> XenStore {
        let root = Node { value: String::new(), permissions: Permissions::of(DomId::DOM0), generation: 0, made: 0 };
        XenStore {
            nodes: [("/".to_owned(), root)].into_iter().collect(),
            generation: 0,
            watches: Vec::new(),
            events: Vec::new(),
            transactions: BTreeMap::new(),
            next_transaction: 1,
            domains: vec![DomId::DOM0],
        }
    }

    /// A path as it is kept: absolute; one that is not begins at the asker's own place.
    ///
    /// # Errors
    /// EINVAL: a letter that is not allowed, two slashes, a slash at the end, too long.
    pub fn canonical(&self, who: Asker, path: &str) -> Result<String, Errno> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-/_@".contains(c);
        let is_absolute = path.starts_with('/');
        let limit = if is_absolute { ABS_PATH_MAX } else { REL_PATH_MAX };
        if path == "/" {
            return Ok(path.to_owned());
        }
        let is_wrong = path.is_empty() || path.contains("//") || path.ends_with('/') || !path.chars().all(allowed);
        if is_wrong || path.len() > limit {
            return Err(Errno::EINVAL);
        }
        Ok(if is_absolute { path.to_owned() } else { format!("/local/domain/{}/{path}", who.domain.0) })
    }

    fn node(&self, path: &str) -> Option<&Node> {
        self.nodes.get(path)
    }

    /// A node, if the asker may read it.
    fn readable(&self, who: Asker, path: &str) -> Result<&Node, Errno> {
        match self.node(path) {
            Some(node) if node.permissions.may_read(who.domain) => Ok(node),
            Some(_) => Err(Errno::EACCES),
            // Whether it is there is told only to those who could see it.
            None if self.nearest(path).is_some_and(|node| node.permissions.may_read(who.domain)) => Err(Errno::ENOENT),
            None => Err(Errno::EACCES),
        }
    }

    /// The nearest node above a path.
    fn nearest(&self, path: &str) -> Option<&Node> {
        let mut at = path;
        while at != "/" {
            at = parent(at);
            if let Some(node) = self.node(at) {
                return Some(node);
            }
        }
        None
    }

    /// XS_READ.
    ///
    /// # Errors
    /// EINVAL, EACCES, ENOENT.
    pub fn read(&self, who: Asker, path: &str) -> Result<String, Errno> {
        let path = self.canonical(who, path)?;
        let view = self.view(who)?;
        view.readable(who, &path).map(|node| node.value.clone())
    }

    /// XS_DIRECTORY: the names of the children, in the order in which they were made.
    ///
    /// # Errors
    /// EINVAL, EACCES, ENOENT.
    pub fn directory(&self, who: Asker, path: &str) -> Result<Vec<String>, Errno> {
        let path = self.canonical(who, path)?;
        let view = self.view(who)?;
        view.readable(who, &path)?;
        Ok(view.children(&path))
    }

    /// The names of a node's children, in the order in which they were made.
    pub fn children(&self, path: &str) -> Vec<String> {
        let prefix = if path == "/" { "/".to_owned() } else { format!("{path}/") };
        let below = self.nodes.range(prefix.clone()..).take_while(|(known, _)| known.starts_with(&prefix));
        let mut names: Vec<(u64, String)> = below
            .filter(|(known, _)| known.len() > prefix.len() && !known[prefix.len()..].contains('/'))
            .map(|(known, node)| (node.made, known[prefix.len()..].to_owned()))
            .collect();
        names.sort();
        names.into_iter().map(|(_, name)| name).collect()
    }

    /// XS_WRITE: nodes above that are missing are made too.
    ///
    /// # Errors
    /// EINVAL, EACCES, E2BIG.
    pub fn write(&mut self, who: Asker, path: &str, value: &str) -> Result<(), Errno> {
        let path = self.canonical(who, path)?;
        if value.len() > PAYLOAD_MAX {
            return Err(Errno::E2BIG);
        }
        self.change(who, &path, |store| store.put(who, &path, Some(value)))
    }

    /// XS_MKDIR: an empty node, unless it is there.
    ///
    /// # Errors
    /// EINVAL, EACCES.
    pub fn mkdir(&mut self, who: Asker, path: &str) -> Result<(), Errno> {
        let path = self.canonical(who, path)?;
        self.change(who, &path, |store| store.put(who, &path, None))
    }

    /// Writes or makes a node in this very store.
    fn put(&mut self, who: Asker, path: &str, value: Option<&str>) -> Result<(), Errno> {
        self.generation += 1;
        let generation = self.generation;
        if let Some(node) = self.nodes.get_mut(path) {
            if !node.permissions.may_write(who.domain) {
                return Err(Errno::EACCES);
            }
            if let Some(value) = value {
                node.value = value.to_owned();
                node.generation = generation;
            }
            return Ok(());
        }
        let above = parent(path);
        if self.node(above).is_none() {
            self.put(who, above, None)?;
        }
        let Some(above) = self.nodes.get_mut(above) else { return Err(Errno::ENOENT) };
        if !above.permissions.may_write(who.domain) {
            return Err(Errno::EACCES);
        }
        above.generation = generation;
        // What it may be is inherited; whose it is, is who makes it, unless that is domain 0 (`construct_node`).
        let permissions = above.permissions.inherited(who.domain);
        self.generation += 1;
        let made = self.generation;
        let value = value.unwrap_or_default().to_owned();
        self.nodes.insert(path.to_owned(), Node { value, permissions, generation: made, made });
        Ok(())
    }

    /// XS_RM: a node and all below it.
    ///
    /// # Errors
    /// EINVAL, EACCES, ENOENT: not even its parent is there.
    pub fn rm(&mut self, who: Asker, path: &str) -> Result<(), Errno> {
        let path = self.canonical(who, path)?;
        if path == "/" {
            return Err(Errno::EINVAL);
        }
        self.change(who, &path, |store| store.remove(who, &path))
    }

    fn remove(&mut self, who: Asker, path: &str) -> Result<(), Errno> {
        let Some(node) = self.node(path) else {
            // Removing what is not there is no error where its place is.
            return if self.node(parent(path)).is_some() { Ok(()) } else { Err(Errno::ENOENT) };
        };
        if !node.permissions.may_write(who.domain) {
            return Err(Errno::EACCES);
        }
        let prefix = format!("{path}/");
        let gone: Vec<String> = self
            .nodes
            .range(prefix.clone()..)
            .take_while(|(p, _)| p.starts_with(&prefix))
            .map(|(p, _)| p.clone())
            .collect();
        gone.iter().for_each(|path| {
            self.nodes.remove(path);
        });
        self.nodes.remove(path);
        self.generation += 1;
        let generation = self.generation;
        if let Some(above) = self.nodes.get_mut(parent(path)) {
            above.generation = generation;
        }
        Ok(())
    }

    /// XS_GET_PERMS.
    ///
    /// # Errors
    /// EINVAL, EACCES, ENOENT.
    pub fn permissions(&self, who: Asker, path: &str) -> Result<Permissions, Errno> {
        let path = self.canonical(who, path)?;
        let view = self.view(who)?;
        view.readable(who, &path).map(|node| node.permissions.clone())
    }

    /// XS_SET_PERMS: by the owner only, and only domain 0 gives a node away.
    ///
    /// # Errors
    /// EINVAL, EACCES, EPERM, ENOENT.
    pub fn set_permissions(&mut self, who: Asker, path: &str, permissions: Permissions) -> Result<(), Errno> {
        let path = self.canonical(who, path)?;
        self.change(who, &path, |store| {
            store.generation += 1;
            let generation = store.generation;
            let Some(node) = store.nodes.get_mut(&path) else { return Err(Errno::ENOENT) };
            let owner = node.permissions.owner();
            if who.domain != DomId::DOM0 && owner != who.domain {
                return Err(Errno::EACCES);
            }
            if who.domain != DomId::DOM0 && permissions.owner() != owner {
                return Err(Errno::EPERM);
            }
            node.permissions = permissions;
            node.generation = generation;
            Ok(())
        })
    }

    /// XS_INTRODUCE: a domain is there, with its ring and port; those who wait for `@introduceDomain` are told.
    pub fn introduce(&mut self, domain: DomId) {
        if !self.domains.contains(&domain) {
            self.domains.push(domain);
        }
        self.fire("@introduceDomain");
    }

    /// XS_RELEASE: a domain is gone.
    pub fn release(&mut self, domain: DomId) {
        self.domains.retain(|known| *known != domain);
        self.watches.retain(|watch| watch.domain != domain);
        self.events.retain(|event| event.domain != domain);
        self.transactions.retain(|(known, _), _| *known != domain);
        self.fire("@releaseDomain");
    }

    /// A domain has shut down, or is being taken apart: those who wait for `@releaseDomain` are told.
    pub fn tell_of_an_end(&mut self) {
        self.fire("@releaseDomain");
    }

    /// XS_IS_DOMAIN_INTRODUCED.
    pub fn is_introduced(&self, domain: DomId) -> bool {
        self.domains.contains(&domain)
    }

    /// All nodes below a path in the order of `xenstore-ls`, the path itself left out: each with its depth below.
    pub fn walk(&self, who: Asker, path: &str) -> Vec<(usize, String, String)> {
        let mut lines = Vec::new();
        self.walk_into(who, path, 0, &mut lines);
        lines
    }

    fn walk_into(&self, who: Asker, path: &str, depth: usize, lines: &mut Vec<(usize, String, String)>) {
        for name in self.children(path) {
            let at = if path == "/" { format!("/{name}") } else { format!("{path}/{name}") };
            if let Ok(node) = self.readable(who, &at) {
                lines.push((depth, at.clone(), node.value.clone()));
                self.walk_into(who, &at, depth + 1, lines);
            }
        }
    }

    /// What must always hold; the text says what does not.
    pub fn check(&self) -> Result<(), String> {
        let orphan = self.nodes.keys().find(|path| *path != "/" && !self.nodes.contains_key(parent(path)));
        match orphan {
            Some(path) => Err(format!("{path}: its parent is missing")),
            None => Ok(()),
        }
    }
}

/// The path of a node's parent.
fn parent(path: &str) -> &str {
    match path.rfind('/') {
        Some(0) | None => "/",
        Some(at) => &path[..at],
    }
}
