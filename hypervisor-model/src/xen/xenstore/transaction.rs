//! Transactions: several changes that happen together or not at all. Source: `docs/misc/xenstore.txt`, "Transactions";
//! `tools/xenstored/transaction.c`.
//!
//! A transaction works on the store as it was when it began. At its end, every node that it has read or written must still
//! be as it was then; otherwise nothing happens, EAGAIN, and the asker begins again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Asker, XenStore};
use crate::xen::domain::DomId;
use kernel_model::errno::Errno;

/// The number of a transaction; 0 is none.
pub type TransactionId = u32;

/// A transaction that is not over.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Transaction {
    /// The store as this transaction sees it.
    view: Box<XenStore>,
    /// What it has changed, in order: the places, with their generation when it began, where they were there.
    changed: Vec<(String, Option<u64>)>,
    /// What it has read, likewise.
    read: BTreeMap<String, Option<u64>>,
}

/// How many transactions a domain may have open (`quota_max_transaction`).
const MAX_TRANSACTIONS: usize = 10;

impl XenStore {
    /// XS_TRANSACTION_START.
    ///
    /// # Errors
    /// EBUSY: inside of another; ENOSPC: too many.
    pub fn transaction_start(&mut self, who: Asker) -> Result<TransactionId, Errno> {
        if who.transaction != 0 {
            return Err(Errno::EBUSY);
        }
        let open = self.transactions.keys().filter(|(domain, _)| *domain == who.domain).count();
        if who.domain != DomId::DOM0 && open >= MAX_TRANSACTIONS {
            return Err(Errno::ENOSPC);
        }
        let id = self.next_transaction;
        self.next_transaction += 1;
        let view = XenStore { watches: Vec::new(), events: Vec::new(), transactions: BTreeMap::new(), ..self.clone() };
        let transaction = Transaction { view: Box::new(view), changed: Vec::new(), read: BTreeMap::new() };
        self.transactions.insert((who.domain, id), transaction);
        Ok(id)
    }

    /// XS_TRANSACTION_END.
    ///
    /// # Errors
    /// ENOENT: there is none; EAGAIN: somebody has changed what it is about.
    pub fn transaction_end(&mut self, who: Asker, commits: bool) -> Result<(), Errno> {
        let transaction = self.transactions.remove(&(who.domain, who.transaction)).ok_or(Errno::ENOENT)?;
        if !commits {
            return Ok(());
        }
        let is_stale = |(path, then): (&String, &Option<u64>)| self.node(path).map(|node| node.generation) != *then;
        let began = transaction.changed.iter().map(|(path, then)| (path, then)).chain(transaction.read.iter());
        if began.into_iter().any(is_stale) {
            return Err(Errno::EAGAIN);
        }
        for (path, _) in &transaction.changed {
            match transaction.view.node(path) {
                Some(node) => {
                    self.adopt(&transaction.view, path);
                    self.take_over(path, node);
                }
                None => {
                    // Whether it may go was asked in the transaction.
                    let _gone = self.remove(Asker::of(DomId::DOM0), path);
                }
            }
        }
        let mut fired: Vec<&String> = Vec::new();
        for (path, _) in &transaction.changed {
            if !fired.contains(&path) {
                fired.push(path);
            }
        }
        fired.into_iter().for_each(|path| self.fire(path));
        Ok(())
    }

    /// Takes over the nodes above a place that a transaction has made.
    fn adopt(&mut self, view: &XenStore, path: &str) {
        let above = super::parent(path);
        if self.node(above).is_some() {
            return;
        }
        self.adopt(view, above);
        if let Some(node) = view.node(above) {
            self.take_over(above, node);
        }
    }

    /// A node is as a transaction has left it. One that is new is made now: the transaction counted for itself.
    fn take_over(&mut self, path: &str, node: &super::Node) {
        self.generation += 1;
        let made = self.node(path).map_or(self.generation, |known| known.made);
        let node = super::Node { generation: self.generation, made, ..node.clone() };
        self.nodes.insert(path.to_owned(), node);
    }

    /// The store as an asker sees it.
    pub(super) fn view(&self, who: Asker) -> Result<&XenStore, Errno> {
        match who.transaction {
            0 => Ok(self),
            id => self.transactions.get(&(who.domain, id)).map(|known| &*known.view).ok_or(Errno::ENOENT),
        }
    }

    /// Makes a change where the asker works: in the store, and watches fire, or in its transaction.
    pub(super) fn change(
        &mut self,
        who: Asker,
        path: &str,
        change: impl FnOnce(&mut XenStore) -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        if who.transaction == 0 {
            change(self)?;
            self.fire(path);
            return Ok(());
        }
        let began = self.node(path).map(|node| node.generation);
        let transaction = self.transactions.get_mut(&(who.domain, who.transaction)).ok_or(Errno::ENOENT)?;
        change(&mut transaction.view)?;
        let known = transaction.changed.iter().find(|(known, _)| known == path).map(|(_, then)| *then);
        transaction.changed.push((path.to_owned(), known.unwrap_or(began)));
        Ok(())
    }

    /// Notes that a transaction has read a place.
    pub fn note_read(&mut self, who: Asker, path: &str) {
        let Ok(path) = self.canonical(who, path) else { return };
        if let Some(transaction) = self.transactions.get_mut(&(who.domain, who.transaction))
            && !transaction.changed.iter().any(|(known, _)| *known == path)
        {
            let then = transaction.view.node(&path).map(|node| node.generation);
            transaction.read.entry(path).or_insert(then);
        }
    }
}
