//! TAP devices: an Ethernet card whose cable is an open file (`drivers/net/tun.c`, Documentation/networking/tuntap.rst).
//!
//! `TUNSETIFF` joins an open `/dev/net/tun` with a device, which it makes if there is none of that name. What the kernel
//! sends through the device can be read from the file, frame by frame; what is written to the file comes in at the device.
//! A device that is persistent stays without a file, then without a carrier. Devices of layer 3 (`IFF_TUN`) are not modelled.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::device::{DeviceKind, NAME_MAX, NetDevId, is_valid_name};
use super::packet::Frame;
use super::softnet::InFlight;
use crate::errno::Errno;
use crate::event::EventKind;
use crate::id;
use crate::kernel::Kernel;
use crate::namespace::net::NetNsId;
use crate::security::capability::Cap;
use crate::security::credentials::{Kgid, Kuid};
use crate::syscall::{Ret, Sleep, Stop, SysResult, Value};
use crate::task::TaskId;
use crate::task::sched::Wait;

id! {
    /// An open file of `/dev/net/tun`.
    TunFileId
}

/// An open file of `/dev/net/tun` (`struct tun_file`).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TunFile {
    /// The network namespace of whoever opened it, in which devices are looked for.
    pub net: NetNsId,
    /// The device that it is the cable of.
    pub dev: Option<NetDevId>,
    /// Frames that have not been read.
    queue: VecDeque<Frame>,
}

/// What a TAP device knows beside what every device knows (`struct tun_struct`).
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Tap {
    /// Who may join a file with it (`TUNSETOWNER`).
    pub owner: Option<Kuid>,
    /// Which group may (`TUNSETGROUP`).
    pub group: Option<Kgid>,
    /// It stays when its file is closed (`TUNSETPERSIST`).
    pub is_persistent: bool,
    /// `IFF_NO_PI` and `IFF_VNET_HDR`, as its file has them or the last one had.
    pub flags: u32,
    /// The file.
    pub file: Option<TunFileId>,
}

/// Flags of `TUNSETIFF`.
pub mod tun_flags {
    /// A device of layer 3.
    pub const TUN: u32 = 1;
    /// An Ethernet device.
    pub const TAP: u32 = 2;
    /// Several files for one device.
    pub const MULTI_QUEUE: u32 = 0x100;
    /// It is persistent; only in sysfs.
    pub const PERSIST: u32 = 0x800;
    /// No flags and protocol before each frame.
    pub const NO_PI: u32 = 0x1000;
    /// A header of virtio before each frame.
    pub const VNET_HDR: u32 = 0x4000;
    /// The device must not be there yet.
    pub const TUN_EXCL: u32 = 0x8000;
}

/// Requests of ioctl(2).
pub const TUNSETIFF: i64 = 0x4004_54ca;
/// See [`TUNSETIFF`].
pub const TUNSETPERSIST: i64 = 0x4004_54cb;
/// See [`TUNSETIFF`].
pub const TUNSETOWNER: i64 = 0x4004_54cc;
/// See [`TUNSETIFF`].
pub const TUNSETGROUP: i64 = 0x4004_54ce;
/// See [`TUNSETIFF`].
pub const TUNGETFEATURES: i64 = 0x8004_54cf;
/// See [`TUNSETIFF`].
pub const TUNGETIFF: i64 = 0x8004_54d2;

/// Bytes of flags and protocol (`sizeof(struct tun_pi)`).
const PI_SIZE: usize = 4;
/// Bytes of the header of virtio (`sizeof(struct virtio_net_hdr)`).
const VNET_HDR_SIZE: usize = 10;

impl Tap {
    /// What `tun_flags` in sysfs shows.
    pub fn sysfs_flags(&self) -> u32 {
        tun_flags::TAP | self.flags | if self.is_persistent { tun_flags::PERSIST } else { 0 }
    }

    /// Four bytes with flags and protocol stand before each frame (no `IFF_NO_PI`).
    fn has_packet_information(&self) -> bool {
        self.flags & tun_flags::NO_PI == 0
    }

    /// A header of virtio stands before each frame (`IFF_VNET_HDR`).
    fn has_virtio_header(&self) -> bool {
        self.flags & tun_flags::VNET_HDR != 0
    }

    /// How many bytes stand before each frame.
    fn header(&self) -> usize {
        (if self.has_packet_information() { PI_SIZE } else { 0 })
            + if self.has_virtio_header() { VNET_HDR_SIZE } else { 0 }
    }
}

fn record(name: &str, flags: u32) -> Value {
    Value::record([("ifr_name", name.into()), ("ifr_flags", flags.into())])
}

impl Kernel<'_> {
    /// `tun_chr_open`.
    pub(crate) fn open_tun(&mut self, task: TaskId) -> TunFileId {
        let net = self.tasks[task].nsproxy.net;
        self.taps.add(TunFile { net, dev: None, queue: VecDeque::new() })
    }

    /// The last descriptor is closed: a device that is not persistent goes with it (`__tun_detach`).
    pub(crate) fn close_tun(&mut self, id: TunFileId) {
        let Some(dev) = self.taps.remove(id).and_then(|file| file.dev) else { return };
        let before = self.carriers_around(dev);
        let Some(tap) = self.net_devices.get_mut(dev).and_then(|d| d.tap_mut()) else { return };
        tap.file = None;
        if tap.is_persistent { self.carriers_changed(&before) } else { self.unregister_device(dev) }
    }

    /// A device has gone: its file is left without one.
    pub(crate) fn forget_tap(&mut self, dev: NetDevId) {
        let files: Vec<TunFileId> = self.taps.iter().filter(|(_, f)| f.dev == Some(dev)).map(|(id, _)| id).collect();
        for id in files {
            self.taps[id].dev = None;
            self.taps[id].queue.clear();
            self.wake_all(Wait::Tun(id));
        }
    }

    /// ioctl(2) (`__tun_chr_ioctl`).
    pub(crate) fn tun_ioctl(&mut self, task: TaskId, id: TunFileId, request: i64, argument: &Value) -> SysResult {
        use tun_flags::{MULTI_QUEUE, NO_PI, TAP, TUN, VNET_HDR};
        if request == TUNGETFEATURES {
            let all = TUN | TAP | MULTI_QUEUE | NO_PI | VNET_HDR;
            return Ok(Ret::new(0).with(2, all.into()));
        }
        let joined = self.taps[id].dev;
        if request == TUNSETIFF {
            if joined.is_some() {
                return Err(Errno::EEXIST.into());
            }
            return self.tun_set_iff(task, id, argument);
        }
        let dev = joined.ok_or(Errno::EBADFD)?;
        let number = argument.as_int().unwrap_or(0) as u32;
        let user_ns = self.tasks[task].cred.user_ns;
        if request == TUNGETIFF {
            let device = &self.net_devices[dev];
            let flags = device.tap().map_or(0, Tap::sysfs_flags);
            return Ok(Ret::new(0).with(2, record(&device.name, flags)));
        }
        let owner = (number != u32::MAX).then(|| self.user_namespaces[user_ns].kuid(number));
        let group = (number != u32::MAX).then(|| self.user_namespaces[user_ns].kgid(number));
        let Some(tap) = self.net_devices[dev].tap_mut() else { return Err(Errno::EBADFD.into()) };
        match request {
            TUNSETPERSIST => tap.is_persistent = number != 0,
            TUNSETOWNER => tap.owner = owner.flatten(),
            TUNSETGROUP => tap.group = group.flatten(),
            _ => return Err(Errno::EINVAL.into()),
        }
        Ok(Ret::new(0))
    }

    /// `tun_set_iff`.
    fn tun_set_iff(&mut self, task: TaskId, id: TunFileId, argument: &Value) -> SysResult {
        let text = argument.field("ifr_name").and_then(Value::as_str).unwrap_or_default();
        let wanted: String = text.chars().take(NAME_MAX).collect();
        let flags = argument.field("ifr_flags").and_then(Value::as_int).unwrap_or(0) as u32;
        let net = self.taps[id].net;
        let dev = match self.device_named(net, &wanted) {
            Some(dev) => {
                self.may_join_tap(task, dev, flags)?;
                dev
            }
            None => {
                let user_ns = self.net_namespaces[net].ns.owner;
                if !self.capable_in(task, user_ns, Cap::NET_ADMIN) {
                    return Err(Errno::EPERM.into());
                }
                if flags & tun_flags::TUN != 0 {
                    self.emit(EventKind::NotModelled { what: "tunnel devices of layer 3 (IFF_TUN)".into() });
                    return Err(Errno::EINVAL.into());
                }
                if flags & tun_flags::TAP == 0 {
                    return Err(Errno::EINVAL.into());
                }
                let name = match wanted.strip_suffix("%d") {
                    Some(prefix) => self.free_device_name(net, prefix),
                    None if wanted.is_empty() => self.free_device_name(net, "tap"),
                    None => wanted,
                };
                if !is_valid_name(&name) {
                    return Err(Errno::EINVAL.into());
                }
                let made = self.register_device(net, &name, None, DeviceKind::Tap(Tap::default()), None)?;
                self.world.init_device_settings(made);
                made
            }
        };
        let before = self.carriers_around(dev);
        let kept = flags & (tun_flags::NO_PI | tun_flags::VNET_HDR);
        if let Some(tap) = self.net_devices[dev].tap_mut() {
            tap.file = Some(id);
            tap.flags = kept;
        }
        self.taps[id].dev = Some(dev);
        self.carriers_changed(&before);
        let name = self.net_devices[dev].name.clone();
        Ok(Ret::new(0).with(2, record(&name, flags)))
    }

    /// Whether a file may be joined with a device that is there (`tun_not_capable`, `tun_attach`).
    fn may_join_tap(&mut self, task: TaskId, dev: NetDevId, flags: u32) -> Result<(), Errno> {
        if flags & tun_flags::TUN_EXCL != 0 {
            return Err(Errno::EBUSY);
        }
        let device = &self.net_devices[dev];
        let net = device.net;
        let Some(tap) = device.tap().filter(|_| flags & tun_flags::TAP != 0).cloned() else {
            return Err(Errno::EINVAL);
        };
        let cred = &self.tasks[task].cred;
        let is_other = tap.owner.is_some_and(|owner| owner != cred.euid)
            || tap.group.is_some_and(|group| group != cred.egid && !cred.groups.contains(&group));
        let user_ns = self.net_namespaces[net].ns.owner;
        if is_other && !self.capable_in(task, user_ns, Cap::NET_ADMIN) {
            return Err(Errno::EPERM);
        }
        if tap.file.is_some() { Err(Errno::EBUSY) } else { Ok(()) }
    }

    /// The kernel sends a frame through the device (`tun_net_xmit`).
    pub(crate) fn tap_xmit(&mut self, dev: NetDevId, file: Option<TunFileId>, frame: Frame) {
        let room = self.net_devices[dev].tx_queue_len as usize;
        let Some(id) = file.filter(|id| self.taps.get(*id).is_some_and(|f| f.queue.len() < room)) else {
            self.net_devices[dev].sent.dropped += 1;
            let why = if file.is_some() { "its queue is full: nobody reads" } else { "no program has its file open" };
            return self.drop_frame(Some(dev), &frame, why);
        };
        self.taps[id].queue.push_back(frame);
        self.wake_all(Wait::Tun(id));
    }

    /// read(2): one frame (`tun_do_read`). What does not fit is cut off.
    pub(crate) fn tun_read(&mut self, id: TunFileId, count: usize, nonblock: bool) -> Result<Vec<u8>, Stop> {
        let dev = self.taps[id].dev.ok_or(Errno::EBADFD)?;
        let Some(frame) = self.taps[id].queue.pop_front() else {
            return if nonblock { Err(Errno::EAGAIN.into()) } else { Err(Sleep::on(Wait::Tun(id))) };
        };
        let frame = frame.to_bytes();
        let tap = self.net_devices[dev].tap().ok_or(Errno::EBADFD)?;
        let mut bytes = Vec::new();
        if tap.has_packet_information() {
            bytes.extend([0, 0, frame[12], frame[13]]);
        }
        if tap.has_virtio_header() {
            bytes.extend([0; VNET_HDR_SIZE]);
        }
        bytes.extend(frame);
        bytes.truncate(count);
        Ok(bytes)
    }

    /// write(2): a frame comes in at the device (`tun_get_user`).
    pub(crate) fn tun_write(&mut self, id: TunFileId, bytes: &[u8]) -> Result<usize, Stop> {
        let dev = self.taps[id].dev.ok_or(Errno::EBADFD)?;
        let header = self.net_devices[dev].tap().map_or(0, Tap::header);
        if !self.net_devices[dev].is_up() {
            return Err(Errno::EIO.into());
        }
        let frame = bytes.get(header..).filter(|rest| rest.len() >= super::packet::ETH_HEADER).ok_or(Errno::EINVAL)?;
        match Frame::from_bytes(frame) {
            Some(frame) => {
                let frame = frame.numbered(|| self.next_packet_id());
                self.backlog.push_back(InFlight { at: dev, frame });
                self.net_rx_action();
            }
            // A protocol that nobody here speaks ends in no handler.
            None => self.net_devices[dev].received.dropped += 1,
        }
        Ok(bytes.len())
    }

    /// Whether there is something to read.
    pub(crate) fn tun_is_readable(&self, id: TunFileId) -> bool {
        self.taps.get(id).is_some_and(|file| !file.queue.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::{TUNSETIFF, record, tun_flags};
    use crate::kernel::Trace;
    use crate::program::libc::{AT_FDCWD, o};
    use crate::pv_ops::NoMachine;
    use crate::session::Session;
    use crate::step::Running;
    use crate::syscall::{Call, Sysno};
    use crate::task::TaskId;
    use crate::testing::world_after;
    use crate::world::Config;

    #[test]
    fn whoever_joins_a_file_with_a_device_leaves_its_settings() {
        let world = world_after(&[
            "mkdir -p /dev/net; mknod /dev/net/tun c 10 200; ip tuntap add dev tap0 mode tap",
            "cd /proc/sys/net/ipv4/conf; echo 0 > default/proxy_arp; echo 1 > tap0/proxy_arp",
        ]);
        let (mut running, shell) = (Running::new(world, NoMachine), TaskId(2));
        let mut call = |nr, args| running.call_as(shell, Call { nr, args }, &mut Trace::new()).expect("no sleep");
        let mut open = |path: &str| {
            let args = vec![AT_FDCWD.into(), path.into(), o::RDWR.into(), 0.into()];
            call(Sysno::OPENAT, args).expect("opens").value
        };
        let (tun, setting) = (open("/dev/net/tun"), open("/proc/sys/net/ipv4/conf/tap0/proxy_arp"));
        let request = record("tap0", tun_flags::TAP | tun_flags::NO_PI);
        assert!(call(Sysno::IOCTL, vec![tun.into(), TUNSETIFF.into(), request]).is_ok());
        let read = call(Sysno::READ, vec![setting.into(), crate::syscall::Value::Null, 16.into()]).expect("reads");
        assert_eq!(read.output(1).as_bytes(), Some(&b"1\n"[..]));
    }

    #[test]
    fn a_tap_device_has_a_carrier_only_while_a_program_has_its_file_open() {
        let mut s = Session::new(Config::default());
        s.line("mkdir -p /dev/net; mknod /dev/net/tun c 10 200");
        assert_eq!(s.line("ip tuntap add dev tap0 mode tap; ip link set tap0 up"), "");
        assert_eq!(
            s.line("ip link show tap0 | head -n 1"),
            "2: tap0: <NO-CARRIER,BROADCAST,MULTICAST,UP> mtu 1500 qdisc pfifo_fast state DOWN mode DEFAULT group default \
             qlen 1000\n"
        );
        assert_eq!(s.line("ip tuntap"), "tap0: tap persist\n");
        assert_eq!(s.line("ip tuntap del dev tap0 mode tap; ip tuntap"), "");
        assert_eq!(
            s.line("ip link add tap7 type tun"),
            "Error: tun/tap creation via rtnetlink is not supported.\n[exit 2]\n"
        );
    }

    #[test]
    fn a_file_that_was_joined_with_no_device_is_in_a_bad_state() {
        let mut s = Session::new(Config::default());
        s.line("mkdir -p /dev/net; mknod /dev/net/tun c 10 200");
        assert_eq!(s.line("cat /dev/net/tun"), "cat: /dev/net/tun: File descriptor in bad state\n[exit 1]\n");
    }
}
