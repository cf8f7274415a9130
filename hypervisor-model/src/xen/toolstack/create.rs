//! `xl create`: a domain is made, built, wired and started. Source: Xen 4.17, `tools/libs/light/libxl_create.c`,
//! `libxl_dom.c`, `libxl_device.c`, `libxl_disk.c`, `libxl_nic.c`, `libxl_console.c`; what they write is as recorded.

use super::config::{DiskConfig, DomainConfig, VifConfig, disk_number};
use super::{Card, DaemonEnds, Disk, XenSystem};
use crate::memory::Hfn;
use crate::xen::call::EventChannelOp as Op;
use crate::xen::domain::{DomId, GuestKind, StartInfo, VcpuId};
use crate::xen::domctl::Domctl;
use crate::xen::driver::blkback::{BlkBack, MemoryDisk};
use crate::xen::driver::blkfront::BlkFront;
use crate::xen::driver::netback::NetBack;
use crate::xen::driver::netfront::NetFront;
use crate::xen::grant_table::map::{GNTMAP_APPLICATION_MAP, GNTMAP_HOST_MAP, MapGrantRef};
use crate::xen::io::xenbus::{DeviceId, DeviceKind};
use crate::xen::xenstore::Asker;
use crate::xen::xenstore::permission::{Permissions, Right};

const DOM0: VcpuId = VcpuId::first(DomId::DOM0);
/// Pages of a grant table that Xen gives a new domain before it asks.
const MAX_GRANT_FRAMES: u32 = 64;
/// Sectors of the disk behind `/dev/loop0` of the recorded machine.
const DISK_SECTORS: u64 = 8192;

/// Why a domain could not be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CreateError {
    /// Another one has the name.
    NameInUse(DomId),
    /// There is not so much memory.
    NoMemory,
    /// HVM guests are not run by this model's toolstack.
    NotModelled(String),
    /// A disk of a name that is none.
    BadDisk(String),
}

impl XenSystem {
    /// Makes and starts a domain.
    ///
    /// # Errors
    /// See [`CreateError`]. Nothing is left behind.
    pub fn create(&mut self, config: &DomainConfig) -> Result<DomId, CreateError> {
        if let Some(other) = self.find(&config.name) {
            return Err(CreateError::NameInUse(other));
        }
        if config.kind != "pv" {
            return Err(CreateError::NotModelled(config.kind.clone()));
        }
        if let Some(wrong) = config.disks.iter().find(|disk| disk_number(&disk.vdev).is_none()) {
            return Err(CreateError::BadDisk(wrong.vdev.clone()));
        }
        let frames = config.memory << 8;
        if self.host.xen.memory.free_frames() < frames {
            return Err(CreateError::NoMemory);
        }
        let id = self.make(config)?;
        self.build(id, config, frames);
        self.wire(id, config);
        let _unpaused = self.host.xen.domctl(DOM0, Domctl::Unpause(id));
        self.start_kernel(id);
        self.configs.insert(id, config.clone());
        Ok(id)
    }

    /// `libxl__domain_make`: the domain, its place in the store.
    fn make(&mut self, config: &DomainConfig) -> Result<DomId, CreateError> {
        let mut handle = [0; 16];
        let name = config.name.bytes().chain(std::iter::repeat(0));
        handle.iter_mut().zip(name).for_each(|(to, from)| *to = from);
        let create = Domctl::Create {
            kind: GuestKind::Pv64,
            vcpus: config.vcpus.max(1),
            handle,
            max_port: crate::xen::event_channel::DEFAULT_MAX_PORT,
            max_grant_frames: MAX_GRANT_FRAMES,
        };
        let (id, _) = self.host.xen.domctl(DOM0, create).map_err(|_| CreateError::NoMemory)?;
        let id = DomId(id as u16);
        let at = format!("/local/domain/{}", id.0);
        self.own(&at, Permissions::of(DomId::DOM0).with(Right::Read, id));
        self.put(&format!("{at}/name"), &config.name);
        for writable in ["control", "data", "device/suspend/event-channel"] {
            self.own(&format!("{at}/{writable}"), Permissions::of(id));
        }
        self.put(&format!("{at}/domid"), &id.0.to_string());
        Ok(id)
    }

    /// `libxl__build_pre`, `libxl__build_pv`: memory, the rings to the daemons, the first registers.
    fn build(&mut self, id: DomId, config: &DomainConfig, frames: u64) {
        let _limited = self.host.xen.domctl(DOM0, Domctl::MaxMem(id, frames * 4));
        let allocate = Op::AllocUnbound { dom: id, remote: DomId::DOM0 };
        let store_port = self.host.port(DomId::DOM0, allocate).unwrap_or_default();
        let console_port = self.host.port(DomId::DOM0, allocate).unwrap_or_default();
        self.populate(id, frames);
        let store_mfn = self.host.take_frame(id).unwrap_or_default();
        let console_mfn = self.host.take_frame(id).unwrap_or_default();
        let shared_info = self.host.take_frame(id);
        if let Some(d) = self.host.xen.domain_mut(id) {
            d.shared_info = shared_info;
            d.start_info = StartInfo {
                magic: "xen-3.0-x86_64".to_owned(),
                nr_pages: frames,
                shared_info: shared_info.unwrap_or_default().address().0,
                store_mfn,
                store_evtchn: store_port,
                console_mfn,
                console_evtchn: console_port,
                cmd_line: config.extra.clone(),
                ..StartInfo::default()
            };
            // `xc_dom_gnttab_seed`: the two reserved entries.
            d.grants.grant_access(0, DomId::DOM0, console_mfn, false);
            d.grants.grant_access(1, DomId::DOM0, store_mfn, false);
        }
        for vcpu in 0..config.vcpus.max(1) {
            let _ready = self.host.xen.domctl(DOM0, Domctl::SetVcpuContext(id, vcpu));
        }
        let store = (self.bind(id, store_port), self.gntdev_map(id, 1));
        let at = format!("/local/domain/{}", id.0);
        for (name, value) in [
            ("memory/static-max", (frames * 4).to_string()),
            ("memory/target", (frames * 4).to_string()),
            ("store/port", store_port.to_string()),
            ("store/ring-ref", store_mfn.0.to_string()),
        ] {
            self.put(&format!("{at}/{name}"), &value);
        }
        for vcpu in 0..config.vcpus.max(1) {
            self.put(&format!("{at}/cpu/{vcpu}/availability"), "online");
        }
        self.host.store.introduce(id);
        let console = (self.bind(id, console_port), self.gntdev_map(id, 0));
        self.daemons.insert(id, DaemonEnds { store, console });
        self.console_nodes(id, console_port, console_mfn);
    }

    fn bind(&mut self, id: DomId, port: u32) -> u32 {
        self.host.port(DomId::DOM0, Op::BindInterdomain { remote: id, port }).unwrap_or_default()
    }

    /// A daemon maps a page through `/dev/xen/gntdev`: in a PV domain 0 that is two mappings, one of the kernel and one of
    /// the program (`use_ptemod`).
    fn gntdev_map(&mut self, id: DomId, gref: u32) -> [u32; 2] {
        let kernel = MapGrantRef { host_addr: 0xffff_8880_0000_0000, flags: GNTMAP_HOST_MAP, gref, dom: id };
        let program =
            MapGrantRef { host_addr: 0x7f00_0000_0000, flags: GNTMAP_HOST_MAP | GNTMAP_APPLICATION_MAP, ..kernel };
        [kernel, program].map(|op| self.host.xen.map_grant_ref(DOM0, op).map_or(0, |mapped| mapped.handle))
    }

    fn put(&mut self, path: &str, value: &str) {
        let _written = self.host.store.write(Asker::of(DomId::DOM0), path, value);
    }

    /// A place in the store with its permissions.
    fn own(&mut self, path: &str, permissions: Permissions) {
        let _made = self.host.store.mkdir(Asker::of(DomId::DOM0), path);
        let _owned = self.host.store.set_permissions(Asker::of(DomId::DOM0), path, permissions);
    }

    /// The nodes of a device, frontend's first (`libxl__device_generic_add`).
    fn device_nodes(&mut self, device: DeviceId, front: &[(&str, String)], back: &[(&str, String)]) {
        let (front_at, back_at) = (device.front(), device.back());
        self.own(&front_at, Permissions::of(device.frontend).with(Right::Read, device.backend));
        self.put(&format!("{front_at}/backend"), &back_at);
        self.put(&format!("{front_at}/backend-id"), &device.backend.0.to_string());
        front.iter().for_each(|(name, value)| self.put(&format!("{front_at}/{name}"), value));
        self.own(&back_at, Permissions::of(device.backend).with(Right::Read, device.frontend));
        self.put(&format!("{back_at}/frontend"), &front_at);
        back.iter().for_each(|(name, value)| self.put(&format!("{back_at}/{name}"), value));
    }

    fn wire(&mut self, id: DomId, config: &DomainConfig) {
        for disk in &config.disks {
            self.add_disk(id, disk);
        }
        self.console_backend(id);
        for (number, vif) in config.vifs.iter().enumerate() {
            self.add_vif(id, number as u32, vif);
        }
    }

    fn add_disk(&mut self, id: DomId, disk: &DiskConfig) {
        let number = disk_number(&disk.vdev).unwrap_or_default();
        let device = DeviceId { kind: DeviceKind::Vbd, number, frontend: id, backend: DomId::DOM0 };
        let text = |text: &str| text.to_owned();
        let front = [
            ("state", text("1")),
            ("virtual-device", number.to_string()),
            ("device-type", text("disk")),
            ("trusted", text("1")),
            ("protocol", text("x86_64-abi")),
        ];
        let back = [
            ("params", disk.target.clone()),
            ("script", format!("/etc/xen/scripts/{}", disk.script)),
            ("frontend-id", id.0.to_string()),
            ("online", text("1")),
            ("removable", text("0")),
            ("bootable", text("1")),
            ("state", text("1")),
            ("dev", disk.vdev.clone()),
            ("type", text("phy")),
            ("mode", text(if disk.is_writable { "w" } else { "r" })),
            ("device-type", text("disk")),
            ("discard-enable", text("1")),
            ("specification", text("xen")),
        ];
        self.device_nodes(device, &front, &back);
        let mut back = BlkBack::new(&mut self.host, device, DISK_SECTORS);
        back.is_writable = disk.is_writable;
        // The script has found the device.
        self.put(&format!("{}/physical-device", device.back()), "7:0");
        self.put(&format!("{}/hotplug-status", device.back()), "connected");
        self.disks.insert(device, Disk { front: None, back, content: MemoryDisk::default() });
    }

    fn add_vif(&mut self, id: DomId, number: u32, vif: &VifConfig) {
        let device = DeviceId { kind: DeviceKind::Vif, number, frontend: id, backend: DomId::DOM0 };
        let text = |text: &str| text.to_owned();
        let front = [
            ("state", text("1")),
            ("handle", number.to_string()),
            ("mac", vif.mac.clone()),
            ("trusted", text("1")),
            ("mtu", text("1500")),
        ];
        let back = [
            ("frontend-id", id.0.to_string()),
            ("online", text("1")),
            ("state", text("1")),
            ("script", format!("/etc/xen/scripts/{}", vif.script)),
            ("mac", vif.mac.clone()),
            ("bridge", vif.bridge.clone()),
            ("handle", number.to_string()),
            ("type", text("vif")),
        ];
        self.device_nodes(device, &front, &back);
        // The script has run before the driver's transaction ends.
        self.put(&format!("{}/hotplug-status", device.back()), "connected");
        let back = NetBack::new(&mut self.host, device);
        self.cards.insert(device, Card { front: None, back });
    }

    fn console_nodes(&mut self, id: DomId, port: u32, ring: Hfn) {
        let at = format!("/local/domain/{}/console", id.0);
        self.own(&at, Permissions::of(DomId::DOM0).with(Right::Read, id));
        for (name, value) in [
            ("backend", format!("/local/domain/0/backend/console/{}/0", id.0)),
            ("backend-id", "0".to_owned()),
            ("limit", "1048576".to_owned()),
            ("type", "xenconsoled".to_owned()),
            ("output", "pty".to_owned()),
            ("port", port.to_string()),
            ("ring-ref", ring.0.to_string()),
        ] {
            self.put(&format!("{at}/{name}"), &value);
        }
    }

    fn console_backend(&mut self, id: DomId) {
        let at = format!("/local/domain/0/backend/console/{}/0", id.0);
        self.own(&at, Permissions::of(DomId::DOM0).with(Right::Read, id));
        for (name, value) in [
            ("frontend", format!("/local/domain/{}/console", id.0)),
            ("frontend-id", id.0.to_string()),
            ("online", "1".to_owned()),
            ("state", "1".to_owned()),
            ("protocol", "vt100".to_owned()),
        ] {
            self.put(&format!("{at}/{name}"), &value);
        }
    }

    /// The guest's kernel starts: it binds its timer and the interrupts between its processors.
    fn start_kernel(&mut self, id: DomId) {
        let vcpus = self.host.xen.domain(id).map_or(0, |d| d.vcpus.len() as u32);
        for vcpu in 0..vcpus {
            self.host.port(id, Op::BindVirq { virq: 0, vcpu });
            (0..4).for_each(|_| {
                self.host.port(id, Op::BindIpi(vcpu));
            });
        }
        if let Some(d) = self.host.xen.domain_mut(id) {
            d.vcpus.iter_mut().for_each(|v| v.upcall_mask = false);
        }
        self.host.xen.take_events(DOM0);
    }

    /// The guest loads its drivers: both halves of every device go through their handshake.
    pub fn connect(&mut self, id: DomId) {
        for (device, disk) in self.disks.iter_mut().filter(|(device, _)| device.frontend == id) {
            let mut front = BlkFront::new(*device);
            let state = device.back_state(&self.host.store);
            front.backend_changed(&mut self.host, state);
            let state = device.front_state(&self.host.store);
            disk.back.frontend_changed(&mut self.host, state);
            let state = device.back_state(&self.host.store);
            front.backend_changed(&mut self.host, state);
            // The new disk is read at once: its first page stays granted.
            front.submit(&mut self.host, crate::xen::io::blkif::READ, 0, 4096, &[]);
            for io in disk.back.interrupt(&mut self.host) {
                let data = disk.content.serve(&io);
                disk.back.done(&mut self.host, io.cookie, Some(&data));
            }
            front.interrupt(&mut self.host);
            disk.front = Some(front);
        }
        for (device, card) in self.cards.iter_mut().filter(|(device, _)| device.frontend == id) {
            let mut front = NetFront::new(*device);
            let state = device.back_state(&self.host.store);
            front.backend_changed(&mut self.host, state);
            let state = device.front_state(&self.host.store);
            card.back.frontend_changed(&mut self.host, state);
            card.front = Some(front);
        }
        self.host.xen.take_events(DOM0);
        self.host.xen.take_events(VcpuId::first(id));
    }
}
