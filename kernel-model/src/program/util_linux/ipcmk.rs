//! `ipcmk`: makes System V objects.

use crate::errno::Errno;
use crate::program::Sys;
use crate::program::getopt::{Long, Spec, Takes};
use crate::syscall::{Sysno, Value};

crate::program!(
    IPCMK = "ipcmk" in "/usr/bin",
    "make various IPC resources",
    main,
    "  ipcmk -M SIZE            a shared memory segment of SIZE
  ipcmk -S NUMBER          an array of NUMBER semaphores
  ipcmk -Q                 a message queue
  -p, --mode MODE          permission for the resource (0644)"
);

const SPEC: Spec = Spec {
    short: "M:QS:p:hV",
    long: &[
        Long("shmem", Takes::Value, 'M'),
        Long("semaphore", Takes::Value, 'S'),
        Long("queue", Takes::Nothing, 'Q'),
        Long("mode", Takes::Value, 'p'),
    ],
    unmodelled: "",
    version: "from util-linux 2.38.1",
    failure: 1,
};

const IPC_CREAT: i64 = 0o1000;

async fn main(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&SPEC).await?;
    if options.has('h') {
        sys.print_help().await;
        return Ok(0);
    }
    if options.has('V') {
        sys.print("ipcmk from util-linux 2.38.1\n").await;
        return Ok(0);
    }
    let (mut size, mut nsems, mut mode) = (None, None, 0o644);
    for option in &options.given {
        let text = option.value.as_deref().unwrap_or_default();
        match option.key {
            'M' => match strtosize(text) {
                Ok(n) => size = Some(n),
                Err(e) => return Err(fail(&sys, &format!("failed to parse size: '{text}': {e}")).await),
            },
            'S' => match text.trim_start().parse::<i32>() {
                Ok(n) => nsems = Some(n),
                Err(_) => return Err(fail(&sys, &format!("failed to parse elements: '{text}'")).await),
            },
            'p' => match i64::from_str_radix(text, 8) {
                Ok(n) => mode = n,
                Err(_) => return Err(fail(&sys, "failed to parse mode: Success").await),
            },
            _ => {}
        }
    }
    if size.is_none() && nsems.is_none() && !options.has('Q') {
        fail(&sys, "bad usage").await;
        sys.try_help().await;
        return Err(1);
    }
    let flags = Value::from(mode | IPC_CREAT);
    if let Some(size) = size {
        let args = vec![key(&sys).await, size.into(), flags.clone()];
        make(&sys, Sysno::SHMGET, args, "Shared memory", "share memory").await?;
    }
    if options.has('Q') {
        let args = vec![key(&sys).await, flags.clone()];
        make(&sys, Sysno::MSGGET, args, "Message queue", "message queue").await?;
    }
    if let Some(nsems) = nsems {
        let args = vec![key(&sys).await, nsems.into(), flags];
        make(&sys, Sysno::SEMGET, args, "Semaphore", "semaphore").await?;
    }
    Ok(0)
}

async fn make(sys: &Sys, call: Sysno, args: Vec<Value>, title: &str, name: &str) -> Result<(), i32> {
    match sys.call_int(call, args).await {
        Ok(id) => {
            sys.print(format!("{title} id: {id}\n")).await;
            Ok(())
        }
        Err(e) => Err(fail(sys, &format!("create {name} failed: {e}")).await),
    }
}

/// A key that nobody else has: four random bytes.
async fn key(sys: &Sys) -> Value {
    let bytes = sys.call(Sysno::GETRANDOM, vec![Value::Null, 4.into(), 0.into()]).await.unwrap_or_default();
    let bytes = bytes.output(0).as_bytes().and_then(|b| <[u8; 4]>::try_from(b).ok()).unwrap_or([1, 2, 3, 4]);
    i32::from_le_bytes(bytes).into()
}

/// What was printed before stays in its buffer until the end, as in the C library.
async fn fail(sys: &Sys, message: &str) -> i32 {
    sys.eprint(format!("{}: {message}\n", sys.name())).await;
    1
}

/// A size with a unit, as `strtosize` of util-linux reads it: `4096`, `0x10`, `1k`, `1KiB`, `1kB`.
fn strtosize(text: &str) -> Result<u64, Errno> {
    let text = text.trim_start();
    let (radix, digits) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(rest) => (16, rest),
        None if text.len() > 1 && text.starts_with('0') => (8, text),
        None => (10, text),
    };
    let end = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
    let (digits, rest) = digits.split_at(end);
    if digits.is_empty() {
        return Err(Errno::EINVAL);
    }
    let number = u128::from_str_radix(digits, radix).ok().filter(|n| u64::try_from(*n).is_ok()).ok_or(Errno::ERANGE)?;
    if rest.is_empty() {
        return u64::try_from(number).map_err(|_| Errno::ERANGE);
    }
    let (fraction, unit) = match rest.strip_prefix('.') {
        Some(more) => more.split_at(more.find(|c: char| !c.is_ascii_digit()).unwrap_or(more.len())),
        None => ("", rest),
    };
    let mut letters = unit.chars();
    let power = letters.next().and_then(|c| "KMGTPEZY".find(c.to_ascii_uppercase())).ok_or(Errno::EINVAL)?;
    let base: u128 = match letters.as_str() {
        "" | "iB" | "ib" => 1024,
        "B" | "b" => 1000,
        _ => return Err(Errno::EINVAL),
    };
    let factor = base.pow(power as u32 + 1);
    let places = fraction.len().min(18);
    let part: u128 = fraction.get(..places).unwrap_or_default().parse().unwrap_or(0);
    let size = number.checked_mul(factor).ok_or(Errno::ERANGE)?;
    let part = part.checked_mul(factor).ok_or(Errno::ERANGE)? / 10_u128.pow(places as u32);
    u64::try_from(size + part).map_err(|_| Errno::ERANGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(strtosize("1k"), Ok(1024));
        assert_eq!(strtosize("1kB"), Ok(1000));
        assert_eq!(strtosize("1.5KiB"), Ok(1536));
        assert_eq!(strtosize("0x10"), Ok(16));
        for wrong in ["", "-5", "abc", "1.5", "5x", "1kX"] {
            assert_eq!(strtosize(wrong), Err(Errno::EINVAL), "{wrong}");
        }
        assert_eq!(strtosize("99999999999999999999999"), Err(Errno::ERANGE));
    }
}
