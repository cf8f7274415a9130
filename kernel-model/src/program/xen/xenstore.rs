//! Messages to xenstored through `/dev/xen/xenbus` (libxenstore). Source: `xen/include/public/io/xs_wire.h`.

use crate::errno::Errno;
use crate::program::Sys;
use crate::program::libc::o;

const DIRECTORY: u32 = 1;
const READ: u32 = 2;
const GET_PERMS: u32 = 3;
const WATCH: u32 = 4;
const TRANSACTION_START: u32 = 6;
const TRANSACTION_END: u32 = 7;
const INTRODUCE: u32 = 8;
const RELEASE: u32 = 9;
const WRITE: u32 = 11;
const MKDIR: u32 = 12;
const RM: u32 = 13;
const SET_PERMS: u32 = 14;
const WATCH_EVENT: u32 = 15;
const ERROR: u32 = 16;

/// A connection.
pub struct XenStore<'a> {
    sys: &'a Sys,
    fd: i32,
    /// The transaction in which it is; 0 for none.
    transaction: u32,
}

impl XenStore<'_> {
    /// `xs_open`.
    ///
    /// # Errors
    /// Those of open(2).
    pub async fn open(sys: &Sys) -> Result<XenStore<'_>, Errno> {
        let fd = sys.open("/dev/xen/xenbus", o::RDWR | o::CLOEXEC, 0).await?;
        Ok(XenStore { sys, fd, transaction: 0 })
    }

    /// The connection that was opened before as this descriptor.
    pub fn at(sys: &Sys, fd: i32) -> XenStore<'_> {
        XenStore { sys, fd, transaction: 0 }
    }

    /// Its descriptor.
    pub fn fd(&self) -> i32 {
        self.fd
    }

    async fn message(&self) -> Result<(u32, Vec<u8>), Errno> {
        let mut bytes = Vec::new();
        let mut wanted = 16;
        while bytes.len() < wanted {
            let part = self.sys.read(self.fd, wanted - bytes.len()).await?;
            if part.is_empty() {
                return Err(Errno::EIO);
            }
            bytes.extend(part);
            if bytes.len() >= 16 && wanted == 16 {
                wanted += word(&bytes, 3) as usize;
            }
        }
        Ok((word(&bytes, 0), bytes.split_off(16)))
    }

    /// `xs_talkv`: a message and its answer. Watches that fire meanwhile are not waited for by anybody who talks.
    async fn talk(&self, kind: u32, payload: &[u8]) -> Result<Vec<u8>, Errno> {
        let header = [kind, 0, self.transaction, payload.len() as u32];
        let mut bytes: Vec<u8> = header.iter().flat_map(|word| word.to_le_bytes()).collect();
        bytes.extend_from_slice(payload);
        self.sys.write_all(self.fd, &bytes).await?;
        loop {
            match self.message().await? {
                (WATCH_EVENT, _) => {}
                (ERROR, name) => {
                    let name = String::from_utf8_lossy(&name);
                    return Err(Errno::from_name(name.trim_end_matches('\0')).unwrap_or(Errno::EIO));
                }
                (_, answer) => return Ok(answer),
            }
        }
    }

    /// The value of a node.
    ///
    /// # Errors
    /// xenstored's.
    pub async fn read(&self, path: &str) -> Result<String, Errno> {
        Ok(String::from_utf8_lossy(&self.talk(READ, format!("{path}\0").as_bytes()).await?).into_owned())
    }

    /// Names of the nodes below.
    ///
    /// # Errors
    /// xenstored's.
    pub async fn directory(&self, path: &str) -> Result<Vec<String>, Errno> {
        Ok(strings(&self.talk(DIRECTORY, format!("{path}\0").as_bytes()).await?))
    }

    /// Its permissions: `n0`, `r1`.
    ///
    /// # Errors
    /// xenstored's.
    pub async fn permissions(&self, path: &str) -> Result<Vec<String>, Errno> {
        Ok(strings(&self.talk(GET_PERMS, format!("{path}\0").as_bytes()).await?))
    }

    /// Writes a node.
    ///
    /// # Errors
    /// xenstored's.
    pub async fn write(&self, path: &str, value: &str) -> Result<(), Errno> {
        self.talk(WRITE, format!("{path}\0{value}").as_bytes()).await.map(drop)
    }

    /// Makes a directory with permissions: `n1`, `r0`.
    ///
    /// # Errors
    /// xenstored's.
    pub async fn make(&self, path: &str, permissions: &[String]) -> Result<(), Errno> {
        self.talk(MKDIR, format!("{path}\0").as_bytes()).await?;
        let payload: String = std::iter::once(path).chain(permissions.iter().map(String::as_str)).map(zero).collect();
        self.talk(SET_PERMS, payload.as_bytes()).await.map(drop)
    }

    /// Removes a node with all that is below it.
    ///
    /// # Errors
    /// xenstored's.
    pub async fn rm(&self, path: &str) -> Result<(), Errno> {
        self.talk(RM, format!("{path}\0").as_bytes()).await.map(drop)
    }

    /// Begins a transaction: what follows is part of it.
    ///
    /// # Errors
    /// xenstored's.
    pub async fn begin(&mut self) -> Result<(), Errno> {
        let answer = self.talk(TRANSACTION_START, b"\0").await?;
        self.transaction = strings(&answer).first().and_then(|id| id.parse().ok()).ok_or(Errno::EIO)?;
        Ok(())
    }

    /// Ends it, all of it at once.
    ///
    /// # Errors
    /// EAGAIN: somebody has written in between.
    pub async fn commit(&mut self) -> Result<(), Errno> {
        let result = self.talk(TRANSACTION_END, b"T\0").await;
        self.transaction = 0;
        result.map(drop)
    }

    /// Tells xenstored of a new domain: frame of its ring, and port.
    ///
    /// # Errors
    /// xenstored's.
    pub async fn introduce(&self, domid: i64, frame: i64, port: i64) -> Result<(), Errno> {
        self.talk(INTRODUCE, format!("{domid}\0{frame}\0{port}\0").as_bytes()).await.map(drop)
    }

    /// Tells xenstored that a domain is gone.
    ///
    /// # Errors
    /// xenstored's.
    pub async fn release(&self, domid: i64) -> Result<(), Errno> {
        self.talk(RELEASE, format!("{domid}\0").as_bytes()).await.map(drop)
    }

    /// Wants to hear of changes at a path or below it.
    ///
    /// # Errors
    /// xenstored's.
    pub async fn watch(&self, path: &str, token: &str) -> Result<(), Errno> {
        self.talk(WATCH, format!("{path}\0{token}\0").as_bytes()).await.map(drop)
    }

    /// `xs_read_watch`: waits until a watch fires; the path that has changed.
    ///
    /// # Errors
    /// Those of read(2).
    pub async fn wait(&self) -> Result<String, Errno> {
        loop {
            if let (WATCH_EVENT, payload) = self.message().await? {
                return Ok(strings(&payload).into_iter().next().unwrap_or_default());
            }
        }
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(4 * at..4 * at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn zero(text: &str) -> String {
    format!("{text}\0")
}

fn strings(payload: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(payload);
    text.split_terminator('\0').map(str::to_owned).collect()
}
