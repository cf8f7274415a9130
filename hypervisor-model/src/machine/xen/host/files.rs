//! The nodes below `/dev/xen`. Source: Linux 6.1, `drivers/xen/privcmd.c`, `evtchn.c`, `xenbus/xenbus_dev_frontend.c`;
//! `include/uapi/xen/privcmd.h`, `evtchn.h`.
//!
//! `console` is not Linux's: it stands for the pseudo-terminals that xenconsoled has for guests' consoles. A read or a write of
//! it is for the domain that was chosen by [`CONSOLE_ATTACH`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use kernel_model::errno::Errno;
use kernel_model::machine::device::{DeviceAnswer, DeviceCall, DeviceNode, DeviceOp};
use kernel_model::machine::interrupt::Interrupt;
use kernel_model::syscall::Value;

use super::XenHost;
use crate::xen::call::{EventChannelOp as Op, Hypercall, Output};
use crate::xen::domain::DomId;
use crate::xen::xenstore::wire::{Message, MessageType};

/// The nodes.
pub(super) const NODES: &[DeviceNode] = &[
    DeviceNode { name: "xen/evtchn", dev: (10, 120), mode: 0o600 },
    DeviceNode { name: "xen/privcmd", dev: (10, 121), mode: 0o600 },
    DeviceNode { name: "xen/xenbus", dev: (10, 122), mode: 0o600 },
    DeviceNode { name: "xen/console", dev: (10, 123), mode: 0o600 },
];

/// `IOCTL_PRIVCMD_HYPERCALL`.
const PRIVCMD_HYPERCALL: u64 = 0x0030_5000;
/// `IOCTL_EVTCHN_BIND_VIRQ`, `_BIND_INTERDOMAIN`, `_BIND_UNBOUND_PORT`, `_UNBIND`, `_NOTIFY`.
const EVTCHN_BIND_VIRQ: u64 = 0x0004_4500;
const EVTCHN_BIND_INTERDOMAIN: u64 = 0x0008_4501;
const EVTCHN_BIND_UNBOUND_PORT: u64 = 0x0004_4502;
const EVTCHN_UNBIND: u64 = 0x0004_4503;
const EVTCHN_NOTIFY: u64 = 0x0004_4504;
/// Chooses the domain of a console.
pub const CONSOLE_ATTACH: u64 = 0x0004_4301;
const POLLIN: i64 = 1;
const POLLOUT: i64 = 4;

/// An open file.
#[derive(Clone, PartialEq, Debug)]
enum File {
    Privcmd,
    /// Ports that are bound here, and those that are pending.
    Evtchn(BTreeSet<u32>, VecDeque<u32>),
    /// Bytes of a message that is not complete, and what can be read.
    Xenbus(Vec<u8>, VecDeque<u8>),
    Console(Option<DomId>),
}

/// All open files.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Files {
    open: BTreeMap<u64, File>,
    last: u64,
}

impl Files {
    /// A port of domain 0 is pending: it may be one of a program's.
    pub fn event(&mut self, port: u32, interrupts: &mut Vec<Interrupt>) {
        for (handle, file) in &mut self.open {
            if let File::Evtchn(ports, pending) = file
                && ports.contains(&port)
            {
                pending.push_back(port);
                interrupts.push(Interrupt::Answer(*handle));
            }
        }
    }

    /// Whoever reads a domain's console is woken.
    pub fn wake_console(&self, domain: DomId, interrupts: &mut Vec<Interrupt>) {
        let of = self.open.iter().filter(|(_, file)| **file == File::Console(Some(domain)));
        interrupts.extend(of.map(|(handle, _)| Interrupt::Answer(*handle)));
    }

    /// Messages that nobody asked for: a watch has fired.
    fn deliver(&mut self, handle: u64, message: &Message) -> bool {
        if let Some(File::Xenbus(_, out)) = self.open.get_mut(&handle) {
            out.extend(message.to_bytes());
            return true;
        }
        false
    }
}

impl XenHost {
    /// A call to one of the nodes.
    pub(super) fn file_call(&mut self, call: DeviceCall<'_>) -> DeviceAnswer {
        if let DeviceOp::Open(dev) = call.op {
            return self.open_file(dev);
        }
        let Some(mut file) = self.files.open.remove(&call.handle) else { return DeviceAnswer::Failed(Errno::EBADF) };
        let answer = match &mut file {
            File::Privcmd => self.privcmd_call(call),
            File::Evtchn(ports, pending) => self.evtchn_call(call, ports, pending),
            File::Xenbus(partial, out) => self.xenbus_call(call, partial, out),
            File::Console(domain) => self.console_call(call, domain),
        };
        if call.op != DeviceOp::Close {
            self.files.open.insert(call.handle, file);
        }
        self.fire_watches();
        answer.unwrap_or_else(DeviceAnswer::Failed)
    }

    fn open_file(&mut self, dev: (u32, u32)) -> DeviceAnswer {
        let Some(node) = NODES.iter().find(|node| node.dev == dev) else { return DeviceAnswer::Failed(Errno::ENXIO) };
        let file = match node.name {
            "xen/privcmd" => File::Privcmd,
            "xen/evtchn" => File::Evtchn(BTreeSet::new(), VecDeque::new()),
            "xen/xenbus" => File::Xenbus(Vec::new(), VecDeque::new()),
            _ => File::Console(None),
        };
        self.files.last += 1;
        self.files.open.insert(self.files.last, file);
        DeviceAnswer::Opened(self.files.last, node.name.to_owned())
    }

    fn privcmd_call(&mut self, call: DeviceCall<'_>) -> Result<DeviceAnswer, Errno> {
        match call.op {
            DeviceOp::Ioctl(PRIVCMD_HYPERCALL, argument) => self.privcmd_hypercall(argument),
            DeviceOp::Ioctl(..) => Err(Errno::ENOTTY),
            DeviceOp::Close => Ok(DeviceAnswer::Done(0, None)),
            DeviceOp::Mmap(..) => Err(Errno::ENOSYS),
            _ => Err(Errno::EINVAL),
        }
    }

    fn evtchn_call(
        &mut self,
        call: DeviceCall<'_>,
        ports: &mut BTreeSet<u32>,
        pending: &mut VecDeque<u32>,
    ) -> Result<DeviceAnswer, Errno> {
        match call.op {
            DeviceOp::Ioctl(request, argument) => self.evtchn_ioctl(request, argument, ports, pending),
            DeviceOp::Read(count) if count < 4 => Err(Errno::EINVAL),
            DeviceOp::Read(_) if pending.is_empty() => Ok(DeviceAnswer::Sleep(call.handle, None)),
            DeviceOp::Read(count) => {
                let taken = pending.drain(..pending.len().min(count / 4));
                let bytes: Vec<u8> = taken.flat_map(u32::to_le_bytes).collect();
                Ok(DeviceAnswer::Done(bytes.len() as i64, Some(Value::bytes(bytes))))
            }
            // The program has handled these ports: they may come again. Nothing is masked meanwhile here.
            DeviceOp::Write(bytes) => Ok(DeviceAnswer::Done((bytes.len() / 4 * 4) as i64, None)),
            DeviceOp::Poll => {
                let readable = if pending.is_empty() { 0 } else { POLLIN };
                Ok(DeviceAnswer::Done(POLLOUT | readable, None))
            }
            DeviceOp::Close => {
                let all: Vec<u32> = ports.iter().copied().collect();
                self.with_host(|host| all.iter().for_each(|port| host.close(DomId::DOM0, *port)));
                Ok(DeviceAnswer::Done(0, None))
            }
            DeviceOp::Mmap(..) | DeviceOp::Open(_) => Err(Errno::EINVAL),
        }
    }

    fn evtchn_ioctl(
        &mut self,
        request: u64,
        argument: &Value,
        ports: &mut BTreeSet<u32>,
        pending: &mut VecDeque<u32>,
    ) -> Result<DeviceAnswer, Errno> {
        let field = |name: &str| argument.field(name).and_then(Value::as_int).unwrap_or(0);
        let op = match request {
            EVTCHN_BIND_VIRQ => Op::BindVirq { virq: field("virq") as u32, vcpu: 0 },
            EVTCHN_BIND_INTERDOMAIN => {
                let remote = DomId(field("remote_domain") as u16);
                Op::BindInterdomain { remote, port: field("remote_port") as u32 }
            }
            EVTCHN_BIND_UNBOUND_PORT => {
                Op::AllocUnbound { dom: DomId::SELF, remote: DomId(field("remote_domain") as u16) }
            }
            EVTCHN_UNBIND | EVTCHN_NOTIFY => {
                let port = field("port") as u32;
                if !ports.contains(&port) {
                    return Err(Errno::ENOTCONN);
                }
                if request == EVTCHN_NOTIFY {
                    self.with_host(|host| host.notify(DomId::DOM0, port));
                } else {
                    ports.remove(&port);
                    pending.retain(|known| *known != port);
                    self.with_host(|host| host.close(DomId::DOM0, port));
                }
                return Ok(DeviceAnswer::Done(0, None));
            }
            _ => return Err(Errno::ENOTTY),
        };
        let bound = self.with_host(|host| host.xen.hypercall(super::DOM0, Hypercall::EventChannelOp(op)));
        let port = match bound {
            Ok((_, Output::Port(port))) => port,
            Ok(_) => return Err(Errno::EINVAL),
            Err(refusal) => return Err(refusal.errno),
        };
        ports.insert(port);
        Ok(DeviceAnswer::Done(i64::from(port), None))
    }

    /// Messages to xenstored, and what it answers. Each file has its own watches: the token tells whose.
    fn xenbus_call(
        &mut self,
        call: DeviceCall<'_>,
        partial: &mut Vec<u8>,
        out: &mut VecDeque<u8>,
    ) -> Result<DeviceAnswer, Errno> {
        match call.op {
            DeviceOp::Write(bytes) => {
                partial.extend_from_slice(bytes);
                while let Some((message, length)) = Message::from_bytes(partial) {
                    partial.drain(..length);
                    out.extend(self.xenstored(call.handle, message).to_bytes());
                }
                Ok(DeviceAnswer::Done(bytes.len() as i64, None))
            }
            DeviceOp::Read(_) if out.is_empty() => Ok(DeviceAnswer::Sleep(call.handle, None)),
            DeviceOp::Read(count) => {
                let bytes: Vec<u8> = out.drain(..out.len().min(count)).collect();
                Ok(DeviceAnswer::Done(bytes.len() as i64, Some(Value::bytes(bytes))))
            }
            DeviceOp::Poll => Ok(DeviceAnswer::Done(POLLOUT | if out.is_empty() { 0 } else { POLLIN }, None)),
            DeviceOp::Close => {
                self.host.store.unwatch_all(&token(call.handle, ""));
                Ok(DeviceAnswer::Done(0, None))
            }
            DeviceOp::Ioctl(..) => Err(Errno::ENOTTY),
            DeviceOp::Mmap(..) | DeviceOp::Open(_) => Err(Errno::EINVAL),
        }
    }

    /// xenstored answers a message of a program of domain 0.
    fn xenstored(&mut self, handle: u64, mut message: Message) -> Message {
        let kind = message.kind;
        if matches!(kind, MessageType::Watch | MessageType::Unwatch) {
            // Path, then token: the file is put before it.
            let text = String::from_utf8_lossy(&message.payload).into_owned();
            let mut parts = text.split('\0');
            let (path, own) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            message.payload = format!("{path}\0{}\0", token(handle, own)).into_bytes();
        }
        let answer = self.host.store.answer(DomId::DOM0, &message);
        if answer.kind != MessageType::Error {
            match kind {
                MessageType::Introduce => self.introduced(&message.payload),
                MessageType::Release => self.released(&message.payload),
                _ => {}
            }
        }
        if message.tx_id == 0 || kind == MessageType::TransactionEnd {
            self.store_changed();
        }
        answer
    }

    /// Watches that have fired are written to the files that set them.
    pub(super) fn fire_watches(&mut self) {
        for event in self.host.store.take_events(DomId::DOM0) {
            let Some((handle, own)) = event.token.split_once(':') else { continue };
            let Ok(handle) = handle.parse() else { continue };
            let payload = format!("{}\0{own}\0", event.path).into_bytes();
            let message = Message { kind: MessageType::WatchEvent, req_id: 0, tx_id: 0, payload };
            if self.files.deliver(handle, &message) {
                self.interrupts.push(Interrupt::Answer(handle));
            }
        }
    }

    fn console_call(&mut self, call: DeviceCall<'_>, domain: &mut Option<DomId>) -> Result<DeviceAnswer, Errno> {
        if let DeviceOp::Ioctl(request, argument) = call.op {
            if request != CONSOLE_ATTACH {
                return Err(Errno::ENOTTY);
            }
            let wanted = DomId(argument.as_int().unwrap_or(-1) as u16);
            *domain = self.daemons.has_console(wanted).then_some(wanted);
            return domain.map(|_| DeviceAnswer::Done(0, None)).ok_or(Errno::ENXIO);
        }
        let Some(domain) = *domain else {
            return if call.op == DeviceOp::Close { Ok(DeviceAnswer::Done(0, None)) } else { Err(Errno::ENXIO) };
        };
        match call.op {
            DeviceOp::Read(count) => match self.daemons.read_console(domain, count) {
                None => Ok(DeviceAnswer::Done(0, Some(Value::bytes([])))),
                Some(bytes) if bytes.is_empty() => Ok(DeviceAnswer::Sleep(call.handle, None)),
                Some(bytes) => Ok(DeviceAnswer::Done(bytes.len() as i64, Some(Value::bytes(bytes)))),
            },
            DeviceOp::Write(bytes) => {
                self.type_at_console(domain, bytes);
                Ok(DeviceAnswer::Done(bytes.len() as i64, None))
            }
            DeviceOp::Poll => {
                let readable = if self.daemons.is_console_readable(domain) { POLLIN } else { 0 };
                Ok(DeviceAnswer::Done(POLLOUT | readable, None))
            }
            DeviceOp::Close => Ok(DeviceAnswer::Done(0, None)),
            _ => Err(Errno::EINVAL),
        }
    }
}

/// The token of a watch of a file.
fn token(handle: u64, own: &str) -> String {
    format!("{handle}:{own}")
}
