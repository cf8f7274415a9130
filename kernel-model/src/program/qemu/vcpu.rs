//! The thread of the virtual processor (`kvm_vcpu_thread_fn`, `kvm_cpu_exec`).

use super::device::{Effect, Machine};
use super::kvm::{self, Context, Kvm};
use super::{READ_WRITE, Role, SELF, SHARED, lock, pause};
use crate::errno::Errno;
use crate::program::{Resume, Sys};
use crate::syscall::{Sysno, Value};

const EXIT_IO: i64 = 2;
const EXIT_MMIO: i64 = 6;
const EXIT_SHUTDOWN: i64 = 8;
const EXIT_INTERNAL_ERROR: i64 = 17;

/// Makes the processor and sets its registers.
pub async fn start(sys: &Sys, mut context: Context) -> i32 {
    context.role = Role::Vcpu;
    let kvm = Kvm { sys };
    context.vcpu = match kvm.ioctl(context.vm, kvm::CREATE_VCPU, 0.into()).await {
        Ok(fd) => fd as i32,
        Err(e) => {
            sys.eprint(format!("{SELF}: kvm_init_vcpu: kvm_get_vcpu failed (0): {e}\n")).await;
            return 1;
        }
    };
    let map =
        vec![0.into(), kvm::VCPU_MMAP_SIZE.into(), READ_WRITE.into(), SHARED.into(), context.vcpu.into(), 0.into()];
    pause::store_vcpu(sys, &context).await;
    // What lies there goes with the call in this model: see the module of KVM.
    let _ = sys.call(Sysno::MMAP, map).await;
    let regs = Value::record([("rip", super::KERNEL_ENTRY.into())]);
    let _ = kvm.ioctl(context.vcpu, kvm::SET_REGS, regs).await;
    sys.save(Resume::Saved(context.to_value())).await;
    run(sys, context).await
}

/// Runs the guest, and does what it asks for.
pub async fn run(sys: &Sys, mut context: Context) -> i32 {
    let kvm = Kvm { sys };
    loop {
        pause::park_if_asked(sys, &mut context).await;
        let answer = std::mem::take(&mut context.answer);
        let again = answer.clone();
        match kvm.call(context.vcpu, kvm::RUN, answer).await {
            Ok(ret) => {
                let exit = ret.output(2).clone();
                let reason = exit.field("exit_reason").and_then(Value::as_int).unwrap_or(0);
                match reason {
                    EXIT_IO | EXIT_MMIO => context.answer = serve(sys, &context, reason, &exit).await,
                    EXIT_SHUTDOWN => return 0,
                    EXIT_INTERNAL_ERROR => {
                        let suberror = exit.field("suberror").and_then(Value::as_int).unwrap_or(0);
                        sys.eprint(format!("KVM internal error. Suberror: {suberror}\n")).await;
                        return 1;
                    }
                    other => {
                        sys.eprint(format!("KVM: unknown exit, hardware reason {other:x}\n")).await;
                        return 1;
                    }
                }
            }
            // If the guest was not told the answer yet, it is told it now.
            Err(Errno::EINTR | Errno::EAGAIN) => context.answer = again,
            Err(e) => {
                sys.eprint(format!("error: kvm run failed {e}\n")).await;
                return 1;
            }
        }
        sys.save(Resume::Saved(context.to_value())).await;
    }
}

/// The guest has reached for a register: what that does, and what it reads (`kvm_handle_io`, `address_space_rw`).
async fn serve(sys: &Sys, context: &Context, reason: i64, exit: &Value) -> Value {
    let lock_at = context.state + Machine::LOCK;
    lock::lock(sys, lock_at).await;
    let mut machine = Machine::load(sys, context).await;
    let mut effects = Vec::new();
    let access = exit.field(if reason == EXIT_IO { "io" } else { "mmio" }).cloned().unwrap_or_default();
    let int = |name: &str| access.field(name).and_then(Value::as_int).unwrap_or(0) as u64;
    let data = access.field("data").and_then(Value::as_bytes);
    let answer = if reason == EXIT_IO {
        match data {
            Some(bytes) if int("direction") == 1 => {
                machine.port_write(int("port") as u16, bytes, &mut effects);
                Vec::new()
            }
            _ => machine.port_read(int("port") as u16, int("size") as usize, int("count") as usize, &mut effects),
        }
    } else {
        match data {
            Some(bytes) if int("is_write") == 1 => {
                machine.memory_write(int("phys_addr"), bytes, &mut effects);
                Vec::new()
            }
            _ => machine.memory_read(int("phys_addr"), int("len") as usize, &mut effects),
        }
    };
    carry_out(sys, context, &mut machine, effects).await;
    machine.save(sys, context).await;
    lock::unlock(sys, lock_at).await;
    if answer.is_empty() { Value::Int(0) } else { Value::bytes(answer) }
}

/// Does what devices want done.
pub async fn carry_out(sys: &Sys, context: &Context, machine: &mut Machine, effects: Vec<Effect>) {
    let kvm = Kvm { sys };
    let mut effects: std::collections::VecDeque<Effect> = effects.into();
    while let Some(effect) = effects.pop_front() {
        match effect {
            Effect::Print(bytes) => {
                let _ = sys.write_all(1, &bytes).await;
            }
            Effect::Irq(line, level) => {
                let _ = kvm.set_irq(context.vm, line, level).await;
            }
            Effect::Later(work) => {
                let mut more = Vec::new();
                super::device::work(sys, context, machine, work, &mut more).await;
                effects.extend(more);
            }
        }
    }
}
