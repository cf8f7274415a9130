//! Names of local sockets: a file, or a name that begins with a zero byte and is nobody's file.

use serde::{Deserialize, Serialize};

use super::UnixType;
use crate::errno::Errno;
use crate::event::EventKind;
use crate::kernel::Kernel;
use crate::namespace::net::NetNsId;
use crate::net::socket::{AF_UNIX, Protocol, SocketId};
use crate::program::libc::AT_FDCWD;
use crate::syscall::Value;
use crate::task::TaskId;
use crate::vfs::Node;
use crate::vfs::fs::FileType;
use crate::vfs::inode::{InodeId, InodeKind};
use crate::vfs::permission::Access;
use crate::vfs::walk::LookupFlags;
use crate::world::World;

/// Where `sun_path` begins in `struct sockaddr_un`, and how long the whole is.
const PATH_OFFSET: usize = 2;
const SOCKADDR_UN: usize = 110;

/// What a local socket is called.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum UnixName {
    /// The path that bind(2) was given.
    Path(String),
    /// A name of the abstract namespace, without the zero byte at its beginning.
    Abstract(String),
}

impl UnixName {
    /// As `/proc/net/unix` and `ss` show it: an abstract name begins with `@`.
    pub fn text(&self) -> String {
        match self {
            UnixName::Path(path) => path.clone(),
            UnixName::Abstract(name) => format!("@{}", name.replace('\0', "@")),
        }
    }
}

/// What a `struct sockaddr` says of a local socket.
pub(crate) enum UnixAddress {
    /// Only the family: bind(2) makes up a name.
    Unnamed,
    /// A name.
    Named(UnixName),
}

impl UnixAddress {
    /// Reads an address (`unix_validate_addr`).
    ///
    /// # Errors
    /// EFAULT for what is none; EINVAL for a wrong length or another family.
    pub(crate) fn read(addr: &Value, len: i64, family: Option<i64>) -> Result<UnixAddress, Errno> {
        let family = family.ok_or(Errno::EFAULT)?;
        let len = usize::try_from(len).map_err(|_| Errno::EINVAL)?;
        if family == AF_UNIX && len == PATH_OFFSET {
            return Ok(UnixAddress::Unnamed);
        }
        if !(PATH_OFFSET + 1..=SOCKADDR_UN).contains(&len) || family != AF_UNIX {
            return Err(Errno::EINVAL);
        }
        let path = addr.field("sun_path").and_then(Value::as_bytes).unwrap_or_default();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(UnixAddress::Named(match path {
            [0, rest @ ..] => UnixName::Abstract(text(rest)),
            path => UnixName::Path(text(path.split(|b| *b == 0).next().unwrap_or_default())),
        }))
    }

    /// The name.
    ///
    /// # Errors
    /// EINVAL when there is none.
    pub(crate) fn name(self) -> Result<UnixName, Errno> {
        match self {
            UnixAddress::Named(name) => Ok(name),
            UnixAddress::Unnamed => Err(Errno::EINVAL),
        }
    }
}

/// A name as a `struct sockaddr_un`; only the family for a socket without one.
pub(crate) fn sockaddr_un(name: Option<&UnixName>) -> Value {
    let path = match name {
        None => return Value::record([("sa_family", AF_UNIX.into())]),
        Some(UnixName::Path(path)) => path.clone(),
        Some(UnixName::Abstract(name)) => format!("\0{name}"),
    };
    Value::record([("sa_family", AF_UNIX.into()), ("sun_path", path.as_str().into())])
}

impl World {
    /// The socket that bears an abstract name in a network namespace. Each type has names of its own.
    fn unix_by_abstract_name(&self, net: NetNsId, kind: UnixType, name: &str) -> Option<SocketId> {
        let bears = |protocol: &Protocol| match protocol {
            Protocol::Unix(end) => {
                end.kind == kind && matches!(&end.name, Some(UnixName::Abstract(own)) if own == name)
            }
            _ => false,
        };
        self.sockets.iter().find(|(_, s)| s.net == net && bears(&s.protocol)).map(|(id, _)| id)
    }

    /// The socket that is bound to a file.
    fn unix_by_inode(&self, inode: InodeId) -> Option<SocketId> {
        let bound = |protocol: &Protocol| match protocol {
            Protocol::Unix(end) => match end.path.map(|path| path.node) {
                Some(Node::Tree(dentry)) => self.vfs.dentries.get(dentry).is_some_and(|d| d.inode == inode),
                _ => false,
            },
            _ => false,
        };
        self.sockets.iter().find(|(_, s)| bound(&s.protocol)).map(|(id, _)| id)
    }
}

impl Kernel<'_> {
    /// Gives a socket a name (`unix_bind`).
    ///
    /// # Errors
    /// EINVAL for a socket that has one; EADDRINUSE for a name that is taken; those of mknod(2) for a file.
    pub(crate) fn unix_bind(&mut self, caller: TaskId, id: SocketId, address: UnixAddress) -> Result<(), Errno> {
        match address {
            UnixAddress::Unnamed => self.unix_autobind(id),
            UnixAddress::Named(UnixName::Path(path)) => self.unix_bind_path(caller, id, &path),
            UnixAddress::Named(UnixName::Abstract(name)) => {
                let (net, end) = (self.sockets[id].net, self.unix_end(id)?);
                if end.name.is_some() {
                    return Err(Errno::EINVAL);
                }
                if self.unix_by_abstract_name(net, end.kind, &name).is_some() {
                    return Err(Errno::EADDRINUSE);
                }
                self.unix_name(id, UnixName::Abstract(name));
                Ok(())
            }
        }
    }

    /// `unix_bind_bsd`: the file is made first, and taken away again when the socket has a name already.
    fn unix_bind_path(&mut self, caller: TaskId, id: SocketId, path: &str) -> Result<(), Errno> {
        let new = self.new_name(caller, AT_FDCWD, path, false);
        let new = new.map_err(|e| if e == Errno::EEXIST { Errno::EADDRINUSE } else { e })?;
        let dentry = self.may_create(caller, new.dir)?;
        if self.unix_end(id)?.name.is_some() {
            return Err(Errno::EINVAL);
        }
        let place = self.make_inode(caller, new.dir, dentry, &new.name, InodeKind::Socket, 0o777)?;
        if let Some(end) = self.unix_mut(id) {
            end.path = Some(place);
        }
        self.unix_name(id, UnixName::Path(path.to_owned()));
        Ok(())
    }

    /// Gives a socket without a name one of five hexadecimal digits that nobody has (`unix_autobind`).
    ///
    /// # Errors
    /// ENOSPC when all are taken.
    pub(crate) fn unix_autobind(&mut self, id: SocketId) -> Result<(), Errno> {
        let (net, end) = (self.sockets[id].net, self.unix_end(id)?);
        if end.name.is_some() {
            return Ok(());
        }
        let names = (1..=0xf_ffffu32).map(|n| format!("{n:05x}"));
        let free = names.into_iter().find(|name| self.unix_by_abstract_name(net, end.kind, name).is_none());
        self.unix_name(id, UnixName::Abstract(free.ok_or(Errno::ENOSPC)?));
        Ok(())
    }

    fn unix_name(&mut self, id: SocketId, name: UnixName) {
        let ns = self.sockets[id].net;
        let text = name.text();
        if let Some(end) = self.unix_mut(id) {
            end.name = Some(name);
        }
        let socket = self.socket_name(id);
        self.emit(EventKind::SocketNamed { ns, socket: socket.into(), name: text.into() });
    }

    /// The socket that an address leads to (`unix_find_other`). A file is found whatever the network namespace is.
    ///
    /// # Errors
    /// Those of the walk; EACCES for a file that may not be written; ECONNREFUSED when nobody bears the name;
    /// EPROTOTYPE for a socket of another type.
    pub(super) fn unix_find(&mut self, caller: TaskId, from: SocketId, name: &UnixName) -> Result<SocketId, Errno> {
        let (net, kind) = (self.sockets[from].net, self.unix_end(from)?.kind);
        match name {
            UnixName::Abstract(name) => self.unix_by_abstract_name(net, kind, name).ok_or(Errno::ECONNREFUSED),
            UnixName::Path(path) => {
                let place = self.walk(caller, AT_FDCWD, path, LookupFlags::FOLLOW)?;
                self.inode_permission(caller, place, Access::WRITE)?;
                if self.attr(place).file_type != FileType::Socket {
                    return Err(Errno::ECONNREFUSED);
                }
                let Node::Tree(dentry) = place.node else { return Err(Errno::ECONNREFUSED) };
                let inode = self.vfs.dentries[dentry].inode;
                let found = self.unix_by_inode(inode).ok_or(Errno::ECONNREFUSED)?;
                if self.unix_end(found)?.kind == kind { Ok(found) } else { Err(Errno::EPROTOTYPE) }
            }
        }
    }
}
