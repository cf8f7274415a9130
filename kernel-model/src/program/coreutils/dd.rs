//! dd(1).

use crate::errno::Errno;
use crate::program;
use crate::program::Sys;
use crate::program::getopt::Spec;
use crate::program::human::{human, human_si, parse_size};
use crate::program::libc::o;
use crate::program::malloc::{Block, Malloc};
use crate::program::quote::{quote, quoteaf};

program!(DD = "dd" in "/usr/bin", "convert and copy a file", dd, "\
if=FILE, of=FILE  read from, write to FILE instead of standard input, output
bs=BYTES, ibs=BYTES, obs=BYTES  block sizes (default 512; ibs and obs must be equal)
count=N, skip=N, seek=N  blocks to copy, to skip at the start of the input, of the output
conv=notrunc,nocreat,excl,fsync,fdatasync,sync,noerror; iflag=fullblock,direct; oflag=append,direct,sync,dsync
status=none, noxfer, progress");

struct Plan {
    input: Option<String>,
    output: Option<String>,
    block: u64,
    count: Option<u64>,
    skip: u64,
    seek: u64,
    conv: Vec<String>,
    iflag: Vec<String>,
    oflag: Vec<String>,
    status: String,
}

async fn dd(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&Spec::COREUTILS).await?;
    let plan = plan(&sys, &options.operands).await?;
    let input = match &plan.input {
        None => 0,
        Some(path) => match sys.open(path, o::RDONLY | direct(&plan.iflag), 0).await {
            Ok(fd) => fd,
            Err(e) => {
                sys.error(format!("failed to open {}: {e}", quoteaf(path))).await;
                return Err(1);
            }
        },
    };
    let has = |what: &str| plan.conv.iter().any(|c| c == what);
    let output = match &plan.output {
        None => 1,
        Some(path) => {
            let mut flags = o::WRONLY | if has("nocreat") { 0 } else { o::CREAT };
            flags |= direct(&plan.oflag);
            flags |= if has("excl") { o::EXCL } else { 0 };
            flags |= if plan.oflag.iter().any(|f| f == "append") { o::APPEND } else { 0 };
            // With seek= the part before it is kept.
            flags |= if has("notrunc") || plan.seek > 0 { 0 } else { o::TRUNC };
            match sys.open(path, flags, 0o666).await {
                Ok(fd) => fd,
                Err(e) => {
                    sys.error(format!("failed to open {}: {e}", quoteaf(path))).await;
                    return Err(1);
                }
            }
        }
    };
    let offset = (plan.seek.saturating_mul(plan.block)) as i64;
    if plan.seek > 0 {
        if plan.output.is_some() && !has("notrunc") && sys.ftruncate(output, offset as u64).await.is_err() {
            // Not a regular file: nothing to cut off.
        }
        if sys.lseek(output, offset, 0).await.is_err() {
            sys.error(format!("{}: cannot seek: {}", quoteaf(shown(&plan.output, "standard output")), Errno::ESPIPE))
                .await;
            return Err(1);
        }
    }
    skip(&sys, &plan, input).await;
    // The buffer comes after the files have been opened, and is touched only by what is read (`alloc_ibuf`).
    let mut memory = Malloc::default();
    let Ok(buffer) = memory.alloc(&sys, plan.block).await else {
        sys.error(format!(
            "memory exhausted by input buffer of size {} bytes ({}iB)",
            plan.block,
            spaced(&human(plan.block))
        ))
        .await;
        return Err(1);
    };
    let started = sys.clock_gettime(1).await.unwrap_or(0);
    let mut copy = Copy {
        sys: &sys,
        plan: &plan,
        buffer,
        input,
        output,
        full_in: 0,
        part_in: 0,
        full_out: 0,
        part_out: 0,
        bytes: 0,
    };
    let mut status = copy.run().await;
    if has("fsync") || has("fdatasync") {
        let _ = sys.call(crate::syscall::Sysno::FSYNC, vec![output.into()]).await;
    }
    if let Err(e) = sys.close(output).await {
        sys.error(format!("closing output file {}: {e}", quoteaf(shown(&plan.output, "standard output")))).await;
        status = 1;
    }
    let elapsed = sys.clock_gettime(1).await.unwrap_or(0).saturating_sub(started);
    copy.statistics(elapsed).await;
    Ok(status)
}

/// The flag for open(2) that goes past the page cache.
fn direct(flags: &[String]) -> u32 {
    if flags.iter().any(|f| f == "direct") { o::DIRECT } else { 0 }
}

fn shown<'a>(path: &'a Option<String>, default: &'a str) -> &'a str {
    path.as_deref().unwrap_or(default)
}

async fn plan(sys: &Sys, operands: &[String]) -> Result<Plan, i32> {
    let mut plan = Plan {
        input: None,
        output: None,
        block: 512,
        count: None,
        skip: 0,
        seek: 0,
        conv: Vec::new(),
        iflag: Vec::new(),
        oflag: Vec::new(),
        status: String::new(),
    };
    for operand in operands {
        let Some((name, value)) = operand.split_once('=') else {
            return Err(sys.usage_error(format!("unrecognized operand {}", quote(operand))).await);
        };
        let list = || value.split(',').map(str::to_owned).collect::<Vec<_>>();
        let known: &[&str] = match name {
            "if" => {
                plan.input = Some(value.to_owned());
                continue;
            }
            "of" => {
                plan.output = Some(value.to_owned());
                continue;
            }
            "status" => {
                plan.status = value.to_owned();
                &["none", "noxfer", "progress"]
            }
            "conv" => {
                plan.conv = list();
                &["notrunc", "nocreat", "excl", "fsync", "fdatasync", "sync", "noerror"]
            }
            "iflag" => {
                plan.iflag = list();
                &["fullblock", "direct"]
            }
            "oflag" => {
                plan.oflag = list();
                &["append", "direct", "sync", "dsync"]
            }
            "bs" | "ibs" | "obs" | "count" | "skip" | "seek" => {
                let number =
                    value.split('x').map(parse_size).try_fold(1_u64, |product, n| product.checked_mul(n.flatten()?));
                match (name, number) {
                    ("bs" | "ibs" | "obs", Some(n)) if n > 0 => plan.block = n,
                    ("count", Some(n)) => plan.count = Some(n),
                    ("skip", Some(n)) => plan.skip = n,
                    ("seek", Some(n)) => plan.seek = n,
                    _ => {
                        sys.error(format!("invalid number: {}", quote(value))).await;
                        return Err(1);
                    }
                }
                continue;
            }
            _ => return Err(sys.usage_error(format!("unrecognized operand {}", quote(operand))).await),
        };
        if let Some(unknown) = value.split(',').find(|v| !known.contains(v)) {
            sys.not_modelled(&format!("'{name}={unknown}'")).await;
            return Err(1);
        }
    }
    Ok(plan)
}

async fn skip(sys: &Sys, plan: &Plan, input: i32) {
    let bytes = plan.skip.saturating_mul(plan.block);
    if bytes == 0 || sys.lseek(input, bytes as i64, 1).await.is_ok() {
        return;
    }
    let mut left = bytes;
    while left > 0 {
        match sys.read(input, left.min(plan.block) as usize).await {
            Ok(block) if !block.is_empty() => left -= block.len() as u64,
            _ => break,
        }
    }
}

struct Copy<'a> {
    sys: &'a Sys,
    plan: &'a Plan,
    buffer: Block,
    input: i32,
    output: i32,
    full_in: u64,
    part_in: u64,
    full_out: u64,
    part_out: u64,
    bytes: u64,
}

impl Copy<'_> {
    async fn run(&mut self) -> i32 {
        let mut status = 0;
        while self.plan.count.is_none_or(|c| self.full_in + self.part_in < c) {
            let mut block = match self.sys.read_at(self.input, self.buffer.addr, self.plan.block as usize).await {
                Ok(block) => block,
                Err(e) => {
                    let name = shown(&self.plan.input, "standard input");
                    self.sys.error(format!("error reading {}: {e}", quoteaf(name))).await;
                    return 1;
                }
            };
            if self.plan.iflag.iter().any(|f| f == "fullblock") {
                while (block.len() as u64) < self.plan.block && !block.is_empty() {
                    let rest = self.plan.block as usize - block.len();
                    match self.sys.read(self.input, rest).await {
                        Ok(more) if !more.is_empty() => block.extend(more),
                        _ => break,
                    }
                }
            }
            if block.is_empty() {
                break;
            }
            let full = block.len() as u64 == self.plan.block;
            self.full_in += u64::from(full);
            self.part_in += u64::from(!full);
            if !full && self.plan.conv.iter().any(|c| c == "sync") {
                block.resize(self.plan.block as usize, 0);
            }
            if !self.write(&block).await {
                status = 1;
                break;
            }
        }
        status
    }

    async fn write(&mut self, block: &[u8]) -> bool {
        let mut rest = block;
        while !rest.is_empty() {
            match self.sys.write(self.output, rest).await {
                Ok(n) => {
                    if self.plan.oflag.iter().any(|f| f == "sync" || f == "dsync") {
                        // O_SYNC: every write is an fsync(2) as well.
                        let _ = self.sys.call(crate::syscall::Sysno::FSYNC, vec![self.output.into()]).await;
                    }
                    self.bytes += n as u64;
                    rest = rest.get(n..).unwrap_or_default();
                }
                Err(e) => {
                    self.part_out += u64::from(rest.len() < block.len());
                    let name = shown(&self.plan.output, "standard output");
                    self.sys.error(format!("error writing {}: {e}", quoteaf(name))).await;
                    return false;
                }
            }
        }
        let full = block.len() as u64 == self.plan.block;
        self.full_out += u64::from(full);
        self.part_out += u64::from(!full);
        true
    }

    async fn statistics(&self, nanoseconds: u64) {
        if self.plan.status == "none" {
            return;
        }
        let records =
            format!("{}+{} records in\n{}+{} records out\n", self.full_in, self.part_in, self.full_out, self.part_out);
        self.sys.eprint(records).await;
        if self.plan.status == "noxfer" {
            return;
        }
        let unit = if self.bytes == 1 { "byte" } else { "bytes" };
        let si = spaced(&human_si(self.bytes));
        let iec = spaced(&human(self.bytes));
        let sizes = match self.bytes {
            0..1000 => String::new(),
            1000..1024 => format!(" ({si}B)"),
            _ => format!(" ({si}B, {iec}iB)"),
        };
        let spec = crate::program::cformat::CFormat { precision: Some(6), ..Default::default() };
        let seconds = spec.float(nanoseconds as f64 / 1e9, 'g');
        let speed = match (u128::from(self.bytes) * 1_000_000_000).checked_div(u128::from(nanoseconds)) {
            None => "Infinity B".to_owned(),
            Some(rate) => format!("{}B", spaced(&human_si(rate as u64))),
        };
        let text = format!("{} {unit}{sizes} copied, {seconds} s, {speed}/s\n", self.bytes);
        self.sys.eprint(text).await;
    }
}

/// `1.5K` as `1.5 K`, and a plain number with a blank after it.
fn spaced(text: &str) -> String {
    match text.find(|c: char| c.is_ascii_alphabetic()) {
        Some(at) => format!("{} {}", &text[..at], &text[at..]),
        None => format!("{text} "),
    }
}
