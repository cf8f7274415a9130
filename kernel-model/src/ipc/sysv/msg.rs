//! System V message queues, as in msgop(2) and `ipc/msg.c`.

use std::sync::Arc;

use imbl::Vector;
use serde::{Deserialize, Serialize};

use super::{IpcIds, IpcKind, IpcObject, Perm, PidNumbers};
use crate::namespace::ipc::IpcNamespace;

/// A message: its type and its text.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Message {
    /// Its type, 1 or more.
    pub mtype: i64,
    /// Its text.
    pub text: Arc<[u8]>,
}

/// A message queue (`struct msg_queue`).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)] // the fields of msgctl(2)
pub struct MsgQueue {
    pub perm: Perm,
    pub stime: i64,
    pub rtime: i64,
    pub ctime: i64,
    pub qbytes: u64,
    pub lspid: PidNumbers,
    pub lrpid: PidNumbers,
    pub messages: Vector<Message>,
}

/// Which message a receiver wants (`convert_mode`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Search {
    /// The first.
    Any,
    /// The first of this type.
    Equal(i64),
    /// The first of another type.
    NotEqual(i64),
    /// The first of the lowest type up to this one.
    LessEqual(i64),
    /// The one in this place of the queue.
    Number(i64),
}

impl MsgQueue {
    /// A queue without messages.
    pub fn new(perm: Perm, qbytes: u64, now: i64) -> MsgQueue {
        MsgQueue {
            perm,
            stime: 0,
            rtime: 0,
            ctime: now,
            qbytes,
            lspid: Vec::new(),
            lrpid: Vec::new(),
            messages: Vector::new(),
        }
    }

    /// Bytes in the queue.
    pub fn cbytes(&self) -> u64 {
        self.messages.iter().map(|m| m.text.len() as u64).sum()
    }

    /// Whether a message of this size fits (`msg_fits_inqueue`).
    pub fn fits(&self, size: u64) -> bool {
        size + self.cbytes() <= self.qbytes && (self.messages.len() as u64) < self.qbytes
    }

    /// The place of the message that a receiver wants (`find_msg`).
    pub fn find(&self, search: Search) -> Option<usize> {
        let first = |wanted: &dyn Fn(i64) -> bool| self.messages.iter().position(|m| wanted(m.mtype));
        match search {
            Search::Any => first(&|_| true),
            Search::Equal(t) => first(&|m| m == t),
            Search::NotEqual(t) => first(&|m| m != t),
            Search::LessEqual(t) => {
                let lowest = self.messages.iter().map(|m| m.mtype).filter(|m| *m <= t).min()?;
                first(&|m| m == lowest)
            }
            Search::Number(n) => usize::try_from(n).ok().filter(|n| *n < self.messages.len()),
        }
    }
}

impl IpcObject for MsgQueue {
    const KIND: IpcKind = IpcKind::Msg;
    fn perm(&self) -> &Perm {
        &self.perm
    }
    fn perm_mut(&mut self) -> &mut Perm {
        &mut self.perm
    }
    fn ids(ns: &IpcNamespace) -> &IpcIds<Self> {
        &ns.msg
    }
    fn ids_mut(ns: &mut IpcNamespace) -> &mut IpcIds<Self> {
        &mut ns.msg
    }
}
