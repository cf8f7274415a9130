//! The conversation between `runc` and `runc init`: lines of JSON through two pipes.

use super::Failed;
use crate::errno::Errno;
use crate::program::Sys;
use crate::program::container::json::Json;
use crate::vfs::fd_table::Fd;

/// One side of the conversation.
pub(super) struct Channel {
    sys: Sys,
    reads: Fd,
    writes: Fd,
    /// What has been read of the next line.
    pending: Vec<u8>,
}

/// What the other side says (`syncT`).
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Message {
    /// A step of the protocol: `procHooks`, `procReady`, ...
    Step(String),
    /// The other side failed, with these words.
    Failed(String),
    /// Something else.
    Data(Json),
}

impl Channel {
    pub(super) fn new(sys: &Sys, reads: Fd, writes: Fd) -> Channel {
        Channel { sys: sys.clone(), reads, writes, pending: Vec::new() }
    }

    /// Sends one line.
    pub(super) async fn send(&self, json: &Json) -> Result<(), Errno> {
        self.sys.write_all(self.writes, format!("{}\n", json.compact()).as_bytes()).await
    }

    /// Says that a step has been reached.
    pub(super) async fn step(&self, name: &str) -> Result<(), Errno> {
        self.send(&Json::object([("type", name.into()), ("fd", (-1).into())])).await
    }

    /// Says that this side has failed.
    pub(super) async fn fail(&self, message: &str) {
        let error = Json::object([("message", message.into())]);
        // The other side may be gone.
        let _ = self.send(&Json::object([("type", "procError".into()), ("error", error)])).await;
    }

    /// The next line; `None` when the other side has closed its end.
    pub(super) async fn receive(&mut self) -> Result<Option<Message>, Errno> {
        let line = loop {
            if let Some(end) = self.pending.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.pending.drain(..=end).collect();
                break String::from_utf8_lossy(&line).into_owned();
            }
            match self.sys.read(self.reads, 65_536).await {
                Ok(bytes) if bytes.is_empty() => return Ok(None),
                Ok(bytes) => self.pending.extend(bytes),
                Err(Errno::EINTR) => {}
                Err(e) => return Err(e),
            }
        };
        let json = Json::parse(&line).unwrap_or(Json::Null);
        Ok(Some(match json.get("type").and_then(Json::as_str) {
            Some("procError") => {
                Message::Failed(json.at("error.message").and_then(Json::as_str).unwrap_or_default().to_owned())
            }
            Some(step) if json.get("args").is_none() => Message::Step(step.to_owned()),
            _ => Message::Data(json),
        }))
    }

    /// Waits for a step that must come next.
    pub(super) async fn expect(&mut self, step: &str) -> Result<(), Failed> {
        match self.receive().await {
            Ok(Some(Message::Step(name))) if name == step => Ok(()),
            Ok(Some(Message::Failed(message))) => Err(message.into()),
            _ => Err("could not synchronise with container process".to_owned().into()),
        }
    }

    /// Waits for something that is no step.
    pub(super) async fn data(&mut self) -> Result<Json, Failed> {
        match self.receive().await {
            Ok(Some(Message::Data(json))) => Ok(json),
            Ok(Some(Message::Failed(message))) => Err(message.into()),
            _ => Err("could not synchronise with container process".to_owned().into()),
        }
    }

    /// Closes this side.
    pub(super) async fn close(self) {
        // Both are open, and nothing depends on it.
        let _ = self.sys.close(self.reads).await;
        if self.writes != self.reads {
            let _ = self.sys.close(self.writes).await;
        }
    }
}
