//! Counters with a descriptor, as in eventfd(2) and `fs/eventfd.c`. Programs wait with them, and parts of the kernel
//! (and of the machine below it) signal through them.

use serde::{Deserialize, Serialize};

use crate::errno::Errno;
use crate::id;
use crate::kernel::Kernel;
use crate::syscall::{Sleep, Stop};
use crate::task::sched::Wait;

id! {
    /// A counter of eventfd(2).
    EventFdId
}

/// A counter (`struct eventfd_ctx`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EventFd {
    /// Its value. Writes bring it to `u64::MAX - 1` at most; only the kernel can go one further, which poll(2) shows as an
    /// error.
    pub count: u64,
    /// A read takes 1 and not everything (`EFD_SEMAPHORE`).
    pub is_semaphore: bool,
}

impl Kernel<'_> {
    /// A read (`eventfd_read`): the eight bytes of what was taken.
    pub(crate) fn eventfd_read(&mut self, id: EventFdId, count: usize, nonblock: bool) -> Result<Vec<u8>, Stop> {
        if count < 8 {
            return Err(Errno::EINVAL.into());
        }
        let event = &mut self.world.eventfds[id];
        if event.count == 0 {
            return if nonblock { Err(Errno::EAGAIN.into()) } else { Err(Sleep::on(Wait::EventFd(id))) };
        }
        let taken = if event.is_semaphore { 1 } else { event.count };
        event.count -= taken;
        self.wake_all(Wait::EventFd(id));
        Ok(taken.to_le_bytes().to_vec())
    }

    /// A write (`eventfd_write`) of a number of eight bytes, which is added.
    pub(crate) fn eventfd_write(&mut self, id: EventFdId, bytes: &[u8], nonblock: bool) -> Result<usize, Stop> {
        let Some(number) = bytes.first_chunk::<8>() else { return Err(Errno::EINVAL.into()) };
        let number = u64::from_le_bytes(*number);
        if number == u64::MAX {
            return Err(Errno::EINVAL.into());
        }
        let event = &mut self.world.eventfds[id];
        if u64::MAX - event.count <= number {
            return if nonblock { Err(Errno::EAGAIN.into()) } else { Err(Sleep::on(Wait::EventFd(id))) };
        }
        event.count += number;
        if self.machine.event_signalled(u64::from(id.0)) {
            // Whoever below listens has taken it (`irqfd_wakeup`).
            self.world.eventfds[id].count = 0;
            self.emit_reports();
        }
        self.wake_all(Wait::EventFd(id));
        Ok(8)
    }

    /// Somebody in the kernel signals (`eventfd_signal`).
    pub(crate) fn eventfd_signal(&mut self, id: EventFdId) {
        if let Some(event) = self.world.eventfds.get_mut(id) {
            event.count = event.count.saturating_add(1);
            self.wake_all(Wait::EventFd(id));
        }
    }
}
