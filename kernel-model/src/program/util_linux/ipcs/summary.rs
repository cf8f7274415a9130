//! `ipcs -l` and `ipcs -u`: limits and use.

use super::{Unit, size};
use crate::program::Sys;
use crate::syscall::{Sysno, Value};

/// The size of a page.
const PAGE: u64 = 4096;

/// A setting that is one number.
async fn setting(sys: &Sys, name: &str) -> u64 {
    let text = sys.read_file(&format!("/proc/sys/kernel/{name}")).await.unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}

/// The limits of a kind.
pub(super) async fn limits(sys: &Sys, kind: char, unit: Unit) {
    let or = |other: Unit| if unit == Unit::Default { other } else { unit };
    let text = match kind {
        'q' => format!(
            "------ Messages Limits --------\nmax queues system wide = {}\n{}\n{}\n",
            setting(sys, "msgmni").await,
            size(or(Unit::Bytes), "max size of message", setting(sys, "msgmax").await),
            size(or(Unit::Bytes), "default max size of queue", setting(sys, "msgmnb").await)
        ),
        'm' => {
            // What does not fit into the unit is as much as fits.
            let shmall = setting(sys, "shmall").await;
            let most = |unit: u64| shmall.checked_mul(unit).unwrap_or(u64::MAX - u64::MAX % unit);
            let total = match or(Unit::Kilobytes) {
                Unit::Kilobytes => format!("max total shared memory (kbytes) = {}", most(PAGE / 1024)),
                unit => size(unit, "max total shared memory", most(PAGE)),
            };
            format!(
                "------ Shared Memory Limits --------\nmax number of segments = {}\n{}\n{}\n{}\n",
                setting(sys, "shmmni").await,
                size(or(Unit::Kilobytes), "max seg size", setting(sys, "shmmax").await),
                total,
                size(or(Unit::Bytes), "min seg size", 1)
            )
        }
        _ => {
            let text = sys.read_file("/proc/sys/kernel/sem").await.unwrap_or_default();
            let numbers: Vec<&str> = text.split_whitespace().collect();
            let number = |i: usize| numbers.get(i).copied().unwrap_or("0");
            format!(
                "------ Semaphore Limits --------\nmax number of arrays = {}\nmax semaphores per array = {}\n\
                 max semaphores system wide = {}\nmax ops per semop call = {}\nsemaphore max value = 32767\n",
                number(3),
                number(0),
                number(1),
                number(2)
            )
        }
    };
    sys.print(text).await;
}

/// How much of a kind there is: `MSG_INFO`, `SHM_INFO` or `SEM_INFO`.
pub(super) async fn usage(sys: &Sys, kind: char, unit: Unit) {
    let zero = || Value::from(0);
    let (call, args, place) = match kind {
        'q' => (Sysno::MSGCTL, vec![zero(), 12.into()], 2),
        'm' => (Sysno::SHMCTL, vec![zero(), 14.into()], 2),
        _ => (Sysno::SEMCTL, vec![zero(), zero(), 19.into()], 3),
    };
    let ret = sys.call(call, args).await.unwrap_or_default();
    let n = |name: &str| ret.output(place).field(name).and_then(Value::as_int).unwrap_or(0);
    let text = match kind {
        'q' => {
            let space = match unit {
                Unit::Default => format!("used space = {} bytes", n("msgtql")),
                unit => size(unit, "used space", n("msgtql") as u64),
            };
            format!(
                "------ Messages Status --------\nallocated queues = {}\nused headers = {}\n{space}\n",
                n("msgpool"),
                n("msgmap")
            )
        }
        'm' => format!(
            "------ Shared Memory Status --------\nsegments allocated {}\npages allocated {}\npages resident  {}\n\
             pages swapped   {}\nSwap performance: {} attempts\t {} successes\n",
            n("used_ids"),
            n("shm_tot"),
            n("shm_rss"),
            n("shm_swp"),
            n("swap_attempts"),
            n("swap_successes")
        ),
        _ => format!(
            "------ Semaphore Status --------\nused arrays = {}\nallocated semaphores = {}\n",
            n("semusz"),
            n("semaem")
        ),
    };
    sys.print(text).await;
}
