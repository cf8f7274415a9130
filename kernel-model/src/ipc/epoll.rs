//! Interest lists, as in epoll(7) and `fs/eventpoll.c`: descriptors that somebody wants to hear of, and a descriptor to
//! wait at for all of them.

use serde::{Deserialize, Serialize};

use crate::errno::Errno;
use crate::id;
use crate::kernel::Kernel;
use crate::syscall::Value;
use crate::task::TaskId;
use crate::task::sched::Wait;
use crate::vfs::fd_table::Fd;
use crate::vfs::file::{FileId, FileKind};
use crate::world::World;

id! {
    /// An interest list.
    EpollId
}

/// Bits of `struct epoll_event` beside those of poll(2).
#[allow(missing_docs)] // the flags of epoll_ctl(2)
pub mod bits {
    pub const ERR: u32 = 8;
    pub const HUP: u32 = 0x10;
    pub const EXCLUSIVE: u32 = 1 << 28;
    pub const ONESHOT: u32 = 1 << 30;
    pub const ET: u32 = 1 << 31;
}

/// How deep lists can be in lists (`EP_MAX_NESTS`).
const NESTS: usize = 4;
/// What can go with EPOLLEXCLUSIVE (`EPOLLEXCLUSIVE_OK_BITS`).
const EXCLUSIVE_OK: u32 = 0x1 | 0x4 | bits::ERR | bits::HUP | 1 << 29 | bits::ET | bits::EXCLUSIVE;

/// A descriptor in the list (`struct epitem`): the description behind it and the number that it had.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Item {
    /// The description. The entry goes when it is closed, not before.
    pub file: FileId,
    /// The number under which it was added.
    pub fd: Fd,
    /// What is of interest; 0 once EPOLLONESHOT has told.
    pub events: u32,
    /// What is handed back with an event.
    pub data: Value,
    /// What was told last: with EPOLLET only a change is told.
    pub told: u32,
}

/// An interest list (`struct eventpoll`).
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Epoll {
    /// In the order in which they are looked at: those that are ready and have waited longest come first.
    pub items: Vec<Item>,
}

/// What epoll_ctl(2) is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // the operations of epoll_ctl(2)
pub enum Op {
    Add,
    Del,
    Mod,
}

impl World {
    /// The list behind a description.
    pub(crate) fn epoll_of(&self, file: FileId) -> Option<EpollId> {
        match self.vfs.files.get(file)?.kind {
            FileKind::Epoll(id) => Some(id),
            _ => None,
        }
    }

    /// How many lists are below this one at most; `None` when `forbidden` is among them or there are too many.
    fn epoll_depth(&self, id: EpollId, forbidden: EpollId, at: usize) -> Option<usize> {
        if id == forbidden || at > NESTS {
            return None;
        }
        let below = self.epolls.get(id).into_iter().flat_map(|list| &list.items);
        below
            .filter_map(|item| self.epoll_of(item.file))
            .try_fold(0, |deepest, next| self.epoll_depth(next, forbidden, at + 1).map(|depth| deepest.max(depth + 1)))
    }

    /// How many lists are above this one at most.
    fn epoll_height(&self, id: EpollId) -> usize {
        let has = |list: &Epoll| list.items.iter().any(|item| self.epoll_of(item.file) == Some(id));
        self.epolls
            .iter()
            .filter(|(_, list)| has(list))
            .map(|(above, _)| 1 + self.epoll_height(above))
            .max()
            .unwrap_or(0)
    }

    /// The lines of `/proc/PID/fdinfo/N` (`ep_show_fdinfo`).
    pub(crate) fn epoll_fdinfo(&self, id: EpollId) -> String {
        let line = |item: &Item| {
            let (ino, pos) = match self.vfs.files.get(item.file) {
                Some(file) => (file.path().map_or(0, |path| self.attr(path).ino), file.pos),
                None => (0, 0),
            };
            format!(
                "tfd: {:8} events: {:8x} data: {:16x}  pos:{pos} ino:{ino:x} sdev:0\n",
                item.fd,
                item.events,
                number(&item.data)
            )
        };
        self.epolls.get(id).into_iter().flat_map(|list| &list.items).map(line).collect()
    }
}

/// `epoll_data_t` as a number.
fn number(data: &Value) -> i64 {
    data.as_int().or_else(|| data.field("u64")?.as_int()).or_else(|| data.field("fd")?.as_int()).unwrap_or(0)
}

impl Kernel<'_> {
    /// epoll_ctl(2) after the descriptors have been found (`do_epoll_ctl`).
    ///
    /// # Errors
    /// EINVAL, ELOOP, EEXIST and ENOENT of epoll_ctl(2).
    pub(crate) fn epoll_ctl(
        &mut self,
        list: FileId,
        op: Option<Op>,
        (file, fd): (FileId, Fd),
        (events, data): (u32, Value),
    ) -> Result<(), Errno> {
        let id = self.epoll_of(list).filter(|_| list != file).ok_or(Errno::EINVAL)?;
        let inner = self.epoll_of(file);
        let exclusive = op.is_some_and(|op| op != Op::Del) && events & bits::EXCLUSIVE != 0;
        if exclusive && (op == Some(Op::Mod) || inner.is_some() || events & !EXCLUSIVE_OK != 0) {
            return Err(Errno::EINVAL);
        }
        if op == Some(Op::Add)
            && let Some(inner) = inner
        {
            let depth = self.epoll_depth(inner, id, 0).ok_or(Errno::ELOOP)?;
            if depth + 1 + self.epoll_height(id) > NESTS {
                return Err(Errno::ELOOP);
            }
        }
        let items = &mut self.world.epolls[id].items;
        let place = items.iter().position(|item| item.file == file && item.fd == fd);
        let events = events | bits::ERR | bits::HUP;
        match (op, place) {
            (Some(Op::Add), None) => items.push(Item { file, fd, events, data, told: 0 }),
            (Some(Op::Add), Some(_)) => return Err(Errno::EEXIST),
            (Some(Op::Del | Op::Mod), None) => return Err(Errno::ENOENT),
            (Some(Op::Del), Some(place)) => drop(items.remove(place)),
            (Some(Op::Mod), Some(place)) => {
                if items[place].events & bits::EXCLUSIVE != 0 {
                    return Err(Errno::EINVAL);
                }
                // Whoever is ready by it comes after those who were before.
                items.remove(place);
                items.push(Item { file, fd, events, data, told: 0 });
            }
            (None, _) => return Err(Errno::EINVAL),
        }
        self.wake_all(Wait::Epoll(id));
        Ok(())
    }

    /// What can be told now, at most `most`: events and data (`ep_send_events`). What would change it is added to `waits`.
    pub(crate) fn epoll_ready(
        &mut self,
        task: TaskId,
        id: EpollId,
        most: usize,
        waits: &mut Vec<Wait>,
    ) -> Vec<(u32, Value)> {
        waits.push(Wait::Epoll(id));
        let mut ready = Vec::new();
        let (mut left, mut told, mut others) = (Vec::new(), Vec::new(), Vec::new());
        for mut item in self.epolls[id].items.clone() {
            let state = if item.events & !(bits::ERR | bits::HUP) == 0 && item.told != 0 {
                // EPOLLONESHOT has told: nothing more before epoll_ctl(2) asks for it.
                0
            } else {
                crate::syscall::file::readiness(self, task, item.file, waits) as u32 & item.events
            };
            let is_new = item.events & bits::ET == 0 || state & !item.told != 0;
            if state != 0 && is_new && ready.len() >= most {
                left.push(item);
                continue;
            }
            if state == 0 || !is_new {
                if item.events & bits::ET != 0 {
                    item.told &= state;
                }
                others.push(item);
                continue;
            }
            ready.push((state, item.data.clone()));
            item.told = state;
            if item.events & bits::ONESHOT != 0 {
                item.events &= bits::EXCLUSIVE | bits::ET | bits::ONESHOT;
            }
            // Only what is told by its level stays among those that are ready.
            if item.events & (bits::ET | bits::ONESHOT) == 0 { told.push(item) } else { others.push(item) }
        }
        // Whoever becomes ready later comes after those who are.
        left.append(&mut told);
        left.append(&mut others);
        self.world.epolls[id].items = left;
        ready
    }

    /// Whether anything could be told (`ep_eventpoll_poll`).
    pub(crate) fn epoll_is_ready(&mut self, task: TaskId, id: EpollId, waits: &mut Vec<Wait>) -> bool {
        waits.push(Wait::Epoll(id));
        let items = self.epolls[id].items.clone();
        let mut any = false;
        for item in items {
            let state = crate::syscall::file::readiness(self, task, item.file, waits) as u32 & item.events;
            any |= state != 0 && (item.events & bits::ET == 0 || state & !item.told != 0);
        }
        any
    }

    /// A description is closed: it is in no list any more (`eventpoll_release`).
    pub(crate) fn forget_in_epolls(&mut self, file: FileId) {
        let lists: Vec<EpollId> = self.epolls.iter().map(|(id, _)| id).collect();
        for id in lists {
            if self.epolls[id].items.iter().any(|item| item.file == file) {
                self.world.epolls[id].items.retain(|item| item.file != file);
            }
        }
    }
}
