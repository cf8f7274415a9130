//! The workers: each does one thing over and over, until a signal ends it.
//!
//! A worker saves where it stands before each round, so that what it was answered before can be forgotten.

use std::sync::Arc;

use super::options::Say;
use crate::errno::Errno;
use crate::program::libc::o;
use crate::program::malloc::{Block, Malloc};
use crate::program::{Resume, Sys};
use crate::syscall::{Sysno, Value};

/// How long a worker computes between two looks at its place in the world.
const COMPUTE: u64 = 50_000_000;
/// Nanoseconds for one stride through memory that is there.
const STRIDE_COST: u64 = 4;
/// Nanoseconds that a process costs which is made only to end, beyond what its calls cost here.
const FORK_COST: u64 = 400_000;
/// The buffer of a worker that writes files: one byte less than 1 MiB.
const CHUNK: u64 = (1 << 20) - 1;

/// What a worker does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Hog {
    /// Computes square roots; of each tenth of a second only so many percent.
    Cpu(u64),
    /// Calls sync(2).
    Io,
    /// Allocates memory, touches it, gives it back.
    Vm {
        /// How much.
        bytes: u64,
        /// One byte of so many is touched.
        stride: u64,
        /// Seconds before it is given back; 0 for ever; `None` at once.
        hang: Option<u64>,
        /// It is kept, and touched again.
        keep: bool,
    },
    /// Writes a file of this size and removes it.
    Hdd(u64),
    /// Makes children that exit at once, so many at a time (stress-ng).
    Fork(u64),
}

impl Hog {
    fn to_value(self) -> Value {
        let words: [u64; 5] = match self {
            Hog::Cpu(load) => [0, load, 0, 0, 0],
            Hog::Io => [1, 0, 0, 0, 0],
            Hog::Vm { bytes, stride, hang, keep } => [2, bytes, stride, hang.map_or(0, |s| s + 1), u64::from(keep)],
            Hog::Hdd(bytes) => [3, bytes, 0, 0, 0],
            Hog::Fork(most) => [4, most, 0, 0, 0],
        };
        Value::List(words.into_iter().map(Value::from).collect())
    }

    fn from_value(value: &Value) -> Option<Hog> {
        let words: Vec<u64> = value.as_list()?.iter().filter_map(|v| Some(v.as_int()? as u64)).collect();
        let [kind, a, b, c, d] = words.try_into().ok()?;
        Some(match kind {
            0 => Hog::Cpu(a),
            1 => Hog::Io,
            2 => Hog::Vm { bytes: a, stride: b, hang: c.checked_sub(1), keep: d == 1 },
            3 => Hog::Hdd(a),
            _ => Hog::Fork(a),
        })
    }
}

/// A worker at the begin of a round.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Worker {
    pub hog: Hog,
    /// How much it says.
    pub say: Say,
    /// The memory that it has kept.
    block: Block,
    /// Rounds done.
    round: u64,
}

impl Worker {
    pub(super) fn new(hog: Hog, say: Say) -> Worker {
        Worker { hog, say, block: Block::default(), round: 0 }
    }

    /// The worker that a program saved; `None` when it has just been started.
    fn saved(sys: &Sys) -> Option<Worker> {
        let Resume::Saved(value) = sys.resume() else { return None };
        let [hog, say, addr, bytes, mapping, round] = value.as_list()? else { return None };
        let int = |v: &Value| v.as_int().unwrap_or(0) as u64;
        let block = Block { addr: int(addr), bytes: int(bytes), mapping: int(mapping) };
        Some(Worker { hog: Hog::from_value(hog)?, say: Say::from_level(int(say)), block, round: int(round) })
    }

    async fn save(&self, sys: &Sys) {
        let numbers = [self.say.level(), self.block.addr, self.block.bytes, self.block.mapping, self.round];
        let mut words = vec![self.hog.to_value()];
        words.extend(numbers.into_iter().map(Value::from));
        sys.save(Resume::Saved(Value::List(words))).await;
    }

    /// Goes on from where the program was saved, if it was. `None` when it has just been started.
    pub(super) async fn resume(sys: &Sys) -> Option<i32> {
        Some(Worker::saved(sys)?.rounds(sys).await)
    }

    /// Works until a signal comes, or something fails: then the exit status.
    pub(super) async fn run(self, sys: &Sys) -> i32 {
        self.save(sys).await;
        self.rounds(sys).await
    }

    /// The next round and those after it. What comes first here is what comes after saving.
    async fn rounds(mut self, sys: &Sys) -> i32 {
        loop {
            let done = match self.hog {
                Hog::Cpu(load) => self.compute(sys, load).await,
                Hog::Io => {
                    // It cannot fail.
                    let _ = sys.call(Sysno::SYNC, Vec::new()).await;
                    Ok(())
                }
                Hog::Vm { bytes, stride, hang, keep } => self.memory(sys, bytes, stride, hang, keep).await,
                Hog::Hdd(bytes) => self.file(sys, bytes).await,
                Hog::Fork(most) => fork_and_wait(sys, most).await,
            };
            if done.is_err() {
                return 1;
            }
            self.round += 1;
            self.save(sys).await;
        }
    }

    async fn compute(&self, sys: &Sys, load: u64) -> Result<(), ()> {
        if load >= 100 {
            sys.compute(COMPUTE).await;
            return Ok(());
        }
        // A tenth of a second at a time.
        sys.compute(load * 1_000_000).await;
        // Only a signal could end it early, and that ends the worker.
        let _ = sys.nanosleep((100 - load) * 1_000_000).await;
        Ok(())
    }

    /// One round of `hogvm`.
    async fn memory(&mut self, sys: &Sys, bytes: u64, stride: u64, hang: Option<u64>, keep: bool) -> Result<(), ()> {
        if self.block.bytes == 0 {
            self.say.debug(sys, format!("allocating {bytes} bytes ...")).await;
            match Malloc::default().alloc(sys, bytes).await {
                Ok(block) => self.block = block,
                Err(e) => {
                    self.say.fail(sys, 512, format!("hogvm malloc failed: {e}")).await;
                    return Err(());
                }
            }
        }
        self.say.debug(sys, format!("touching bytes in strides of {stride} bytes ...")).await;
        if stride <= crate::mm::PAGE_SIZE {
            sys.touch(self.block.addr, bytes).await;
        } else {
            let mut at = 0;
            while at < bytes {
                sys.touch(self.block.addr + at, 1).await;
                at += stride;
            }
        }
        // Every byte that was written is looked at again.
        sys.compute((bytes / stride.max(1)).saturating_mul(2 * STRIDE_COST).max(1)).await;
        match hang {
            Some(0) => {
                self.say.debug(sys, "sleeping forever with allocated memory").await;
                loop {
                    let _ = sys.nanosleep(1024 * 1_000_000_000).await;
                }
            }
            Some(seconds) => {
                self.say.debug(sys, format!("sleeping for {seconds}s with allocated memory")).await;
                let _ = sys.nanosleep(seconds.saturating_mul(1_000_000_000)).await;
            }
            None => {}
        }
        if !keep {
            Malloc::default().free(sys, std::mem::take(&mut self.block)).await;
            self.say.debug(sys, format!("freed {bytes} bytes")).await;
        }
        Ok(())
    }

    /// One round of `hoghdd`.
    async fn file(&self, sys: &Sys, bytes: u64) -> Result<(), ()> {
        if self.round == 0 {
            self.say.debug(sys, format!("seeding {CHUNK} byte buffer with random data")).await;
        }
        let (name, fd) = match make_temporary(sys).await {
            Ok(made) => made,
            Err(e) => {
                self.say.fail(sys, 581, format!("mkstemp failed: {e}")).await;
                return Err(());
            }
        };
        self.say.debug(sys, format!("opened {name} for writing {bytes} bytes")).await;
        self.say.debug(sys, format!("unlinking {name}")).await;
        if let Err(e) = sys.unlink(&name).await {
            self.say.fail(sys, 592, format!("unlink of {name} failed: {e}")).await;
            return Err(());
        }
        self.say.debug(sys, format!("fast writing to {name}")).await;
        let buffer = buffer();
        let mut at = 0;
        while at == 0 || at + CHUNK < bytes {
            self.write(sys, fd, Arc::clone(&buffer), FAST).await?;
            at += CHUNK;
        }
        self.say.debug(sys, format!("slow writing to {name}")).await;
        while at + 1 < bytes {
            self.write(sys, fd, buffer[..1].into(), SLOW).await?;
            at += 1;
        }
        self.write(sys, fd, b"\n"[..].into(), LAST).await?;
        self.say.debug(sys, format!("closing {name} after {} bytes", at + 1)).await;
        // It is open.
        let _ = sys.close(fd).await;
        Ok(())
    }

    /// One write(2), whose return value nobody looks at unless it is an error.
    async fn write(&self, sys: &Sys, fd: i32, bytes: Arc<[u8]>, line: u32) -> Result<(), ()> {
        let count = bytes.len();
        match sys.call(Sysno::WRITE, vec![fd.into(), Value::Bytes(bytes), count.into()]).await {
            Ok(_) => Ok(()),
            Err(e) => {
                self.say.fail(sys, line, format!("write failed: {e}")).await;
                Err(())
            }
        }
    }
}

/// Where in the source of stress(1) writing can fail.
const FAST: u32 = 615;
const SLOW: u32 = 609;
const LAST: u32 = 615;

/// What is written: the same random page over and over, which a file can keep once.
fn buffer() -> Arc<[u8]> {
    let page = crate::vfs::fs::devices::random_bytes(1, 4096);
    page.iter().map(|b| b' ' + b % 95).cycle().take(CHUNK as usize).collect()
}

/// mkstemp(3) in the working directory.
async fn make_temporary(sys: &Sys) -> Result<(String, i32), Errno> {
    const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let mut seed = sys.clock_gettime(0).await.unwrap_or(0) ^ (u64::from(sys.getpid().await.unsigned_abs()) << 40);
    loop {
        let letters = crate::vfs::fs::devices::random_bytes(seed, 6);
        let letter = |b: &u8| char::from(LETTERS.get(usize::from(*b) % LETTERS.len()).copied().unwrap_or(b'x'));
        let name = format!("./stress.{}", letters.iter().map(letter).collect::<String>());
        match sys.open(&name, o::RDWR | o::CREAT | o::EXCL, 0o600).await {
            Ok(fd) => return Ok((name, fd)),
            Err(Errno::EEXIST) => seed = seed.wrapping_add(1),
            Err(e) => return Err(e),
        }
    }
}

/// Children that do nothing, made one after the other and then all waited for. That one cannot be made is no failure.
async fn fork_and_wait(sys: &Sys, most: u64) -> Result<(), ()> {
    let mut children = Vec::new();
    for _ in 0..most {
        match sys.fork().await {
            Ok(0) => sys.exit(0).await,
            Ok(pid) => children.push(pid),
            Err(_) => break,
        }
        sys.compute(FORK_COST).await;
    }
    if children.is_empty() {
        // Nothing could be made: not again at once.
        let _ = sys.nanosleep(1_000_000).await;
    }
    for pid in children {
        let _ = sys.wait4(pid, 0).await;
    }
    Ok(())
}
