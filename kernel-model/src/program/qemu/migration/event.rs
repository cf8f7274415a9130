//! What can be seen of a live migration, with the numbers in it: the points that QEMU itself has for tracing
//! (`migration/trace-events`).

use std::sync::Arc;

use serde::Serialize;

use crate::time::Nanos;

/// Something happened in a migration.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[allow(missing_docs)] // the fields are the nouns of each variant's sentence
pub enum MigrationEvent {
    /// The source is connected; from here on writes of the guest are logged. Bytes a second, and milliseconds.
    Began { to: Arc<str>, memory: u64, bandwidth: u64, downtime_limit: u64 },
    /// A round is over: what was sent in it, and how much the guest has written meanwhile. `left` pages are still to go.
    Round { round: u64, sent: u64, zero: u64, bytes: u64, took: Nanos, dirtied: u64, left: u64, expected: Nanos },
    /// What is left can go in the time for which the guest may stand still: it is stopped.
    Stopped { round: u64, left: u64, limit: u64 },
    /// Everything has gone over.
    Completed { rounds: u64, bytes: u64, total: Nanos, downtime: Nanos },
    /// It is given up, and the guest goes on where it was.
    GaveUp { why: Arc<str> },
    /// A guest has come, and goes on here.
    Arrived { pages: u64, bytes: u64 },
}

impl MigrationEvent {
    /// A few words for a line of the timeline.
    pub fn label(&self) -> String {
        match self {
            MigrationEvent::Began { to, .. } => format!("migration to {to} begins"),
            MigrationEvent::Round { round, sent, dirtied, .. } => {
                format!("round {round}: {sent} pages sent, {dirtied} written meanwhile")
            }
            MigrationEvent::Stopped { left, .. } => format!("the guest is stopped, {left} pages are left"),
            MigrationEvent::Completed { downtime, .. } => format!("migrated, downtime {}", milliseconds(*downtime)),
            MigrationEvent::GaveUp { why } => format!("migration given up: {why}"),
            MigrationEvent::Arrived { pages, .. } => format!("a guest arrives with {pages} pages"),
        }
    }

    /// One sentence with its source.
    pub fn explain(&self, who: &str) -> (String, &'static str) {
        match self {
            MigrationEvent::Began { to, memory, bandwidth, downtime_limit } => (
                format!(
                    "{who} begins to move its guest to {to}: {} KiB of memory, at most {} KiB a second, and the guest may stand \
                     still for {downtime_limit} ms. KVM logs what the guest writes from now on.",
                    memory >> 10,
                    bandwidth >> 10
                ),
                "migration/ram.c ram_save_setup()",
            ),
            MigrationEvent::Round { round, sent, zero, bytes, took, dirtied, left, expected } => (
                format!(
                    "Round {round} is over: {sent} pages and {zero} that are zero have gone over, {bytes} bytes in {}. Meanwhile \
                     the guest has written {dirtied} pages, so that {left} are still to go{}.",
                    milliseconds(*took),
                    match expected.0 {
                        0 => String::new(),
                        _ => format!("; if it were stopped now, that would take {}", milliseconds(*expected)),
                    }
                ),
                "migration/ram.c migration_bitmap_sync()",
            ),
            MigrationEvent::Stopped { round, left, limit } => (
                format!(
                    "{who} stops its guest after {round} rounds: the {left} pages that are left can go over within the {limit} ms \
                     for which it may stand still."
                ),
                "migration/migration.c migration_completion()",
            ),
            MigrationEvent::Completed { rounds, bytes, total, downtime } => (
                format!(
                    "The guest of {who} has gone over: {bytes} bytes, {rounds} rounds, {} in all, and for {} of them the guest \
                     stood still.",
                    milliseconds(*total),
                    milliseconds(*downtime)
                ),
                "migration/migration.c migration_calculate_complete()",
            ),
            MigrationEvent::GaveUp { why } => (
                format!("{who} gives the migration up, and its guest goes on: {why}."),
                "migration/migration.c migrate_fd_error()",
            ),
            MigrationEvent::Arrived { pages, bytes } => (
                format!(
                    "{who} has got a guest, {pages} pages in {bytes} bytes, and lets it go on from where it was stopped."
                ),
                "migration/migration.c process_incoming_migration_bh()",
            ),
        }
    }
}

fn milliseconds(time: Nanos) -> String {
    format!("{}.{} ms", time.0 / 1_000_000, time.0 / 100_000 % 10)
}
