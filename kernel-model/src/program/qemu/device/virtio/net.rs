//! Virtio network cards (`hw/net/virtio-net.c`): queue 0 has buffers for what comes in, queue 1 what goes out. Before each
//! frame stands a header, of which nothing is used here: no checksum and no segmentation is left to the device.

use super::{Buffer, Virtio, load, store};
use crate::errno::Errno;
use crate::program::Sys;
use crate::program::qemu::kvm::Context;

/// `sizeof(struct virtio_net_hdr_v1)`.
const HEADER: usize = 12;
/// Where in the header it says in how many buffers the frame is.
const NUM_BUFFERS: u64 = 10;
/// The queue of what comes in.
pub const RECEIVE: usize = 0;
/// The longest frame that a driver can send.
const FRAME_MAX: usize = 65_550;

/// The driver has rung: new buffers, or frames to be sent (`virtio_net_handle_tx_bh`).
pub(super) async fn serve(
    sys: &Sys,
    context: &Context,
    device: &mut Virtio,
    queue: usize,
    card: usize,
) -> Result<bool, Errno> {
    let mut interrupts = false;
    if queue == RECEIVE {
        return Ok(false);
    }
    while let Some((head, buffers)) = device.pop(sys, context, queue).await? {
        let mut frame = Vec::new();
        for buffer in buffers.iter().filter(|buffer| !buffer.is_writable) {
            let len = buffer.len.min(FRAME_MAX);
            frame.extend(load(sys, context, buffer.gpa, 0, len).await?);
        }
        // `virtio-net header incorrect`
        let frame = frame.get(HEADER..).ok_or(Errno::EINVAL)?;
        if let Some(tap) = context.taps.get(card) {
            // A cable that is not plugged in takes everything.
            let _ = sys.write(*tap, frame).await;
        }
        interrupts |= device.push(sys, context, queue, &[(head, 0)]).await?;
    }
    Ok(interrupts)
}

/// A frame has come in (`virtio_net_receive`): `None` when the driver has given no buffer for it, else whether the guest is
/// to be interrupted.
///
/// # Errors
/// A call failed, or the driver named what is not there.
pub async fn receive(sys: &Sys, context: &Context, device: &mut Virtio, frame: &[u8]) -> Result<Option<bool>, Errno> {
    let mut bytes = vec![0; HEADER];
    bytes.extend(frame);
    let (mut rest, mut done, mut first) = (bytes.as_slice(), Vec::new(), None);
    // A frame may be in several buffers (VIRTIO_NET_F_MRG_RXBUF), all of which the driver gets together.
    while !rest.is_empty() {
        let Some((head, buffers)) = device.pop(sys, context, RECEIVE).await? else {
            device.unpop(RECEIVE, done.len());
            return Ok(None);
        };
        let before = rest.len();
        for Buffer { gpa, len, .. } in buffers.iter().filter(|buffer| buffer.is_writable) {
            first.get_or_insert(*gpa);
            let (now, later) = rest.split_at((*len).min(rest.len()));
            store(sys, context, *gpa, 0, now).await?;
            rest = later;
        }
        if rest.len() == before {
            // `virtio-net unexpected empty queue`
            return Err(Errno::EINVAL);
        }
        done.push((head, (before - rest.len()) as u32));
    }
    store(sys, context, first.unwrap_or(0), NUM_BUFFERS, &(done.len() as u16).to_le_bytes()).await?;
    device.push(sys, context, RECEIVE, &done).await.map(Some)
}
