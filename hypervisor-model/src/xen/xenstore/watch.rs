//! Watches: being told of changes at a place and below it. Source: `docs/misc/xenstore.txt`, "Watches".
//!
//! A watch fires once when it is set, so that nobody has to look before: what was there earlier is found then. It can fire
//! for nothing, and several changes can fire it once for each.

use serde::{Deserialize, Serialize};

use super::{Asker, XenStore};
use crate::xen::domain::DomId;
use kernel_model::errno::Errno;

/// A watch.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Watch {
    /// Whose.
    pub domain: DomId,
    /// The place, or `@introduceDomain`, `@releaseDomain`.
    pub path: String,
    /// What the watcher calls it.
    pub token: String,
    /// The place was given relative to the watcher's own: events are, too.
    pub is_relative: bool,
}

/// A watch has fired (XS_WATCH_EVENT).
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct WatchEvent {
    /// Who is told.
    pub domain: DomId,
    /// Where something has changed.
    pub path: String,
    /// What the watcher calls the watch.
    pub token: String,
}

fn is_special(path: &str) -> bool {
    path.starts_with('@')
}

impl XenStore {
    /// XS_WATCH.
    ///
    /// # Errors
    /// EINVAL, EEXIST: the same watch is there.
    pub fn watch(&mut self, domain: DomId, path: &str, token: &str) -> Result<(), Errno> {
        let canonical = if is_special(path) { path.to_owned() } else { self.canonical(Asker::of(domain), path)? };
        let is_relative = !is_special(path) && !path.starts_with('/');
        let watch = Watch { domain, path: canonical.clone(), token: token.to_owned(), is_relative };
        if self
            .watches
            .iter()
            .any(|known| (known.domain, &known.path, &known.token) == (domain, &canonical, &watch.token))
        {
            return Err(Errno::EEXIST);
        }
        self.watches.push(watch.clone());
        self.tell(&watch, &canonical);
        Ok(())
    }

    /// XS_UNWATCH.
    ///
    /// # Errors
    /// EINVAL, ENOENT.
    pub fn unwatch(&mut self, domain: DomId, path: &str, token: &str) -> Result<(), Errno> {
        let path = if is_special(path) { path.to_owned() } else { self.canonical(Asker::of(domain), path)? };
        let before = self.watches.len();
        self.watches
            .retain(|watch| (watch.domain, watch.path.as_str(), watch.token.as_str()) != (domain, &path, token));
        if self.watches.len() == before { Err(Errno::ENOENT) } else { Ok(()) }
    }

    fn tell(&mut self, watch: &Watch, path: &str) {
        let own = format!("/local/domain/{}/", watch.domain.0);
        let path = if watch.is_relative { path.strip_prefix(&own).unwrap_or(path) } else { path };
        self.events.push(WatchEvent { domain: watch.domain, path: path.to_owned(), token: watch.token.clone() });
    }

    /// Something has changed at a place: watches there and above fire, and those below when it is gone.
    pub(super) fn fire(&mut self, path: &str) {
        let is_gone = !is_special(path) && self.node(path).is_none();
        for watch in self.watches.clone() {
            let is_at_or_above = watch.path == path
                || watch.path == "/" && !is_special(path)
                || path.strip_prefix(watch.path.as_str()).is_some_and(|rest| rest.starts_with('/'));
            let is_below = watch.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'));
            let may_see = is_special(path)
                || self.node(path).or(self.nearest(path)).is_some_and(|node| node.permissions.may_read(watch.domain));
            if is_at_or_above && may_see {
                self.tell(&watch, path);
            } else if is_gone && is_below {
                let at = watch.path.clone();
                self.tell(&watch, &at);
            }
        }
    }

    /// Hands over what a domain is to be told.
    pub fn take_events(&mut self, domain: DomId) -> Vec<WatchEvent> {
        let (own, others) = std::mem::take(&mut self.events).into_iter().partition(|event| event.domain == domain);
        self.events = others;
        own
    }

    /// Forgets the watches of domain 0 whose token begins so: a connection is closed.
    pub fn unwatch_all(&mut self, prefix: &str) {
        self.watches.retain(|watch| watch.domain != DomId::DOM0 || !watch.token.starts_with(prefix));
    }

    /// Whether a domain is to be told something.
    pub fn has_events(&self, domain: DomId) -> bool {
        self.events.iter().any(|event| event.domain == domain)
    }

    /// All watches.
    pub fn watches(&self) -> &[Watch] {
        &self.watches
    }
}
