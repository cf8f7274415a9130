//! The thread that sends a guest (`migration_thread`): rounds, the limit of bandwidth, and the end.
//!
//! In the first round every page goes over; those that the process has no memory for are zero. What the guest writes
//! meanwhile goes into the next round. Bandwidth is measured and limited over a tenth of a second; from what was measured
//! follows how much can go over in the time for which the guest may stand still. When less than that is left, the guest is
//! stopped and the rest is sent. Nothing promises that this happens: a guest that writes faster than the pages go over is
//! sent for ever.

use std::collections::BTreeSet;

use super::event::MigrationEvent;
use super::stream::{PAGE, Writer};
use super::{CANCEL, Parameters, Progress, Status, now, sockaddr, socket, value};
use crate::errno::Errno;
use crate::program::qemu::device::Machine;
use crate::program::qemu::kvm::{self, Context, Kvm};
use crate::program::qemu::pause::{self, RunState};
use crate::program::qemu::{SELF, lock};
use crate::program::{Resume, Sys};
use crate::syscall::{Sysno, Value};
use crate::time::Nanos;

/// `KVM_MEM_LOG_DIRTY_PAGES`.
const LOG_DIRTY_PAGES: u32 = 1;
/// The span over which bandwidth is measured and limited (`BUFFER_DELAY`).
const WINDOW: u64 = 100_000_000;
/// Pages and records of zero pages that are sent in one piece.
const PAGES: usize = 16;
const ZEROS: usize = 2048;

/// A bit a frame.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Bitmap(pub Vec<u8>);

impl Bitmap {
    fn all(frames: u64) -> Bitmap {
        let mut map = Bitmap(vec![0; frames.div_ceil(8) as usize]);
        (0..frames).for_each(|n| map.set(n));
        map
    }

    fn set(&mut self, n: u64) {
        if let Some(byte) = self.0.get_mut((n / 8) as usize) {
            *byte |= 1 << (n % 8);
        }
    }

    fn clear(&mut self, n: u64) {
        if let Some(byte) = self.0.get_mut((n / 8) as usize) {
            *byte &= !(1 << (n % 8));
        }
    }

    fn has(&self, n: u64) -> bool {
        self.0.get((n / 8) as usize).is_some_and(|byte| byte >> (n % 8) & 1 == 1)
    }

    fn count(&self) -> u64 {
        self.0.iter().map(|byte| u64::from(byte.count_ones())).sum()
    }

    fn frames(&self) -> impl Iterator<Item = u64> + '_ {
        let bytes = (0..).zip(&self.0).filter(|(_, byte)| **byte != 0);
        bytes.flat_map(|(at, byte)| (0..8).filter(move |n| byte >> n & 1 == 1).map(move |n| 8 * at + n))
    }
}

/// What was sent since some moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Sent {
    since: u64,
    pages: u64,
    zero: u64,
    bytes: u64,
}

/// What the thread knows.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Outgoing {
    host: String,
    port: u16,
    /// The connection; 0 before it is there.
    socket: i32,
    /// Frames that are to be sent.
    pending: Bitmap,
    /// Frames for which the process has memory: the others are zero.
    resident: Bitmap,
    /// How many rounds are over.
    number: u64,
    /// What was sent in this one.
    round: Sent,
    window: Sent,
    /// So many bytes can go over while the guest stands still (`threshold_size`).
    threshold: u64,
    progress: Progress,
    /// The guest ran when it was stopped for the last round.
    was_running: bool,
}

impl Outgoing {
    /// A migration that is about to begin.
    pub fn new(host: &str, port: u16, progress: Progress) -> Outgoing {
        Outgoing { host: host.to_owned(), port, progress, ..Outgoing::default() }
    }

    /// As it is saved.
    pub fn to_value(&self) -> Value {
        let Outgoing { round, window, .. } = self;
        let numbers = [round.since, round.pages, round.zero, round.bytes, window.since, window.pages, window.zero];
        let numbers =
            numbers.into_iter().chain([window.bytes, self.threshold, u64::from(self.was_running), self.number]);
        Value::record([
            ("host", self.host.as_str().into()),
            ("port", u32::from(self.port).into()),
            ("socket", self.socket.into()),
            ("pending", Value::bytes(self.pending.0.as_slice())),
            ("resident", Value::bytes(self.resident.0.as_slice())),
            ("numbers", Value::List(numbers.map(Value::from).collect())),
            ("progress", self.progress.to_value()),
        ])
    }

    /// The reverse.
    pub fn from_value(value: &Value) -> Outgoing {
        let int = |name: &str| value.field(name).and_then(Value::as_int).unwrap_or(0);
        let map = |name: &str| Bitmap(value.field(name).and_then(Value::as_bytes).unwrap_or_default().to_vec());
        let numbers = value.field("numbers").and_then(Value::as_list).unwrap_or_default();
        let at = |i: usize| numbers.get(i).and_then(Value::as_int).unwrap_or(0) as u64;
        let sent = |i: usize| Sent { since: at(i), pages: at(i + 1), zero: at(i + 2), bytes: at(i + 3) };
        Outgoing {
            host: value.field("host").and_then(Value::as_str).unwrap_or_default().to_owned(),
            port: int("port") as u16,
            socket: int("socket") as i32,
            pending: map("pending"),
            resident: map("resident"),
            round: sent(0),
            window: sent(4),
            threshold: at(8),
            was_running: at(9) != 0,
            number: at(10),
            progress: Progress::from_value(value.field("progress")),
        }
    }
}

/// Why a migration ends before its time.
enum Stop {
    Failed(String),
    Cancelled,
}

impl From<Errno> for Stop {
    fn from(e: Errno) -> Stop {
        Stop::Failed(format!("Unable to write to socket: {e}"))
    }
}

/// Runs until the guest has gone over or the migration is given up; then the thread ends.
pub async fn run(sys: &Sys, mut context: Context) {
    loop {
        sys.save(Resume::Saved(context.to_value())).await;
        let mut outgoing = std::mem::take(&mut context.outgoing);
        let done = step(sys, &context, &mut outgoing).await;
        context.outgoing = outgoing;
        match done {
            Ok(false) => {}
            Ok(true) => break,
            Err(stop) => {
                give_up(sys, &context, stop).await;
                break;
            }
        }
    }
    let _ = sys.call(Sysno::EXIT, vec![0.into()]).await;
}

/// One step (`migration_iteration_run`). Whether it was the last.
async fn step(sys: &Sys, context: &Context, migration: &mut Outgoing) -> Result<bool, Stop> {
    if sys.exchange(context.state + CANCEL, 0, Some(u32::MAX)).await == Ok(1) {
        return Err(Stop::Cancelled);
    }
    if migration.socket == 0 {
        begin(sys, context, migration).await?;
        return Ok(false);
    }
    let mut left = migration.pending.count() * PAGE;
    if left < migration.threshold {
        synchronise(sys, context, migration).await?;
        left = migration.pending.count() * PAGE;
    }
    let is_last = left == 0 || left < migration.threshold;
    if is_last {
        complete(sys, context, migration).await?;
    } else {
        let quota = Parameters::load(sys, context).await.bandwidth / 10;
        let room = if quota == 0 { u64::MAX } else { quota.saturating_sub(migration.window.bytes) };
        send(sys, context, migration, room).await?;
        limit(sys, context, migration, quota).await;
    }
    publish(sys, context, migration, if is_last { "completed" } else { "active" }).await;
    Ok(is_last)
}

/// Others see how far it has come.
async fn publish(sys: &Sys, context: &Context, migration: &mut Outgoing, text: &str) {
    migration.progress.left = migration.pending.count();
    migration.progress.now = now(sys).await;
    Status { text: text.to_owned(), error: String::new(), progress: migration.progress }.store(sys, context).await;
}

/// `ram_save_setup`: the connection, and from now on what is written is logged.
async fn begin(sys: &Sys, context: &Context, migration: &mut Outgoing) -> Result<(), Stop> {
    let Outgoing { host, port, .. } = &*migration;
    let Some(address) = sockaddr(host, *port) else {
        return Err(Stop::Failed(format!("address resolution failed for {host}:{port}: Name or service not known")));
    };
    let failed = |e: Errno| Stop::Failed(format!("Failed to connect to '{host}:{port}': {e}"));
    let fd = socket(sys).await.map_err(failed)?;
    if let Err(e) = sys.call(Sysno::CONNECT, vec![fd.into(), address, 16.into()]).await {
        let _ = sys.close(fd).await;
        return Err(failed(e));
    }
    let to = format!("{host}:{port}");
    migration.socket = fd;
    let mut writer = Writer::default();
    writer.head(context.memory);
    sys.write_all(fd, &writer.0).await?;
    log_of_devices(sys, context, true).await;
    Kvm { sys }.set_memory(context.vm, 0, context.ram, context.memory, LOG_DIRTY_PAGES).await?;
    migration.pending = Bitmap::all(context.memory / PAGE);
    let Parameters { bandwidth, downtime_limit } = Parameters::load(sys, context).await;
    sys.tell(MigrationEvent::Began { to: to.into(), memory: context.memory, bandwidth, downtime_limit }).await;
    let since = now(sys).await;
    migration.progress.connected = since;
    (migration.round.since, migration.window.since) = (since, since);
    synchronise(sys, context, migration).await?;
    publish(sys, context, migration, "active").await;
    Ok(())
}

/// Takes over what was written since the last time (`migration_bitmap_sync`): a round is over.
async fn synchronise(sys: &Sys, context: &Context, migration: &mut Outgoing) -> Result<(), Errno> {
    let log = Kvm { sys }.call(context.vm, kvm::GET_DIRTY_LOG, Value::record([("slot", 0.into())])).await?;
    let mut dirty = Bitmap(log.output(2).as_bytes().unwrap_or_default().to_vec());
    log_of_devices(sys, context, true).await.iter().for_each(|frame| dirty.set(*frame));
    let args = vec![context.ram.into(), context.memory.into(), Value::Null];
    let resident = sys.call(Sysno::MINCORE, args).await?;
    migration.resident = Bitmap::default();
    migration.resident.0.resize(migration.pending.0.len(), 0);
    for (frame, byte) in (0..).zip(resident.output(2).as_bytes().unwrap_or_default()) {
        if byte & 1 == 1 {
            migration.resident.set(frame);
        }
    }
    dirty.frames().for_each(|frame| migration.pending.set(frame));
    let (time, dirtied) = (now(sys).await, dirty.count());
    let Sent { since, pages, zero, bytes } = migration.round;
    let took = time.saturating_sub(since);
    let progress = &mut migration.progress;
    progress.rounds += 1;
    progress.left = migration.pending.count();
    progress.dirty_rate = dirtied * 1_000_000_000 / took.max(1_000_000);
    migration.round = Sent { since: time, ..Sent::default() };
    if pages + zero == 0 {
        return Ok(());
    }
    migration.number += 1;
    let event = MigrationEvent::Round {
        round: migration.number,
        sent: pages,
        zero,
        bytes,
        took: Nanos(took),
        dirtied,
        left: progress.left,
        expected: Nanos(progress.expected().unwrap_or(0) * 1_000_000),
    };
    sys.tell(event).await;
    Ok(())
}

/// Begins or goes on to note the frames that devices write, or ceases to; those that were noted.
async fn log_of_devices(sys: &Sys, context: &Context, is_on: bool) -> BTreeSet<u64> {
    let at = context.state + Machine::LOCK;
    lock::lock(sys, at).await;
    let mut machine = Machine::load(sys, context).await;
    let written = machine.written.take().unwrap_or_default();
    machine.written = is_on.then(BTreeSet::new);
    machine.save(sys, context).await;
    lock::unlock(sys, at).await;
    written
}

/// Sends a piece of what is pending, of about so many bytes at most.
async fn send(sys: &Sys, context: &Context, migration: &mut Outgoing, room: u64) -> Result<(), Errno> {
    let mut writer = Writer::default();
    let (mut pages, mut zeros) = (Vec::new(), Vec::new());
    let most = usize::try_from(room / PAGE + 1).unwrap_or(PAGES).min(PAGES);
    for frame in migration.pending.frames() {
        let (list, most) = if migration.resident.has(frame) { (&mut pages, most) } else { (&mut zeros, ZEROS) };
        if list.len() == most {
            break;
        }
        list.push(frame);
    }
    writer.begin_pages();
    zeros.iter().for_each(|frame| writer.page(frame * PAGE, None));
    let mut rest = &pages[..];
    while let Some(first) = rest.first() {
        let run = rest.iter().zip(*first..).take_while(|(frame, n)| **frame == *n).count();
        let bytes = sys.load_bytes(context.ram + first * PAGE, run * PAGE as usize).await?;
        for (frame, page) in rest[..run].iter().zip(bytes.chunks_exact(PAGE as usize)) {
            writer.page(frame * PAGE, Some(page));
        }
        rest = &rest[run..];
    }
    writer.end_pages();
    sys.write_all(migration.socket, &writer.0).await?;
    pages.iter().chain(&zeros).for_each(|frame| migration.pending.clear(*frame));
    let (pages, zeros, bytes) = (pages.len() as u64, zeros.len() as u64, writer.0.len() as u64);
    for sent in [&mut migration.round, &mut migration.window] {
        sent.pages += pages;
        sent.zero += zeros;
        sent.bytes += bytes;
    }
    migration.progress.normal += pages;
    migration.progress.duplicate += zeros;
    migration.progress.bytes += bytes;
    Ok(())
}

/// Waits when more has gone over than may in a window, and measures (`migration_rate_limit`, `migration_update_counters`).
async fn limit(sys: &Sys, context: &Context, migration: &mut Outgoing, quota: u64) {
    let mut time = now(sys).await;
    let end = migration.window.since + WINDOW;
    if quota > 0 && migration.window.bytes >= quota && time < end {
        let _ = sys.nanosleep(end - time).await;
        time = now(sys).await;
    }
    if time >= end {
        let span = time - migration.window.since;
        let measured = u128::from(migration.window.bytes) * 1_000_000_000 / u128::from(span.max(1));
        let allowed = Parameters::load(sys, context).await.downtime_limit;
        migration.progress.measured = measured as u64;
        migration.threshold = (measured * u128::from(allowed) / 1000) as u64;
        migration.window = Sent { since: time, ..Sent::default() };
    }
}

/// `migration_completion`: the guest is stopped, and what is left goes over, with the state of its devices and its processor.
async fn complete(sys: &Sys, context: &Context, migration: &mut Outgoing) -> Result<(), Stop> {
    let state = RunState::load(sys, context).await;
    migration.was_running = state == RunState::Running;
    RunState::FinishMigrate.store(sys, context).await;
    pause::stop(sys, context).await;
    migration.progress.stopped = now(sys).await;
    synchronise(sys, context, migration).await?;
    let (round, left) = (migration.number, migration.pending.count());
    let limit = Parameters::load(sys, context).await.downtime_limit;
    sys.tell(MigrationEvent::Stopped { round, left, limit }).await;
    let before = migration.progress.bytes;
    while migration.pending.count() > 0 {
        send(sys, context, migration, u64::MAX).await?;
    }
    let at = context.state + Machine::LOCK;
    lock::lock(sys, at).await;
    let devices = Machine::load(sys, context).await.to_value();
    lock::unlock(sys, at).await;
    let regs = Kvm { sys }.call(pause::vcpu(sys, context).await, kvm::GET_REGS, Value::Null).await?;
    let mut writer = Writer::default();
    writer.section("devices", value::encode(&devices).as_bytes());
    writer.section("cpu", value::encode(regs.output(2)).as_bytes());
    writer.section("answer", value::encode(&pause::answer(sys, context).await).as_bytes());
    writer.section("globalstate", if migration.was_running { b"running" } else { b"paused" });
    writer.end();
    sys.write_all(migration.socket, &writer.0).await?;
    migration.progress.bytes += writer.0.len() as u64;
    migration.progress.downtime_bytes = migration.progress.bytes - before;
    cease(sys, context, migration.socket).await;
    RunState::PostMigrate.store(sys, context).await;
    // What was sent while the guest stood still is the last round.
    let rounds = migration.number + 1;
    let Progress { bytes, began, stopped, .. } = migration.progress;
    let end = now(sys).await;
    let (total, downtime) = (Nanos(end - began), Nanos(end - stopped));
    sys.tell(MigrationEvent::Completed { rounds, bytes, total, downtime }).await;
    Ok(())
}

/// Nothing is logged any more, and the connection is closed.
async fn cease(sys: &Sys, context: &Context, socket: i32) {
    let _ = Kvm { sys }.set_memory(context.vm, 0, context.ram, context.memory, 0).await;
    log_of_devices(sys, context, false).await;
    let _ = sys.close(socket).await;
}

/// `migrate_fd_error`, `migrate_fd_cancel`: the guest goes on here.
async fn give_up(sys: &Sys, context: &Context, stop: Stop) {
    let migration = &context.outgoing;
    if migration.socket > 0 {
        cease(sys, context, migration.socket).await;
    }
    if RunState::load(sys, context).await == RunState::FinishMigrate {
        match migration.was_running {
            true => pause::go(sys, context).await,
            false => RunState::Paused.store(sys, context).await,
        }
    }
    let (text, error) = match stop {
        Stop::Failed(error) => ("failed", error),
        Stop::Cancelled => ("cancelled", String::new()),
    };
    let why = if error.is_empty() { "it was cancelled".to_owned() } else { error.clone() };
    sys.tell(MigrationEvent::GaveUp { why: why.into() }).await;
    if !error.is_empty() {
        sys.eprint(format!("{SELF}: {error}\n")).await;
    }
    Status { text: text.to_owned(), error, progress: migration.progress }.store(sys, context).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bitmap_names_frames() {
        let mut map = Bitmap::all(20);
        assert_eq!((map.count(), map.0.len()), (20, 3));
        (0..18).for_each(|n| map.clear(n));
        map.set(3);
        assert_eq!(map.frames().collect::<Vec<_>>(), [3, 18, 19]);
        assert!(map.has(18) && !map.has(4) && !map.has(1000));
    }
}
