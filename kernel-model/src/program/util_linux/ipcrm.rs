//! `ipcrm`: removes System V objects, by id or by key.

use crate::errno::Errno;
use crate::program::Sys;
use crate::program::getopt::{Long, Spec, Takes};
use crate::syscall::{Sysno, Value};

crate::program!(
    IPCRM = "ipcrm" in "/usr/bin",
    "remove certain IPC resources",
    main,
    "  ipcrm -m ID | -q ID | -s ID     a segment, queue or semaphore array by its id
  ipcrm -M KEY | -Q KEY | -S KEY  the same by its key
  ipcrm shm|msg|sem ID...         the old way
  -a, --all[=shm|msg|sem]         all of them
  -v, --verbose                   say what is done"
);

const SPEC: Spec = Spec {
    short: "q:m:s:Q:M:S:a::vhV",
    long: &[
        Long("shmem-id", Takes::Value, 'm'),
        Long("shmem-key", Takes::Value, 'M'),
        Long("queue-id", Takes::Value, 'q'),
        Long("queue-key", Takes::Value, 'Q'),
        Long("semaphore-id", Takes::Value, 's'),
        Long("semaphore-key", Takes::Value, 'S'),
        Long("all", Takes::Maybe, 'a'),
        Long("verbose", Takes::Nothing, 'v'),
    ],
    unmodelled: "",
    version: "from util-linux 2.38.1",
    failure: 1,
};

/// A kind of objects.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Shm,
    Sem,
    Msg,
}

impl Kind {
    /// In the order in which `--all` goes through them.
    const ALL: [Kind; 3] = [Kind::Shm, Kind::Sem, Kind::Msg];

    fn named(name: &str) -> Option<Kind> {
        match name {
            "shm" => Some(Kind::Shm),
            "sem" => Some(Kind::Sem),
            "msg" => Some(Kind::Msg),
            _ => None,
        }
    }

    fn of_option(key: char) -> Option<Kind> {
        match key.to_ascii_lowercase() {
            'm' => Some(Kind::Shm),
            's' => Some(Kind::Sem),
            'q' => Some(Kind::Msg),
            _ => None,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Kind::Shm => "shared memory segment",
            Kind::Sem => "semaphore",
            Kind::Msg => "message queue",
        }
    }

    /// The control call with a command: `IPC_RMID`, or those that tell of all objects.
    async fn control(self, sys: &Sys, id: i64, command: Command) -> Result<i64, Errno> {
        let cmd = |shm: i64, sem: i64, msg: i64| match command {
            Command::Remove => 0,
            Command::Info => [shm, sem, msg][self as usize],
            Command::Stat => [shm - 1, sem - 1, msg - 1][self as usize],
        };
        let cmd = Value::from(cmd(14, 19, 12));
        match self {
            Kind::Shm => sys.call_int(Sysno::SHMCTL, vec![id.into(), cmd]).await,
            Kind::Sem => sys.call_int(Sysno::SEMCTL, vec![id.into(), 0.into(), cmd]).await,
            Kind::Msg => sys.call_int(Sysno::MSGCTL, vec![id.into(), cmd]).await,
        }
    }
}

/// What of the control calls is used here. `SHM_STAT` is one below `SHM_INFO`, and so are the others.
#[derive(Clone, Copy)]
enum Command {
    Remove,
    Info,
    Stat,
}

async fn main(sys: Sys) -> Result<i32, i32> {
    if let Some(kind) = sys.argv().get(1).and_then(|word| Kind::named(word)) {
        return Ok(old_way(&sys, kind).await);
    }
    let options = sys.getopt(&SPEC).await?;
    if options.has('h') {
        sys.print_help().await;
        return Ok(0);
    }
    if options.has('V') {
        sys.print("ipcrm from util-linux 2.38.1\n").await;
        return Ok(0);
    }
    let mut status = 0;
    let mut verbose = false;
    let mut all = None;
    for option in &options.given {
        let text = option.value.as_deref().unwrap_or_default();
        match (option.key, Kind::of_option(option.key)) {
            ('v', _) => verbose = true,
            ('a', _) if text.is_empty() => all = Some(Kind::ALL.to_vec()),
            ('a', _) => match Kind::named(text) {
                Some(kind) => all = Some(vec![kind]),
                None => return Err(warn(&sys, &format!("unknown argument: {text}")).await),
            },
            (key, Some(kind)) => {
                let is_key = key.is_ascii_uppercase();
                let number = if is_key { number(text) } else { text.trim_start().parse().ok() };
                let Some(number) = number else {
                    return Err(warn(&sys, &format!("failed to parse argument: '{text}'")).await);
                };
                let id = if is_key { id_of(&sys, kind, number, text).await? } else { Some(number) };
                match id {
                    Some(id) => status |= remove(&sys, kind, is_key, id, verbose).await?,
                    None => status = 1,
                }
            }
            _ => {}
        }
    }
    for kind in all.unwrap_or_default() {
        let highest = kind.control(&sys, 0, Command::Info).await.unwrap_or(-1);
        for index in 0..=highest {
            if let Ok(id) = kind.control(&sys, index, Command::Stat).await {
                status |= remove(&sys, kind, false, id, verbose).await?;
            }
        }
    }
    if let Some(word) = options.operands.first() {
        warn(&sys, &format!("unknown argument: {word}")).await;
        sys.try_help().await;
        return Err(1);
    }
    Ok(status)
}

/// `ipcrm shm ID...`
async fn old_way(sys: &Sys, kind: Kind) -> i32 {
    let ids = sys.argv().get(2..).unwrap_or_default();
    if ids.is_empty() {
        warn(sys, "not enough arguments").await;
        sys.try_help().await;
        return 1;
    }
    let mut status = 0;
    for word in ids {
        status |= match word.parse() {
            Ok(id) => remove(sys, kind, false, id, false).await.unwrap_or_else(|status| status),
            Err(_) => warn(sys, &format!("invalid id: {word}")).await,
        };
    }
    if status == 0 {
        sys.print("resource(s) deleted\n").await;
    }
    status
}

async fn remove(sys: &Sys, kind: Kind, by_key: bool, id: i64, verbose: bool) -> Result<i32, i32> {
    if verbose {
        sys.print(format!("removing {} id `{id}'\n", kind.title())).await;
    }
    let what = if by_key { "key" } else { "id" };
    match kind.control(sys, id, Command::Remove).await {
        Ok(_) => Ok(0),
        Err(Errno::EACCES | Errno::EPERM) => Ok(warn(sys, &format!("permission denied for {what} ({id})")).await),
        Err(Errno::EINVAL) => Ok(warn(sys, &format!("invalid {what} ({id})")).await),
        Err(Errno::EIDRM) => Ok(warn(sys, &format!("already removed {what} ({id})")).await),
        Err(e) => Err(warn(sys, &format!("{what} failed: {e}")).await),
    }
}

/// The id of the object with a key; what is wrong has been said.
async fn id_of(sys: &Sys, kind: Kind, key: i64, text: &str) -> Result<Option<i64>, i32> {
    if key as i32 == 0 {
        warn(sys, &format!("illegal key ({text})")).await;
        return Ok(None);
    }
    let zero = || Value::from(0);
    let found = match kind {
        Kind::Shm => sys.call_int(Sysno::SHMGET, vec![key.into(), zero(), zero()]).await,
        Kind::Sem => sys.call_int(Sysno::SEMGET, vec![key.into(), zero(), zero()]).await,
        Kind::Msg => sys.call_int(Sysno::MSGGET, vec![key.into(), zero()]).await,
    };
    let problem = match found {
        Ok(id) => return Ok(Some(id)),
        Err(Errno::EACCES) => "permission denied for key",
        Err(Errno::EIDRM) => "already removed key",
        Err(Errno::ENOENT) => "invalid key",
        Err(e) => return Err(warn(sys, &format!("key failed: {e}")).await),
    };
    warn(sys, &format!("{problem} ({text})")).await;
    Ok(None)
}

/// A number in decimal, hexadecimal or octal.
fn number(text: &str) -> Option<i64> {
    let text = text.trim_start();
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None if text.len() > 1 && text.starts_with('0') => i64::from_str_radix(text, 8).ok(),
        None => text.parse().ok(),
    }
}

/// What was printed before stays in its buffer until the end, as in the C library.
async fn warn(sys: &Sys, message: &str) -> i32 {
    sys.eprint(format!("{}: {message}\n", sys.name())).await;
    1
}
