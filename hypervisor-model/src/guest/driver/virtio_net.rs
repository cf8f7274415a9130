//! The driver of a virtio network card (`drivers/net/virtio_net.c`): buffers wait in one queue, frames go out by another, and
//! a doorbell is the only register that is touched.

use kernel_model::machine::Port;
use kernel_model::machine::interrupt::Interrupt;
use kernel_model::net::mac::Mac;
use kernel_model::net::packet::Frame;
use kernel_model::program::qemu::device::virtio::registers::{DESCRIPTORS, DEVICE_CONFIG, NET_FEATURES, NOTIFY};

use super::virtqueue::{Buffer, Virtqueue};
use super::{Access, Done, Steps, Then, virtio_pci};
use crate::guest::memory::GuestMemory;

/// The queue of what comes in.
const RECEIVE: u16 = 0;
/// The queue of what goes out.
const TRANSMIT: u16 = 1;
/// `sizeof(struct virtio_net_hdr_mrg_rxbuf)`.
const HEADER: u64 = 12;
/// Buffers that wait for frames; the driver has as many as the queue holds, each of a page or less.
const BUFFERS: u64 = 64;
/// Bytes of a buffer: a frame of the mtu of Ethernet and its header.
const BUFFER: u64 = 2048;
/// Frames that can be on their way out.
const SENDING: u64 = 16;
/// What a frame of a loopback or a jumbo packet may have: a packet that is longer than the mtu travels as one here.
const SEND_BUFFER: u64 = 0x1_1000;
/// Where in the header it says in how many.
const NUM_BUFFERS: u64 = 10;
/// What a driver takes of the guest's memory: rings, buffers, and frames on their way out.
pub const MEMORY: u64 = 4 << 20;

/// A virtio network card.
#[derive(Clone, PartialEq, Debug)]
pub struct VirtioNet {
    base: u64,
    gpa: u64,
    receive: Virtqueue,
    transmit: Virtqueue,
    /// Which network card of the guest it is.
    number: u32,
    mac: [u8; 6],
    /// The next place for a frame on its way out.
    next: u64,
    /// The buffer that the next frame will be in.
    filled: u64,
}

impl VirtioNet {
    /// A card that was found: the first steps of its driver (`virtnet_probe`).
    pub fn found((number, device): (u32, u32), base: u64, gpa: u64, steps: &mut Steps) -> VirtioNet {
        virtio_pci::begin(base, NET_FEATURES, steps);
        let (receive, transmit) = (Virtqueue::at(gpa, DESCRIPTORS), Virtqueue::at(gpa + 0x3000, DESCRIPTORS));
        for byte in 0..6u8 {
            let register = base + DEVICE_CONFIG + u64::from(byte);
            steps.push(Access::Read(register, 1), Then::VirtioMac(device, byte));
        }
        virtio_pci::finish(base, &[receive, transmit], steps);
        VirtioNet { base, gpa, receive, transmit, number, mac: [0; 6], next: 0, filled: 0 }
    }

    /// Where its frames go.
    pub fn port(&self) -> Port {
        Port(200 + self.number)
    }

    fn buffer(&self, number: u64) -> u64 {
        self.gpa + 0x6000 + number % BUFFERS * BUFFER
    }

    /// A byte of its address is known; with the last one it is given buffers, and the kernel hears of it.
    pub fn mac(&mut self, byte: u8, value: u8, steps: &mut Steps, memory: &mut GuestMemory<'_>, done: &mut Vec<Done>) {
        self.mac[usize::from(byte % 6)] = value;
        if byte == 5 {
            // `try_fill_recv`
            for number in 0..BUFFERS {
                let buffer = Buffer { gpa: self.buffer(number), len: BUFFER as u32, device_writes: true };
                self.receive.add(&[buffer], memory);
            }
            // Once the device is ready it is told.
            steps.push(Access::Write(self.base + NOTIFY, 2, RECEIVE.into()), Then::Nothing);
            let (name, mac) = (format!("eth{}", self.number), Mac(self.mac));
            let device = Interrupt::NetDevice { name, mac, driver: "virtio_net", port: self.port() };
            done.push(Done::Interrupt(device));
        }
    }

    /// `start_xmit`: the frame behind its header, and a doorbell if the device wants one.
    pub fn transmit(&mut self, frame: &Frame, steps: &mut Steps, memory: &mut GuestMemory<'_>) {
        // `free_old_xmit_skbs`: nobody asks for an interrupt when frames are gone.
        self.transmit.forget_used(memory);
        let at = self.gpa + 0x6000 + BUFFERS * BUFFER + self.next % SENDING * SEND_BUFFER;
        self.next += 1;
        let mut bytes = vec![0; HEADER as usize];
        bytes.extend(frame.to_bytes());
        memory.write(at, &bytes);
        self.transmit.add(&[Buffer { gpa: at, len: bytes.len() as u32, device_writes: false }], memory);
        if self.transmit.needs_kick(memory) {
            virtio_pci::notify(self.base, TRANSMIT, steps);
        }
    }

    /// `skb_recv_done`, `virtnet_poll`: frames that have come in go to the kernel, and their buffers back to the device.
    pub fn interrupt(&mut self, queue: u16, steps: &mut Steps, memory: &mut GuestMemory<'_>, done: &mut Vec<Done>) {
        if queue == TRANSMIT {
            return;
        }
        let mut lengths = self.receive.used_lengths(memory).into_iter();
        while let Some(len) = lengths.next() {
            let more = memory.read_u16(self.buffer(self.filled) + NUM_BUFFERS).saturating_sub(1);
            let mut bytes = self.take_buffer(len, memory);
            for len in lengths.by_ref().take(more.into()) {
                bytes.extend(self.take_buffer(len, memory));
            }
            if let Some(frame) = bytes.get(HEADER as usize..).and_then(Frame::from_bytes) {
                done.push(Done::Interrupt(Interrupt::Frame(self.port(), frame)));
            }
        }
        if self.receive.needs_kick(memory) {
            virtio_pci::notify(self.base, RECEIVE, steps);
        }
    }
    /// What the device has written into the next buffer, which it gets back.
    fn take_buffer(&mut self, len: u32, memory: &mut GuestMemory<'_>) -> Vec<u8> {
        let gpa = self.buffer(self.filled);
        self.filled += 1;
        let bytes = memory.read(gpa, u64::from(len).min(BUFFER) as usize);
        self.receive.add(&[Buffer { gpa, len: BUFFER as u32, device_writes: true }], memory);
        bytes
    }
}
