//! Live migration by pre-copy (`migration/migration.c`, `migration/ram.c`): the guest's memory goes over while it runs, round
//! after round of what it has written meanwhile, until what is left can go in the time that it may stand still.
//!
//! A thread sends ([`precopy`]), the main loop of the other process receives ([`incoming`]), and [`stream`] is what goes over
//! a TCP connection between them: the pages of the guest's memory, then the state of its devices and of its processor. Writes
//! of the guest are logged by KVM, those of the devices here. What a page of a guest's own kernel holds is not modelled, so
//! that it goes over as zeros, but in full; and as that kernel is a value, the state of the processor names the virtual
//! machine in which it is, and KVM of the same host hands it over when that state is set on the other side.

pub mod event;
pub mod incoming;
pub mod precopy;
mod stream;
mod value;

use std::net::Ipv4Addr;

use super::kvm::Context;
use super::pause::RunState;
use super::{Role, SELF};
use crate::errno::Errno;
use crate::program::Sys;
use crate::syscall::{Sysno, Value};

/// What the threads share, behind [`Context::state`]: what was asked for by `migrate_set_parameter`.
const PARAMETERS: u64 = 48;
/// How far it has come.
const STATUS: u64 = 56;
/// It is to be given up.
const CANCEL: u64 = 72;

const AF_INET: i64 = 2;
const SOCK_STREAM: i64 = 1;

/// What may be set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parameters {
    /// Bytes a second (`max-bandwidth`).
    pub bandwidth: u64,
    /// Milliseconds for which the guest may stand still (`downtime-limit`).
    pub downtime_limit: u64,
}

impl Default for Parameters {
    fn default() -> Parameters {
        // `MAX_THROTTLE`, `DEFAULT_MIGRATE_SET_DOWNTIME`.
        Parameters { bandwidth: 128 << 20, downtime_limit: 300 }
    }
}

impl Parameters {
    /// What holds.
    pub async fn load(sys: &Sys, context: &Context) -> Parameters {
        let value = sys.load(context.state + PARAMETERS).await.unwrap_or_default();
        let int = |name: &str| value.field(name).and_then(Value::as_int).map(|n| n as u64);
        match (int("bandwidth"), int("downtime_limit")) {
            (Some(bandwidth), Some(downtime_limit)) => Parameters { bandwidth, downtime_limit },
            _ => Parameters::default(),
        }
    }

    async fn store(self, sys: &Sys, context: &Context) {
        let value =
            Value::record([("bandwidth", self.bandwidth.into()), ("downtime_limit", self.downtime_limit.into())]);
        let _ = sys.store(context.state + PARAMETERS, value).await;
    }
}

/// What was moved, for `info migrate`. Times are nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Progress {
    /// Pages that are zero.
    pub duplicate: u64,
    /// Pages that are not.
    pub normal: u64,
    /// Bytes that were sent.
    pub bytes: u64,
    /// Those of them that were sent while the guest stood still.
    pub downtime_bytes: u64,
    /// How often the log of what was written was read.
    pub rounds: u64,
    /// Pages that are to be sent.
    pub left: u64,
    /// Pages that the guest writes in a second.
    pub dirty_rate: u64,
    /// Bytes that went over in a second of the last window.
    pub measured: u64,
    /// When it began.
    pub began: u64,
    /// When the connection was there.
    pub connected: u64,
    /// When the guest was stopped.
    pub stopped: u64,
    /// When all was over, or when this was written.
    pub now: u64,
}

impl Progress {
    fn to_value(self) -> Value {
        let Progress { duplicate, normal, bytes, downtime_bytes, rounds, left, dirty_rate, measured, .. } = self;
        let times = [self.began, self.connected, self.stopped, self.now];
        let counts = [duplicate, normal, bytes, downtime_bytes, rounds, left, dirty_rate, measured];
        Value::List(counts.into_iter().chain(times).map(Value::from).collect())
    }

    fn from_value(value: Option<&Value>) -> Progress {
        let items = value.and_then(Value::as_list).unwrap_or_default();
        let at = |i: usize| items.get(i).and_then(Value::as_int).unwrap_or(0) as u64;
        Progress {
            duplicate: at(0),
            normal: at(1),
            bytes: at(2),
            downtime_bytes: at(3),
            rounds: at(4),
            left: at(5),
            dirty_rate: at(6),
            measured: at(7),
            began: at(8),
            connected: at(9),
            stopped: at(10),
            now: at(11),
        }
    }
}

/// How far a migration has come, as all threads see it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Status {
    /// `setup`, `active`, `completed`, `failed`, `cancelled`; empty before the first.
    pub text: String,
    /// Why it failed.
    pub error: String,
    /// What was moved.
    pub progress: Progress,
}

impl Status {
    /// How far it has come.
    pub async fn load(sys: &Sys, context: &Context) -> Status {
        let value = sys.load(context.state + STATUS).await.unwrap_or_default();
        let text = |name: &str| value.field(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Status { text: text("text"), error: text("error"), progress: Progress::from_value(value.field("progress")) }
    }

    /// Says how far it has come.
    pub async fn store(&self, sys: &Sys, context: &Context) {
        let value = Value::record([
            ("text", self.text.as_str().into()),
            ("error", self.error.as_str().into()),
            ("progress", self.progress.to_value()),
        ]);
        let _ = sys.store(context.state + STATUS, value).await;
    }

    /// It is going on.
    pub fn is_under_way(&self) -> bool {
        matches!(self.text.as_str(), "setup" | "active")
    }
}

/// A host and a port of `tcp:HOST:PORT`.
fn tcp(uri: &str) -> Option<(&str, u16)> {
    let (host, port) = uri.strip_prefix("tcp:")?.rsplit_once(':')?;
    Some((host, port.parse().ok()?))
}

/// A `struct sockaddr_in`; `None` for a name that means nothing.
fn sockaddr(host: &str, port: u16) -> Option<Value> {
    let address = match host {
        "" | "0" => Ipv4Addr::UNSPECIFIED,
        "localhost" => Ipv4Addr::LOCALHOST,
        host => host.parse().ok()?,
    };
    Some(Value::record([
        ("sa_family", AF_INET.into()),
        ("sin_port", u32::from(port).into()),
        ("sin_addr", address.to_string().as_str().into()),
    ]))
}

async fn socket(sys: &Sys) -> Result<i32, Errno> {
    sys.call_int(Sysno::SOCKET, vec![AF_INET.into(), SOCK_STREAM.into(), 0.into()]).await.map(|fd| fd as i32)
}

async fn now(sys: &Sys) -> u64 {
    sys.clock_gettime(1).await.unwrap_or(0)
}

/// `migrate [-d] URI` (`hmp_migrate`): what the monitor says. Without `-d` the monitor waits for the end.
pub async fn start(sys: &Sys, context: &mut Context, words: &[&str]) -> String {
    let is_detached = words.contains(&"-d");
    let Some(uri) = words.iter().find(|word| !word.starts_with('-')) else {
        return "migrate: string expected\nTry \"help migrate\" for more information\n".to_owned();
    };
    if Status::load(sys, context).await.is_under_way() {
        return "Error: There's a migration process in progress\n".to_owned();
    }
    match RunState::load(sys, context).await {
        RunState::InMigrate => return "Error: Guest is waiting for an incoming migration\n".to_owned(),
        RunState::PostMigrate => {
            return "Error: Can't migrate the vm that was paused due to previous migration\n".to_owned();
        }
        _ => {}
    }
    let Some((host, port)) = tcp(uri) else {
        return match uri.split_once(':') {
            Some(("unix" | "exec" | "fd" | "rdma", _)) => format!("Error: migration to {uri} is not modelled here\n"),
            _ => "Error: Parameter 'uri' expects a valid migration protocol\n".to_owned(),
        };
    };
    let _ = sys.exchange(context.state + CANCEL, 0, None).await;
    let began = now(sys).await;
    let progress = Progress { began, now: began, ..Progress::default() };
    Status { text: "setup".to_owned(), error: String::new(), progress }.store(sys, context).await;
    let mut thread = context.clone();
    thread.role = Role::Migration;
    thread.outgoing = precopy::Outgoing::new(host, port, progress);
    match sys.call_int(Sysno::CLONE, vec![super::THREAD.into()]).await {
        Ok(0) => precopy::run(sys, thread).await,
        Ok(_) => context.monitor.is_waiting = !is_detached,
        Err(e) => return format!("Error: qemu_thread_create: {e}\n"),
    }
    String::new()
}

/// The monitor waits for the end of a migration (`hmp_migrate_status_cb`): whether that has come.
pub async fn has_ended(sys: &Sys, context: &Context) -> bool {
    let status = Status::load(sys, context).await;
    if status.is_under_way() {
        return false;
    }
    if status.text == "failed" {
        sys.eprint(format!("{SELF}: {}\n", status.error)).await;
    }
    true
}

/// `migrate_cancel`.
pub async fn cancel(sys: &Sys, context: &Context) {
    let _ = sys.exchange(context.state + CANCEL, 1, None).await;
}

/// `info migrate` (`hmp_info_migrate`).
pub async fn info(sys: &Sys, context: &Context) -> String {
    let Status { text: status, error, progress } = Status::load(sys, context).await;
    let mut text =
        "globals:\nstore-global-state: on\nonly-migratable: off\nsend-configuration: on\nsend-section-footer: on\n\
                    decompress-error-check: on\nclear-bitmap-shift: 18\n"
            .to_owned();
    if status.is_empty() {
        return text;
    }
    let error = if error.is_empty() { String::new() } else { format!(" ({error})") };
    text.push_str(&format!("Migration status: {status}{error}\n"));
    if !matches!(status.as_str(), "active" | "completed") || progress.connected == 0 {
        text.push_str("total time: 0 ms\n");
        return text;
    }
    let ms = |from: u64, to: u64| to.saturating_sub(from) / 1_000_000;
    let end = if status == "active" { now(sys).await } else { progress.now };
    let Progress { duplicate, normal, rounds, left, .. } = progress;
    text.push_str(&format!("total time: {} ms\n", ms(progress.began, end)));
    if status == "active" {
        // Nothing is expected before the guest was seen to write.
        let expected = progress.expected().filter(|_| progress.dirty_rate > 0);
        let limit = Parameters::load(sys, context).await.downtime_limit;
        text.push_str(&format!("expected downtime: {} ms\n", expected.unwrap_or(limit)));
    } else {
        text.push_str(&format!("downtime: {} ms\n", ms(progress.stopped, progress.now)));
    }
    text.push_str(&format!("setup: {} ms\n", ms(progress.began, progress.connected)));
    text.push_str(&format!("transferred ram: {} kbytes\n", progress.bytes >> 10));
    text.push_str(&format!("throughput: {:.2} mbps\n", progress.measured as f64 * 8.0 / 1e6));
    text.push_str(&format!("remaining ram: {} kbytes\ntotal ram: {} kbytes\n", left * 4, context.memory >> 10));
    text.push_str(&format!("duplicate: {duplicate} pages\nskipped: 0 pages\nnormal: {normal} pages\n"));
    text.push_str(&format!("normal bytes: {} kbytes\ndirty sync count: {rounds}\npage size: 4 kbytes\n", normal * 4));
    text.push_str("multifd bytes: 0 kbytes\n");
    if progress.dirty_rate > 0 {
        text.push_str(&format!("dirty pages rate: {} pages\n", progress.dirty_rate));
    }
    let precopy = progress.bytes - progress.downtime_bytes;
    text.push_str(&format!("precopy ram: {} kbytes\n", precopy >> 10));
    if progress.downtime_bytes > 0 {
        text.push_str(&format!("downtime ram: {} kbytes\n", progress.downtime_bytes >> 10));
    }
    text
}

impl Progress {
    /// Milliseconds for which the guest would stand still if it were stopped now; `None` before anything was measured.
    fn expected(&self) -> Option<u64> {
        (self.measured > 0).then(|| self.left * stream::PAGE * 1000 / self.measured)
    }
}

/// `migrate_set_parameter NAME VALUE`: what the monitor says.
pub async fn set_parameter(sys: &Sys, context: &Context, words: &[&str]) -> String {
    let [name, value] = words else {
        return "migrate_set_parameter: string expected\nTry \"help migrate_set_parameter\" for more information\n"
            .to_owned();
    };
    let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let Ok(number) = digits.parse::<u64>() else {
        return format!("Error: Parameter '{name}' expects a number\n");
    };
    let mut parameters = Parameters::load(sys, context).await;
    match *name {
        "downtime-limit" if number <= 2_000_000 => parameters.downtime_limit = number,
        "max-bandwidth" => {
            // Without a suffix mebibytes are meant.
            let shift = match &value[digits.len()..] {
                "" | "M" | "m" => 20,
                "K" | "k" => 10,
                "G" | "g" => 30,
                "B" | "b" => 0,
                _ => return format!("Error: Parameter '{name}' expects a size\n"),
            };
            parameters.bandwidth = number.saturating_mul(1 << shift);
        }
        "downtime-limit" => {
            return "Error: Parameter 'downtime-limit' expects an integer in the range of 0 to 2000000 ms\n".to_owned();
        }
        _ => return format!("Error: the parameter '{name}' is not modelled here\n"),
    }
    parameters.store(sys, context).await;
    String::new()
}

/// `info migrate_parameters`, as far as they are modelled.
pub async fn info_parameters(sys: &Sys, context: &Context) -> String {
    let Parameters { bandwidth, downtime_limit } = Parameters::load(sys, context).await;
    format!("max-bandwidth: {bandwidth} bytes/second\ndowntime-limit: {downtime_limit} ms\n")
}
