//! The tables of `ipcs`: one line an object.

use super::{Unit, at, human, rows};
use crate::program::Sys;
use crate::program::accounts::Accounts;
use crate::program::calendar::strftime;

/// Prints the objects of a kind in one of the formats `t`, `p`, `c`, or the usual one.
pub(super) async fn print(sys: &Sys, accounts: &Accounts, kind: char, format: Option<char>, unit: Unit) {
    let text = match kind {
        'q' => queues(&rows(sys, "msg").await, accounts, format, unit),
        'm' => segments(&rows(sys, "shm").await, accounts, format, unit),
        _ => semaphores(&rows(sys, "sem").await, accounts, format),
    };
    sys.print(text).await;
}

/// A line of cells of ten characters.
fn tens(cells: &[&str]) -> String {
    cells.iter().map(|cell| format!("{cell:<10}")).collect::<Vec<_>>().join(" ") + "\n"
}

fn user(accounts: &Accounts, uid: i64) -> String {
    accounts.user_name(uid as u32).chars().take(10).collect()
}

/// Creator and owner, which begin at this column of a row (`ipc_print_perms`).
fn creator(row: &[i64], owner: usize, accounts: &Accounts) -> String {
    let group = |gid: i64| accounts.group_name(gid as u32).chars().take(10).collect::<String>();
    tens(&[
        &at(row, 1).to_string(),
        &format!("{:o}", at(row, 2) & 0o777),
        &user(accounts, at(row, owner + 2)),
        &group(at(row, owner + 3)),
        &user(accounts, at(row, owner)),
        &group(at(row, owner + 1)),
    ])
}

/// A time as `%-20.16s` of ctime(3) without the weekday.
fn moment(seconds: i64) -> String {
    let text = if seconds == 0 { "Not set".to_owned() } else { strftime("%b %e %H:%M:%S", seconds, 0) };
    format!("{:<20.16}", text)
}

fn key_and_owner(row: &[i64], owner: usize, accounts: &Accounts) -> String {
    let mode = at(row, 2) & 0o777;
    format!("0x{:08x} {:<10} {:<10} {mode:<10o}", at(row, 0) as i32, at(row, 1), user(accounts, at(row, owner)))
}

fn sized(bytes: i64, unit: Unit) -> String {
    match unit {
        Unit::Human => format!("{:>6}    ", human(bytes as u64)),
        _ => format!("{bytes:<10}"),
    }
}

fn queues(rows: &[Vec<i64>], accounts: &Accounts, format: Option<char>, unit: Unit) -> String {
    let mut text = match format {
        Some('t') => format!(
            "------ Message Queues Send/Recv/Change Times --------\n{:<8} {:<10} {:<20} {:<20} {:<20}\n",
            "msqid", "owner", "send", "recv", "change"
        ),
        Some('p') => "------ Message Queues PIDs --------\n".to_owned() + &tens(&["msqid", "owner", "lspid", "lrpid"]),
        Some('c') => {
            "------ Message Queues Creators/Owners --------\n".to_owned()
                + &tens(&["msqid", "perms", "cuid", "cgid", "uid", "gid"])
        }
        _ => {
            let size = if unit == Unit::Human { "size" } else { "used-bytes" };
            let head = ["key", "msqid", "owner", "perms"].map(|cell| format!("{cell:<10}")).join(" ");
            format!("------ Message Queues --------\n{head} {size:<12} {:<12}\n", "messages")
        }
    };
    for row in rows {
        let (id, owner) = (at(row, 1), user(accounts, at(row, 7)));
        text += &match format {
            Some('t') => {
                let times = [11, 12, 13].map(|column| moment(at(row, column))).join(" ");
                format!("{id:<8} {owner:<10} {times}\n")
            }
            Some('p') => format!("{id:<8} {owner:<10}  {:>5}     {:>5}\n", at(row, 5), at(row, 6)),
            Some('c') => creator(row, 7, accounts),
            _ => {
                let size =
                    if unit == Unit::Human { sized(at(row, 3), unit) + "  " } else { format!("{:<12}", at(row, 3)) };
                format!("{} {size} {:<12}\n", key_and_owner(row, 7, accounts), at(row, 4))
            }
        };
    }
    text
}

fn segments(rows: &[Vec<i64>], accounts: &Accounts, format: Option<char>, unit: Unit) -> String {
    let mut text = match format {
        Some('t') => format!(
            "------ Shared Memory Attach/Detach/Change Times --------\n{:<10} {:<10} {:<20} {:<20} {:<20}\n",
            "shmid", "owner", "attached", "detached", "changed"
        ),
        Some('p') => {
            "------ Shared Memory Creator/Last-op PIDs --------\n".to_owned()
                + &tens(&["shmid", "owner", "cpid", "lpid"])
        }
        Some('c') => {
            "------ Shared Memory Segment Creators/Owners --------\n".to_owned()
                + &tens(&["shmid", "perms", "cuid", "cgid", "uid", "gid"])
        }
        _ => {
            let size = if unit == Unit::Human { "size" } else { "bytes" };
            let head = ["key", "shmid", "owner", "perms", size, "nattch"].map(|cell| format!("{cell:<10}")).join(" ");
            format!("------ Shared Memory Segments --------\n{head} {:<12}\n", "status")
        }
    };
    for row in rows {
        let (id, owner) = (at(row, 1), user(accounts, at(row, 7)));
        text += &match format {
            Some('t') => {
                let times = [11, 12, 13].map(|column| moment(at(row, column))).join(" ");
                format!("{id:<10} {owner:<10} {times}\n")
            }
            Some('p') => format!("{id:<10} {owner:<10} {:<10} {:<10}\n", at(row, 4), at(row, 5)),
            Some('c') => creator(row, 7, accounts),
            _ => {
                let dest = if at(row, 2) & 0o1000 != 0 { "dest" } else { " " };
                let locked = if at(row, 2) & 0o2000 != 0 { "locked" } else { " " };
                let size = sized(at(row, 3), unit);
                format!("{} {size} {:<10} {dest:<6} {locked:<6}\n", key_and_owner(row, 7, accounts), at(row, 6))
            }
        };
    }
    text
}

fn semaphores(rows: &[Vec<i64>], accounts: &Accounts, format: Option<char>) -> String {
    let mut text = match format {
        Some('p') => return String::new(),
        Some('t') => format!(
            "------ Semaphore Operation/Change Times --------\n{:<8} {:<10} {:<26} {:<26}\n",
            "semid", "owner", "last-op", "last-changed"
        ),
        Some('c') => {
            "------ Semaphore Arrays Creators/Owners --------\n".to_owned()
                + &tens(&["semid", "perms", "cuid", "cgid", "uid", "gid"])
        }
        _ => "------ Semaphore Arrays --------\n".to_owned() + &tens(&["key", "semid", "owner", "perms", "nsems"]),
    };
    for row in rows {
        text += &match format {
            Some('t') => {
                let times = [8, 9].map(|column| format!("{:<26}", super::details::ctime(at(row, column)))).join(" ");
                format!("{:<8} {:<10} {times}\n", at(row, 1), user(accounts, at(row, 4)))
            }
            Some('c') => creator(row, 4, accounts),
            _ => format!("{} {:<10}\n", key_and_owner(row, 4, accounts), at(row, 3)),
        };
    }
    text
}
