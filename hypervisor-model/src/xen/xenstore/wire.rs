//! xenstore on its ring: messages of a header and a payload. Source: `xen/include/public/io/xs_wire.h`,
//! `docs/misc/xenstore.txt`.
//!
//! ```text
//!   type u32 | req_id u32 | tx_id u32 | len u32 | payload (len bytes, at most 4096)
//! ```

use super::{Asker, PAYLOAD_MAX, XenStore};
use crate::xen::domain::DomId;
use kernel_model::errno::Errno;
use serde::{Deserialize, Serialize};

macro_rules! messages {
    ($($name:ident = $number:literal, $header:literal;)+) => {
        /// What a message is (`enum xsd_sockmsg_type`).
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        #[allow(missing_docs)] // each is described by its name
        pub enum MessageType { $($name = $number,)+ }

        impl MessageType {
            /// All of them.
            pub const ALL: &'static [MessageType] = &[$(MessageType::$name,)+];

            /// The header's name.
            pub fn name(self) -> &'static str {
                match self { $(MessageType::$name => $header,)+ }
            }
        }
    };
}

messages! {
    Control = 0, "XS_CONTROL";
    Directory = 1, "XS_DIRECTORY";
    Read = 2, "XS_READ";
    GetPerms = 3, "XS_GET_PERMS";
    Watch = 4, "XS_WATCH";
    Unwatch = 5, "XS_UNWATCH";
    TransactionStart = 6, "XS_TRANSACTION_START";
    TransactionEnd = 7, "XS_TRANSACTION_END";
    Introduce = 8, "XS_INTRODUCE";
    Release = 9, "XS_RELEASE";
    GetDomainPath = 10, "XS_GET_DOMAIN_PATH";
    Write = 11, "XS_WRITE";
    Mkdir = 12, "XS_MKDIR";
    Rm = 13, "XS_RM";
    SetPerms = 14, "XS_SET_PERMS";
    WatchEvent = 15, "XS_WATCH_EVENT";
    Error = 16, "XS_ERROR";
    IsDomainIntroduced = 17, "XS_IS_DOMAIN_INTRODUCED";
    Resume = 18, "XS_RESUME";
    SetTarget = 19, "XS_SET_TARGET";
    ResetWatches = 21, "XS_RESET_WATCHES";
    DirectoryPart = 22, "XS_DIRECTORY_PART";
}

/// A message.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Message {
    /// What it is.
    pub kind: MessageType,
    /// By which an answer is known.
    pub req_id: u32,
    /// The transaction; 0 for none.
    pub tx_id: u32,
    /// What it says.
    pub payload: Vec<u8>,
}

impl Message {
    /// The bytes on the ring.
    pub fn to_bytes(&self) -> Vec<u8> {
        let header = [self.kind as u32, self.req_id, self.tx_id, self.payload.len() as u32];
        let mut bytes: Vec<u8> = header.iter().flat_map(|word| word.to_le_bytes()).collect();
        bytes.extend_from_slice(&self.payload);
        bytes
    }

    /// The first message in some bytes, and how many bytes it takes; `None` when it is not complete, or is none.
    pub fn from_bytes(bytes: &[u8]) -> Option<(Message, usize)> {
        let word = |at: usize| Some(u32::from_le_bytes(bytes.get(4 * at..4 * at + 4)?.try_into().ok()?));
        let kind = word(0)?;
        let kind = MessageType::ALL.iter().copied().find(|known| *known as u32 == kind)?;
        let len = word(3)? as usize;
        let payload = bytes.get(16..16 + len)?.to_vec();
        Some((Message { kind, req_id: word(1)?, tx_id: word(2)?, payload }, 16 + len))
    }

    /// The parts of the payload, which ends each with a zero byte.
    fn parts(&self) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.payload);
        let mut parts: Vec<String> = text.split('\0').map(str::to_owned).collect();
        if parts.last().is_some_and(String::is_empty) && parts.len() > 1 {
            parts.pop();
        }
        parts
    }
}

fn list(items: impl IntoIterator<Item = String>) -> Vec<u8> {
    items.into_iter().flat_map(|item| item.into_bytes().into_iter().chain([0])).collect()
}

impl XenStore {
    /// Answers a message of a domain. An error is an answer, too: its name as a text.
    pub fn answer(&mut self, domain: DomId, message: &Message) -> Message {
        let result = if message.payload.len() > PAYLOAD_MAX { Err(Errno::E2BIG) } else { self.serve(domain, message) };
        let (kind, payload) = match result {
            Ok(payload) => (message.kind, payload),
            Err(errno) => (MessageType::Error, list([errno.name().to_owned()])),
        };
        Message { kind, payload, ..message.clone() }
    }

    fn serve(&mut self, domain: DomId, message: &Message) -> Result<Vec<u8>, Errno> {
        let who = Asker { domain, transaction: message.tx_id };
        let parts = message.parts();
        let part = |at: usize| parts.get(at).map(String::as_str).ok_or(Errno::EINVAL);
        let ok = |()| list(["OK".to_owned()]);
        let privileged = if domain == DomId::DOM0 { Ok(()) } else { Err(Errno::EACCES) };
        let number = |text: &str| text.parse::<u16>().map(DomId).map_err(|_| Errno::EINVAL);
        match message.kind {
            MessageType::Read => {
                let value = self.read(who, part(0)?)?;
                self.note_read(who, part(0)?);
                Ok(value.into_bytes())
            }
            MessageType::Directory => {
                let names = self.directory(who, part(0)?)?;
                self.note_read(who, part(0)?);
                Ok(list(names))
            }
            MessageType::Write => {
                let at = message.payload.iter().position(|byte| *byte == 0).ok_or(Errno::EINVAL)?;
                let value = String::from_utf8_lossy(&message.payload[at + 1..]).into_owned();
                self.write(who, part(0)?, &value).map(ok)
            }
            MessageType::Mkdir => self.mkdir(who, part(0)?).map(ok),
            MessageType::Rm => self.rm(who, part(0)?).map(ok),
            MessageType::GetPerms => {
                let permissions = self.permissions(who, part(0)?)?.to_string();
                Ok(list(permissions.split(',').map(str::to_owned)))
            }
            MessageType::SetPerms => {
                let permissions = parts.get(1..).unwrap_or_default().join(",").parse().map_err(|()| Errno::EINVAL)?;
                self.set_permissions(who, part(0)?, permissions).map(ok)
            }
            MessageType::Watch => self.watch(domain, part(0)?, part(1)?).map(ok),
            MessageType::Unwatch => self.unwatch(domain, part(0)?, part(1)?).map(ok),
            MessageType::TransactionStart => Ok(list([self.transaction_start(who)?.to_string()])),
            MessageType::TransactionEnd => self.transaction_end(who, part(0)? == "T").map(ok),
            MessageType::Introduce => {
                privileged?;
                self.introduce(number(part(0)?)?);
                Ok(ok(()))
            }
            MessageType::Release => {
                privileged?;
                self.release(number(part(0)?)?);
                Ok(ok(()))
            }
            MessageType::GetDomainPath => Ok(list([format!("/local/domain/{}", number(part(0)?)?.0)])),
            MessageType::IsDomainIntroduced => {
                let known = self.is_introduced(number(part(0)?)?);
                Ok(list([if known { "T" } else { "F" }.to_owned()]))
            }
            MessageType::ResetWatches => {
                self.watches.retain(|watch| watch.domain != domain);
                Ok(ok(()))
            }
            // Control, targets, resuming, and listing in parts are not modelled.
            _ => Err(Errno::ENOSYS),
        }
    }
}
