//! `-incoming`: a virtual machine that waits for a guest from elsewhere (`process_incoming_migration_co`).

use super::event::MigrationEvent;
use super::stream::{Reader, Record};
use super::{Status, sockaddr, socket, tcp, value};
use crate::errno::Errno;
use crate::program::Sys;
use crate::program::qemu::device::{Machine, Work};
use crate::program::qemu::kvm::{self, Context, Kvm};
use crate::program::qemu::main_loop::with_machine;
use crate::program::qemu::pause::{self, RunState};
use crate::program::qemu::{KERNEL_ENTRY, SELF};
use crate::syscall::{Sysno, Value};

/// `SOL_SOCKET`, `SO_REUSEADDR`.
const SOL_SOCKET: i64 = 1;
const SO_REUSEADDR: i64 = 2;
/// How much is read at once.
const PART: usize = 32_768;

/// What the main loop knows of a guest that comes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Incoming {
    /// Where somebody may connect; -1 for nowhere.
    pub listening: i32,
    /// The connection; -1 when there is none.
    pub connection: i32,
    /// What has come and is not a whole record.
    reader: Reader,
    /// States that have come.
    sections: Vec<(String, Vec<u8>)>,
    /// Pages and bytes so far.
    pages: u64,
    bytes: u64,
}

impl Default for Incoming {
    fn default() -> Incoming {
        let (reader, sections) = (Reader::default(), Vec::new());
        Incoming { listening: -1, connection: -1, reader, sections, pages: 0, bytes: 0 }
    }
}

impl Incoming {
    /// The descriptor to be waited for.
    pub fn descriptor(&self) -> Option<i32> {
        [self.connection, self.listening].into_iter().find(|fd| *fd >= 0)
    }

    /// As it is saved.
    pub fn to_value(&self) -> Value {
        let section = |(name, state): &(String, Vec<u8>)| {
            Value::record([("name", name.as_str().into()), ("state", Value::bytes(state.as_slice()))])
        };
        Value::record([
            ("listening", self.listening.into()),
            ("connection", self.connection.into()),
            ("buffer", Value::bytes(self.reader.buffer.as_slice())),
            ("has_begun", i32::from(self.reader.has_begun).into()),
            ("in_pages", i32::from(self.reader.in_pages).into()),
            ("sections", Value::List(self.sections.iter().map(section).collect())),
            ("pages", self.pages.into()),
            ("bytes", self.bytes.into()),
        ])
    }

    /// The reverse.
    pub fn from_value(value: &Value) -> Incoming {
        let int = |name: &str| value.field(name).and_then(Value::as_int).unwrap_or(0);
        let bytes =
            |value: &Value, name: &str| value.field(name).and_then(Value::as_bytes).unwrap_or_default().to_vec();
        let section = |value: &Value| {
            let name = value.field("name").and_then(Value::as_str).unwrap_or_default().to_owned();
            (name, bytes(value, "state"))
        };
        let sections = value.field("sections").and_then(Value::as_list).unwrap_or_default();
        let has = |name: &str| int(name) != 0;
        let buffer = bytes(value, "buffer");
        Incoming {
            listening: int("listening") as i32,
            connection: int("connection") as i32,
            reader: Reader { buffer, has_begun: has("has_begun"), in_pages: has("in_pages") },
            sections: sections.iter().map(section).collect(),
            pages: int("pages") as u64,
            bytes: int("bytes") as u64,
        }
    }

    fn section(&self, name: &str) -> Option<&[u8]> {
        self.sections.iter().find(|(known, _)| known == name).map(|(_, state)| state.as_slice())
    }

    fn state(&self, name: &str) -> Option<Value> {
        value::decode(std::str::from_utf8(self.section(name)?).ok()?)
    }
}

/// Listens (`socket_start_incoming_migration`). The descriptor.
///
/// # Errors
/// What it says instead.
pub async fn listen(sys: &Sys, uri: &str) -> Result<i32, String> {
    let fail = |text: String| format!("-incoming {uri}: {text}");
    let Some((host, port)) = tcp(uri) else { return Err(fail(format!("unknown migration protocol: {uri}"))) };
    let Some(address) = sockaddr(host, port) else {
        return Err(fail(format!("address resolution failed for {host}:{port}: Name or service not known")));
    };
    let fd = socket(sys).await.map_err(|e| fail(format!("Failed to create a socket: {e}")))?;
    let on = Value::List(vec![1.into()]);
    let _ = sys.call(Sysno::SETSOCKOPT, vec![fd.into(), SOL_SOCKET.into(), SO_REUSEADDR.into(), on, 4.into()]).await;
    match sys.call(Sysno::BIND, vec![fd.into(), address, 16.into()]).await {
        Ok(_) => {}
        Err(Errno::EADDRINUSE) => {
            return Err(fail(format!("Failed to find an available port: {}", Errno::EADDRINUSE)));
        }
        Err(e) => return Err(fail(format!("Failed to bind socket: {e}"))),
    }
    let listening = sys.call(Sysno::LISTEN, vec![fd.into(), 1.into()]).await;
    listening.map_err(|e| fail(format!("Failed to listen on socket: {e}")))?;
    Ok(fd)
}

/// Something has come: a connection, or part of the stream.
///
/// # Errors
/// What it says before it ends: the guest cannot be taken.
pub async fn ready(sys: &Sys, context: &mut Context) -> Result<(), String> {
    let failed = |e: Errno| format!("{SELF}: load of migration failed: {e}\n");
    if context.incoming.connection < 0 {
        let args = vec![context.incoming.listening.into(), Value::Null, Value::Null];
        context.incoming.connection = sys.call_int(Sysno::ACCEPT, args).await.map_err(failed)? as i32;
        let _ = sys.close(context.incoming.listening).await;
        context.incoming.listening = -1;
        Status { text: "active".to_owned(), ..Status::default() }.store(sys, context).await;
        return Ok(());
    }
    let bytes = match sys.read(context.incoming.connection, PART).await {
        Err(Errno::EINTR | Errno::EAGAIN) => return Ok(()),
        other => other.map_err(failed)?,
    };
    if bytes.is_empty() {
        return Err(failed(Errno::EIO));
    }
    context.incoming.bytes += bytes.len() as u64;
    context.incoming.reader.buffer.extend_from_slice(&bytes);
    let records = context.incoming.reader.take();
    let records = records.map_err(|_| format!("{SELF}: Not a migration stream\n{}", failed(Errno::EINVAL)))?;
    let mut run = (0, Vec::new());
    for record in records {
        match record {
            Record::Page(at, Some(page)) => {
                context.incoming.pages += 1;
                if at != run.0 + run.1.len() as u64 {
                    put(sys, context, std::mem::replace(&mut run, (at, Vec::new()))).await?;
                }
                run.1.extend(page);
            }
            // Memory here is zero from the start; a page that is zero again has been given back there.
            Record::Page(_, None) => {}
            Record::Memory(size) if size == context.memory => {}
            Record::Memory(size) => {
                let text = format!("{SELF}: Size mismatch: pc.ram: {size:#x} != {:#x}\n", context.memory);
                return Err(text + &failed(Errno::EINVAL));
            }
            Record::Section(name, state) => context.incoming.sections.push((name, state)),
            Record::End => {
                put(sys, context, std::mem::take(&mut run)).await?;
                return arrive(sys, context).await;
            }
        }
    }
    put(sys, context, run).await
}

/// Pages go to where they belong.
async fn put(sys: &Sys, context: &Context, (gpa, bytes): (u64, Vec<u8>)) -> Result<(), String> {
    if bytes.is_empty() {
        return Ok(());
    }
    let stored = context.store(sys, gpa, &bytes).await;
    stored.map_err(|_| {
        format!("{SELF}: Illegal RAM offset {gpa:x}\n{SELF}: load of migration failed: Invalid argument\n")
    })
}

/// Everything has come: the guest goes on (`process_incoming_migration_bh`).
async fn arrive(sys: &Sys, context: &mut Context) -> Result<(), String> {
    let failed = |e: Errno| format!("{SELF}: load of migration failed: {e}\n");
    let incoming = std::mem::take(&mut context.incoming);
    let _ = sys.close(incoming.connection).await;
    let (Some(devices), Some(regs)) = (incoming.state("devices"), incoming.state("cpu")) else {
        return Err(failed(Errno::EIO));
    };
    let (here, mut there) = (Machine::load(sys, context).await, Machine::from_value(&devices));
    if !here.has_devices_of(&there) {
        return Err(format!(
            "{SELF}: Unknown savevm section or instance: the devices are others\n{}",
            failed(Errno::EINVAL)
        ));
    }
    // The processor must be there before it can get a state.
    pause::stop(sys, context).await;
    there.written = None;
    let _ = sys.store(context.state + Machine::AT, there.to_value()).await;
    pause::set_answer(sys, context, incoming.state("answer").unwrap_or_default()).await;
    let state = regs.field("state").cloned().unwrap_or_default();
    let regs = Value::record([("rip", KERNEL_ENTRY.into()), ("state", state)]);
    Kvm { sys }.ioctl(pause::vcpu(sys, context).await, kvm::SET_REGS, regs).await.map_err(failed)?;
    sys.tell(MigrationEvent::Arrived { pages: incoming.pages, bytes: incoming.bytes }).await;
    Status { text: "completed".to_owned(), ..Status::default() }.store(sys, context).await;
    // Doorbells that were rung and not heard there are heard here.
    for bell in 0..context.doorbells.len() {
        with_machine(sys, context, Work::Queue(bell)).await;
    }
    match incoming.section("globalstate") {
        Some(b"running") => pause::go(sys, context).await,
        _ => RunState::Paused.store(sys, context).await,
    }
    Ok(())
}
