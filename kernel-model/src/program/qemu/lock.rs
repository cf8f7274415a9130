//! The lock of the emulated machine (`qemu_mutex_lock_iothread`, the "big QEMU lock"): a mutex as glibc makes it of a
//! word and futex(2). Only a thread that finds it taken makes a call.

use crate::program::Sys;
use crate::syscall::Sysno;

const FUTEX_WAIT_PRIVATE: i64 = 128;
const FUTEX_WAKE_PRIVATE: i64 = 129;
/// Nobody has it; somebody has it; somebody has it and others wait.
const FREE: u32 = 0;
const TAKEN: u32 = 1;
const CONTENDED: u32 = 2;

/// Takes the lock at this address (`lll_lock`).
pub async fn lock(sys: &Sys, at: u64) {
    if sys.exchange(at, TAKEN, Some(FREE)).await == Ok(FREE) {
        return;
    }
    while sys.exchange(at, CONTENDED, None).await.is_ok_and(|old| old != FREE) {
        // It may have become free meanwhile: then the call says EAGAIN.
        let _ = sys.call(Sysno::FUTEX, vec![at.into(), FUTEX_WAIT_PRIVATE.into(), CONTENDED.into()]).await;
    }
}

/// Gives it back (`lll_unlock`).
pub async fn unlock(sys: &Sys, at: u64) {
    if sys.exchange(at, FREE, None).await == Ok(CONTENDED) {
        let _ = sys.call(Sysno::FUTEX, vec![at.into(), FUTEX_WAKE_PRIVATE.into(), 1.into()]).await;
    }
}
