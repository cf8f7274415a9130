//! Virtio balloons (`hw/virtio/virtio-balloon.c`): pages that the guest gives away go back to the host, which need not have
//! memory behind them until they are touched again.

use super::super::number;
use super::{Kind, Virtio, load};
use crate::errno::Errno;
use crate::program::Sys;
use crate::program::qemu::kvm::Context;
use crate::syscall::Sysno;

/// Bytes of a page of the balloon (`VIRTIO_BALLOON_PFN_SHIFT`).
pub const PAGE: u64 = 4096;
/// The queue of pages that the guest gives away.
const INFLATE: usize = 0;
const MADV_DONTNEED: i64 = 4;

/// A balloon.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Balloon {
    /// Pages that the host wants (`num_pages`).
    pub wanted: u32,
    /// Pages that the guest says it has given.
    pub actual: u32,
}

impl Virtio {
    /// It, if it is a balloon.
    pub fn balloon(&self) -> Option<Balloon> {
        match self.kind {
            Kind::Balloon(balloon) => Some(balloon),
            _ => None,
        }
    }

    /// The host wants so many pages (`virtio_balloon_to_target`).
    pub fn set_balloon(&mut self, pages: u32) {
        if let Kind::Balloon(balloon) = &mut self.kind {
            balloon.wanted = pages;
        }
    }
}

/// Lists of pages (`virtio_balloon_handle_output`). What the guest takes back needs nothing: the host puts memory there when
/// it is touched. Pages that follow each other are given back in one call, where QEMU makes one each.
pub(super) async fn serve(sys: &Sys, context: &Context, device: &mut Virtio, queue: usize) -> Result<bool, Errno> {
    let mut interrupts = false;
    while let Some((head, buffers)) = device.pop(sys, context, queue).await? {
        let mut pages = Vec::new();
        for buffer in buffers.iter().filter(|buffer| !buffer.is_writable) {
            let bytes = load(sys, context, buffer.gpa, 0, buffer.len.min(4096)).await?;
            pages.extend(bytes.chunks_exact(4).map(number));
        }
        pages.sort_unstable();
        pages.dedup();
        while queue == INFLATE && !pages.is_empty() {
            let first = pages[0];
            let run = pages.iter().zip(first..).take_while(|(page, n)| **page == *n).count();
            pages.drain(..run);
            let bytes = run as u64 * PAGE;
            // Outside of the guest's memory there is nothing to be given back.
            if let Ok(at) = context.at(first.saturating_mul(PAGE), bytes) {
                let _ = sys.call(Sysno::MADVISE, vec![at.into(), bytes.into(), MADV_DONTNEED.into()]).await;
            }
        }
        interrupts |= device.push(sys, context, queue, &[(head, 0)]).await?;
    }
    Ok(interrupts)
}
