//! stress(1), version 1.0.7: makes the workers and waits for them.

use super::hog::{Hog, Worker};
use super::options::{Options, Parsed, parse};
use crate::program::Sys;
use crate::program::libc::WaitStatus;
use crate::syscall::Sysno;
use crate::syscall::identity::prctl::pr;
use crate::task::signal::{Disposition, Signal};

crate::program!(
    STRESS = "stress" in "/usr/bin",
    "imposes certain types of compute stress on the system",
    main,
    "-c, --cpu N       spawn N workers that compute
-i, --io N        spawn N workers that call sync(2)
-m, --vm N        spawn N workers that allocate, touch and free memory
    --vm-bytes B  how much (default 256M)
    --vm-stride B  touch a byte every B bytes (default 4096)
    --vm-hang N   sleep N seconds before it is freed; 0 for ever
    --vm-keep     touch it again instead of freeing it
-d, --hdd N       spawn N workers that write and unlink files
    --hdd-bytes B  how much (default 1G)
-t, --timeout N   end after N seconds
    --backoff N   wait N microseconds for each worker before work starts
-n, --dry-run     workers do nothing
-v, --verbose, -q, --quiet  how much is said"
);

async fn main(sys: Sys) -> i32 {
    if let Some(status) = Worker::resume(&sys).await {
        return status;
    }
    let options = match parse(sys.argv().get(1..).unwrap_or_default()) {
        Parsed::Run(options) => options,
        Parsed::Help => return usage(&sys).await,
        Parsed::Version => {
            sys.print(format!("{} 1.0.7\n", sys.name())).await;
            return 0;
        }
        Parsed::Wrong(options, line, message) => {
            options.say.fail(&sys, line, message).await;
            return 1;
        }
    };
    if options.workers() == 0 {
        return usage(&sys).await;
    }
    let Options { cpu, io, vm, hdd, .. } = options;
    options.say.info(&sys, format!("dispatching hogs: {cpu} cpu, {io} io, {vm} vm, {hdd} hdd")).await;
    let started = now(&sys).await;
    let mut stress = Stress { sys: &sys, options, children: 0, failures: 0 };
    if let Some(status) = stress.dispatch(started).await {
        return status;
    }
    stress.wait().await;
    let ran = now(&sys).await - started;
    if stress.failures > 0 {
        stress.options.say.fail(&sys, 461, format!("failed run completed in {ran}s")).await;
    } else {
        stress.options.say.info(&sys, format!("successful run completed in {ran}s")).await;
    }
    stress.failures
}

async fn now(sys: &Sys) -> i64 {
    (sys.clock_gettime(0).await.unwrap_or(0) / 1_000_000_000) as i64
}

struct Stress<'a> {
    sys: &'a Sys,
    options: Options,
    children: u32,
    failures: i32,
}

impl Stress<'_> {
    /// Makes the workers of the four kinds in turn. A worker comes back from here with its exit status.
    async fn dispatch(&mut self, started: i64) -> Option<i32> {
        while self.options.workers() > 0 {
            let backoff = self.options.backoff.saturating_mul(self.options.workers());
            self.options.say.debug(self.sys, format!("using backoff sleep of {backoff}us")).await;
            let mut timeout = 0;
            if self.options.timeout > 0 {
                timeout = self.options.timeout - (now(self.sys).await - started);
                if timeout <= 0 {
                    self.options.say.warn(self.sys, 292, "used up time before all workers dispatched").await;
                    break;
                }
                self.options.say.debug(self.sys, format!("setting timeout to {timeout}s")).await;
            }
            for kind in ["cpu", "io", "vm", "hdd"] {
                let (left, hog, line) = self.kind(kind);
                if left == 0 {
                    continue;
                }
                match self.sys.fork().await {
                    Ok(0) => return Some(self.work(hog, timeout, backoff).await),
                    Ok(pid) => {
                        let forked = format!("--> hog{kind} worker {left} [{pid}] forked");
                        self.options.say.debug(self.sys, forked).await;
                        self.children += 1;
                    }
                    Err(e) => self.options.say.fail(self.sys, line, format!("fork failed: {e}")).await,
                }
                match kind {
                    "cpu" => self.options.cpu -= 1,
                    "io" => self.options.io -= 1,
                    "vm" => self.options.vm -= 1,
                    _ => self.options.hdd -= 1,
                }
            }
        }
        None
    }

    /// How many of a kind are still to be made, what they do, and where the source says that fork(2) failed.
    fn kind(&self, kind: &str) -> (i64, Hog, u32) {
        let o = &self.options;
        match kind {
            "cpu" => (o.cpu, Hog::Cpu(100), 312),
            "io" => (o.io, Hog::Io, 334),
            "vm" => {
                let hog = Hog::Vm {
                    bytes: o.vm_bytes as u64,
                    stride: o.vm_stride as u64,
                    hang: o.vm_hang.map(|s| s as u64),
                    keep: o.vm_keep,
                };
                (o.vm, hog, 356)
            }
            _ => (o.hdd, Hog::Hdd(o.hdd_bytes as u64), 379),
        }
    }

    /// What a child does: it dies with its parent, and of the alarm.
    async fn work(&self, hog: Hog, timeout: i64, backoff: i64) -> i32 {
        let _ = self.sys.prctl(pr::SET_PDEATHSIG, [Signal::TERM.0.into(), 0, 0, 0]).await;
        let _ = self.sys.call(Sysno::ALARM, vec![timeout.into()]).await;
        let _ = self.sys.nanosleep(backoff as u64 * 1000).await;
        if self.options.dry_run {
            return 0;
        }
        Worker::new(hog, self.options.say).run(self.sys).await
    }

    /// Waits for all. When one fails the others are told to end, too.
    async fn wait(&mut self) {
        while self.children > 0 {
            let (pid, status) = match self.sys.wait4(-1, 0).await {
                Ok(waited) => waited,
                Err(e) => {
                    self.options.say.fail(self.sys, 446, format!("error waiting for worker: {e}")).await;
                    self.failures += 1;
                    return;
                }
            };
            self.children -= 1;
            self.collect(pid, status).await;
        }
    }

    async fn collect(&mut self, pid: i32, status: WaitStatus) {
        let say = self.options.say;
        let (line, what) = match (status.exited(), status.signaled()) {
            (Some(0), _) => return say.debug(self.sys, format!("<-- worker {pid} returned normally")).await,
            (_, Some(Signal::ALRM)) => {
                return say.debug(self.sys, format!("<-- worker {pid} signalled normally")).await;
            }
            (_, Some(Signal::USR1)) => return say.debug(self.sys, format!("<-- worker {pid} reaped")).await,
            (Some(ret), _) => (404, format!("<-- worker {pid} returned error {ret}")),
            (None, signal) => (425, format!("<-- worker {pid} got signal {}", signal.map_or(0, |s| s.0))),
        };
        say.fail(self.sys, line, what).await;
        self.failures += 1;
        say.warn(self.sys, line + 2, "now reaping child worker processes").await;
        let _ = self.sys.sigaction(Signal::USR1, Disposition::Ignore).await;
        // Its own process group, if it leads one.
        let group = -self.sys.getpid().await;
        if let Err(e) = self.sys.kill(group, Signal::USR1.0.into()).await {
            say.fail(self.sys, line + 6, format!("kill error: {e}")).await;
        }
    }
}

async fn usage(sys: &Sys) -> i32 {
    let name = sys.name();
    sys.print(format!(
        "`{name}' imposes certain types of compute stress on your system\n
Usage: {name} [OPTION [ARG]] ...
 -?, --help         show this help statement
     --version      show version statement
 -v, --verbose      be verbose
 -q, --quiet        be quiet
 -n, --dry-run      show what would have been done
 -t, --timeout N    timeout after N seconds
     --backoff N    wait factor of N microseconds before work starts
 -c, --cpu N        spawn N workers spinning on sqrt()
 -i, --io N         spawn N workers spinning on sync()
 -m, --vm N         spawn N workers spinning on malloc()/free()
     --vm-bytes B   malloc B bytes per vm worker (default is 256MB)
     --vm-stride B  touch a byte every B bytes (default is 4096)
     --vm-hang N    sleep N secs before free (default none, 0 is inf)
     --vm-keep      redirty memory instead of freeing and reallocating
 -d, --hdd N        spawn N workers spinning on write()/unlink()
     --hdd-bytes B  write B bytes per hdd worker (default is 1GB)

Example: {name} --cpu 8 --io 4 --vm 2 --vm-bytes 128M --timeout 10s

Note: Numbers may be suffixed with s,m,h,d,y (time) or B,K,M,G (size).
"
    ))
    .await;
    0
}
