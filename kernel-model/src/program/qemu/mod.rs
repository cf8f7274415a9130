//! QEMU 7.2's `qemu-system-x86_64`: a virtual machine as a process.
//!
//! The program knows only system calls. It asks `/dev/kvm` for a virtual machine, gives it its own memory, and has a thread
//! for the virtual processor: that calls `KVM_RUN`, does what the guest's access to a device means when the call comes back
//! ([`device`]), and calls again ([`vcpu`]). The first thread waits for what is typed and for doorbells ([`main_loop`]).
//! The state of the devices is in memory that the threads share, behind a lock ([`lock`]). A guest can be stopped ([`pause`])
//! and moved while it runs ([`migration`]).

pub mod device;
mod kvm;
mod lock;
mod main_loop;
pub mod migration;
mod monitor;
mod options;
mod pause;
mod vcpu;

use super::registry::Program;
use super::{Resume, Sys};
use crate::errno::Errno;
use crate::program::libc::o;
use crate::syscall::{Sysno, Value};
use crate::task::clone::flags;
use device::Machine;
use kvm::Context;
use options::Options;
use pause::RunState;

crate::program!(
    QEMU = "qemu-system-x86_64" in "/usr/bin",
    "a virtual machine as a process",
    main,
    "-enable-kvm, -accel kvm  use /dev/kvm; nothing else is modelled
-m SIZE         memory in MiB, or with M or G (default 128)
-smp N          one virtual processor
-name NAME      what it is called
-nographic      serial port and monitor on the terminal: Ctrl-A X ends, Ctrl-A C changes between the two
-kernel FILE, -initrd FILE, -append LINE  boot a Linux kernel; hostname=NAME in LINE names it
-drive file=FILE[,if=virtio|ide][,format=raw]  a disk
-hda FILE       an IDE disk
-netdev tap,id=ID[,ifname=NAME],script=no,downscript=no   a TAP device of the host
-device virtio-net-pci|e1000,netdev=ID[,mac=MAC]   a network card
-nic tap,ifname=NAME,script=no,downscript=no[,model=virtio-net-pci|e1000][,mac=MAC]   both in one
-S              the guest waits for `cont` in the monitor
-incoming tcp:HOST:PORT   wait for a guest from another QEMU; hosts are network namespaces of one kernel, or one host over lo
                in the other's monitor: `migrate [-d] tcp:HOST:PORT`, `info migrate`, `migrate_set_parameter`, `migrate_cancel`
-device virtio-balloon-pci   a balloon: `balloon N`, `info balloon` in the monitor
-version, -help"
);

/// The programs in this folder.
pub const PROGRAMS: &[&Program] = &[&QEMU];

/// Which of the threads of the process.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Role {
    /// The first: it waits for input.
    #[default]
    Main = 0,
    /// That of the virtual processor.
    Vcpu = 1,
    /// That of a migration.
    Migration = 2,
}

/// How a message begins.
const SELF: &str = "qemu-system-x86_64";
/// What pthread_create(3) asks for.
const THREAD: u64 = flags::VM
    | flags::FS
    | flags::FILES
    | flags::SIGHAND
    | flags::THREAD
    | flags::SYSVSEM
    | flags::SETTLS
    | flags::PARENT_SETTID
    | flags::CHILD_CLEARTID;
/// `PROT_READ | PROT_WRITE`, `MAP_PRIVATE | MAP_ANONYMOUS`, `MAP_SHARED`.
const READ_WRITE: i64 = 3;
const PRIVATE_ANONYMOUS: i64 = 0x22;
const SHARED: i64 = 1;
/// Where a kernel begins that is loaded by the boot protocol, and where its command line is.
const KERNEL_ENTRY: u64 = 0x10_0000;
const COMMAND_LINE: u64 = 0x2_0000;

async fn main(sys: Sys) -> Result<i32, i32> {
    let options = match options::parse(sys.argv()) {
        Ok(options) => options,
        Err(stop) => {
            if stop.status == 0 {
                sys.print(stop.text).await;
            } else {
                sys.eprint(stop.text).await;
            }
            return Ok(stop.status);
        }
    };
    if let Resume::Saved(saved) = sys.resume().clone() {
        let context = Context::from_value(&saved);
        return Ok(match context.role {
            Role::Vcpu => vcpu::run(&sys, context).await,
            Role::Main => main_loop::run(&sys, &options, context).await,
            Role::Migration => {
                migration::precopy::run(&sys, context).await;
                0
            }
        });
    }
    let mut context = start(&sys, &options).await?;
    let thread = sys.call_int(Sysno::CLONE, vec![THREAD.into()]).await.map_err(|_| 1)?;
    if thread == 0 {
        return Ok(vcpu::start(&sys, context).await);
    }
    context.thread = thread as i32;
    Ok(main_loop::run(&sys, &options, context).await)
}

/// `mmap(NULL, bytes, ...)` of memory without a file.
async fn memory(sys: &Sys, bytes: u64) -> Result<u64, Errno> {
    let args = vec![0.into(), bytes.into(), READ_WRITE.into(), PRIVATE_ANONYMOUS.into(), (-1).into(), 0.into()];
    Ok(sys.call_int(Sysno::MMAP, args).await? as u64)
}

/// `qemu_init`: everything that is made before the guest runs.
async fn start(sys: &Sys, options: &Options) -> Result<Context, i32> {
    let fail = async |text: String| {
        sys.eprint(format!("{SELF}: {text}\n")).await;
        1
    };
    let system = match sys.open("/dev/kvm", o::RDWR | o::CLOEXEC, 0).await {
        Ok(fd) => fd,
        Err(e) => {
            sys.eprint(format!("Could not access KVM kernel module: {e}\n")).await;
            return Err(fail(format!("failed to initialize kvm: {e}")).await);
        }
    };
    let failed = async |what: &str, e: Errno| fail(format!("{what} failed: {e}")).await;
    let kvm = kvm::Kvm { sys };
    kvm.ioctl(system, kvm::GET_API_VERSION, 0.into()).await.map_err(|_| 1)?;
    let vm = match kvm.ioctl(system, kvm::CREATE_VM, 0.into()).await {
        Ok(vm) => vm as i32,
        Err(e) => return Err(failed("ioctl(KVM_CREATE_VM)", e).await),
    };
    if let Err(e) = kvm.ioctl(vm, kvm::CREATE_IRQCHIP, 0.into()).await {
        return Err(failed("Create kernel irqchip", e).await);
    }
    let ram = match memory(sys, options.memory).await {
        Ok(ram) => ram,
        Err(e) => return Err(fail(format!("cannot set up guest memory 'pc.ram': {e}")).await),
    };
    if let Err(e) = kvm.set_memory(vm, 0, ram, options.memory, 0).await {
        return Err(failed("kvm_set_user_memory_region", e).await);
    }
    let state = memory(sys, 4096).await.map_err(|_| 1)?;
    let mut context = Context { system, vm, vcpu: -1, state, ram, memory: options.memory, ..Context::default() };
    let machine = device::make(sys, options, &mut context).await?;
    load_kernel(sys, options, &context).await?;
    sys.store(state + Machine::AT, machine.to_value()).await.map_err(|_| 1)?;
    pause::prepare(sys).await;
    hold(sys, options, &mut context).await?;
    if options.nographic && sys.isatty(0).await {
        let modes = Value::record([("c_lflag", 0.into())]);
        sys.call(Sysno::IOCTL, vec![0.into(), kvm::TCSETS.into(), modes]).await.map_err(|_| 1)?;
    }
    Ok(context)
}

/// A guest that is not to begin by itself: it waits for `cont`, or comes from elsewhere.
async fn hold(sys: &Sys, options: &Options, context: &mut Context) -> Result<(), i32> {
    if options.is_stopped || options.incoming.is_some() {
        pause::hold(sys, context).await;
        RunState::Prelaunch.store(sys, context).await;
    }
    if let Some(uri) = &options.incoming {
        match migration::incoming::listen(sys, uri).await {
            Ok(fd) => context.incoming.listening = fd,
            Err(text) => {
                sys.eprint(format!("{SELF}: {text}\n")).await;
                return Err(1);
            }
        }
        RunState::InMigrate.store(sys, context).await;
    }
    Ok(())
}

/// `x86_load_linux`: the kernel and its command line go into the guest's memory. A kernel's code is not modelled: it is
/// enough that the file is there.
async fn load_kernel(sys: &Sys, options: &Options, context: &Context) -> Result<(), i32> {
    for (path, what) in [(&options.kernel, "could not open kernel file"), (&options.initrd, "could not load initrd")] {
        let Some(path) = path else { continue };
        if let Err(e) = sys.stat(path).await {
            sys.eprint(format!("{SELF}: {what} '{path}': {e}\n")).await;
            return Err(1);
        }
    }
    let mut line = options.append.clone().unwrap_or_else(|| "console=ttyS0".to_owned()).into_bytes();
    line.push(0);
    sys.store_bytes(context.ram + COMMAND_LINE, &line).await.map_err(|_| 1)
}
