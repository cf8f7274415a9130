//! Virtio disks (`hw/block/virtio-blk.c`).

use super::super::{disk_flush, disk_read, disk_write, number};
use super::{Buffer, Virtio, load, store};
use crate::errno::Errno;
use crate::program::Sys;
use crate::program::qemu::kvm::Context;

/// Does everything that is in the queue (`virtio_blk_handle_vq`).
pub(super) async fn serve(sys: &Sys, context: &Context, device: &mut Virtio, disk: usize) -> Result<bool, Errno> {
    let mut interrupts = false;
    while let Some((head, buffers)) = device.pop(sys, context, 0).await? {
        let len = block(sys, context, disk, &buffers).await?;
        interrupts |= device.push(sys, context, 0, &[(head, len)]).await?;
    }
    Ok(interrupts)
}

const T_IN: u32 = 0;
const T_OUT: u32 = 1;
const T_FLUSH: u32 = 4;
const S_OK: u8 = 0;
const S_IOERR: u8 = 1;
const S_UNSUPP: u8 = 2;

/// A request of a disk (`virtio_blk_handle_request`). How many bytes of the guest's memory were written.
async fn block(sys: &Sys, context: &Context, disk: usize, buffers: &[Buffer]) -> Result<u32, Errno> {
    // `virtio-blk missing headers`
    let [header, data @ .., status] = buffers else { return Err(Errno::EINVAL) };
    if header.is_writable || !status.is_writable || status.len == 0 {
        return Err(Errno::EINVAL);
    }
    let bytes = load(sys, context, header.gpa, 0, 16).await?;
    let int = |from: usize, to: usize| bytes.get(from..to).map_or(0, number);
    let (kind, mut pos) = (int(0, 4) as u32, int(8, 16).saturating_mul(512));
    let fd = context.disks.get(disk).copied().unwrap_or(-1);
    let mut written: u32 = 1;
    let mut result = S_OK;
    for buffer in data {
        let part = (buffer.gpa, buffer.len);
        let done = match kind {
            T_IN => disk_read(sys, context, fd, pos, part).await,
            T_OUT => disk_write(sys, context, fd, pos, part).await,
            _ => Err(Errno::EINVAL),
        };
        if done.is_err() {
            result = S_IOERR;
        }
        if buffer.is_writable {
            written = written.wrapping_add(buffer.len as u32);
        }
        pos = pos.saturating_add(buffer.len as u64);
    }
    match kind {
        T_IN | T_OUT => {}
        T_FLUSH => disk_flush(sys, fd).await?,
        _ => result = S_UNSUPP,
    }
    store(sys, context, status.gpa, 0, &[result]).await?;
    Ok(written)
}
