//! Machines that count: one for each platform, behind one type.

use std::collections::BTreeMap;

use kernel_model::machine::device::{DeviceAnswer, DeviceCall, DeviceNode};
use kernel_model::machine::interrupt::{DiskRequest, DiskServed, Interrupt};
use kernel_model::machine::report::Report;
use kernel_model::machine::{Port, SystemId};
use kernel_model::mm::user_data::UserMemory;
use kernel_model::net::packet::Frame;
use kernel_model::pv_ops::{PageRange, PvOp, PvOps};
use kernel_model::time::Nanos;
use kernel_model::world::{Config, World};
use thiserror::Error;

use super::bt::Bt;
use super::computer::Computer;
use super::cost::{Costs, DEFAULT_PRESET};
use super::counters::Counters;
use super::emulated::Emulated;
use super::hardware::Hardware;
use super::kernel_tables::KernelTables;
use super::kvm::Kvm;
use super::native::Native;
use super::processor::Processor;
use super::uml::Uml;
use super::virtual_processor::VirtualProcessor;
use super::vmware_vt::VmwareVt;
use super::xen::KernelRing;
use super::xen::host::{XenHost, XenParts};
use super::xen::hvm::XenHvm;
use super::{BareMetal, Host, Platform};
use crate::emulation::uml::UmlMode;
use crate::kvm::mmu::Paging;
use crate::memory::{PAGE_SIZE, PhysicalMemory};

/// Frames of the machine that a kernel sees: 2 GiB, as the kernel model's memory has.
const FRAMES: u64 = (2 << 30) / PAGE_SIZE;

/// EPT as KVM uses it on a processor that has accessed and dirty flags there (`enable_ept_ad_bits`).
const EPT: Paging = Paging::Ept { accessed_and_dirty: true, pml: false };

/// What a computer consists of, for eyes.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// Its memory: all of the machine's, not only what its kernel sees.
    pub memory: &'a PhysicalMemory,
    /// Its processors.
    pub processors: &'a [Processor],
    /// The page tables of the kernel on it.
    pub tables: &'a KernelTables,
}

/// A machine that counts what it does.
pub trait Measured: PvOps {
    /// What it has counted.
    fn counters(&self) -> &Counters;

    /// From now on it tells what it does, beside counting it.
    fn tell(&mut self);

    /// A copy of it.
    fn copy(&self) -> Box<dyn Measured>;

    /// VM exits by reason: its own, and those of guests that run on it.
    fn vm_exits(&self) -> BTreeMap<&'static str, u64> {
        self.counters().vm_exits.clone()
    }

    /// Xen below it, where it is one of Xen's.
    fn xen(&self) -> Option<XenParts<'_>> {
        None
    }

    /// Its parts, where it is a computer.
    fn parts(&self) -> Option<Parts<'_>> {
        None
    }

    /// The virtual processors of KVM's guests in it, each with the name of its guest.
    fn virtual_processors(&self) -> Vec<(String, VirtualProcessor)> {
        Vec::new()
    }
}

impl Clone for Box<dyn Measured> {
    fn clone(&self) -> Self {
        (**self).copy()
    }
}

impl<H: Hardware + Clone + 'static> Measured for Computer<H> {
    fn counters(&self) -> &Counters {
        &self.counters
    }

    fn tell(&mut self) {
        self.counters.told.listens = true;
    }

    fn copy(&self) -> Box<dyn Measured> {
        Box::new(self.clone())
    }

    fn parts(&self) -> Option<Parts<'_>> {
        let (memory, processors) = self.hardware.parts()?;
        Some(Parts { memory, processors, tables: self.tables() })
    }

    fn virtual_processors(&self) -> Vec<(String, VirtualProcessor)> {
        self.hardware.virtual_processors().into_iter().map(|processor| ("guest".to_owned(), processor)).collect()
    }
}

impl PvOps for Box<dyn Measured> {
    fn execute(&mut self, cpu: u32, op: PvOp) {
        (**self).execute(cpu, op);
    }

    fn touch(&mut self, cpu: u32, at: PageRange, write: bool) {
        (**self).touch(cpu, at, write);
    }

    fn reports(&mut self) -> Vec<Report> {
        (**self).reports()
    }

    fn is_large(&self) -> bool {
        (**self).is_large()
    }

    fn turn(&mut self, now: Nanos, is_idle: bool) -> bool {
        (**self).turn(now, is_idle)
    }

    fn next_timer(&self) -> Option<Nanos> {
        (**self).next_timer()
    }

    fn is_busy(&self) -> bool {
        (**self).is_busy()
    }

    fn interrupts(&mut self) -> Vec<Interrupt> {
        (**self).interrupts()
    }

    fn devices(&self) -> &'static [DeviceNode] {
        (**self).devices()
    }

    fn device(&mut self, call: DeviceCall<'_>) -> DeviceAnswer {
        (**self).device(call)
    }

    fn submit(&mut self, request: DiskRequest) {
        (**self).submit(request);
    }

    fn disk_served(&mut self, cookie: u64, answer: DiskServed) {
        (**self).disk_served(cookie, answer);
    }

    fn transmit(&mut self, port: Port, frame: &Frame) {
        (**self).transmit(port, frame);
    }

    fn called(&mut self, now: Nanos, who: u32, text: &str) -> bool {
        (**self).called(now, who, text)
    }

    fn world_of(&self, system: SystemId) -> Option<&World> {
        (**self).world_of(system)
    }

    fn event_signalled(&mut self, event: u64) -> bool {
        (**self).event_signalled(event)
    }

    fn user_memory(&mut self) -> Option<&mut UserMemory> {
        (**self).user_memory()
    }
}

/// The machine below a session: by the number in its configuration, and telling what it does. One that nobody looks at,
/// or that is not known, is the bare machine.
pub fn machine_of(config: &Config) -> Box<dyn Measured> {
    let host = |below: Box<dyn Measured>| -> Box<dyn Measured> { Box::new(Host::new(below, EPT)) };
    let bare = || host(Box::<BareMetal>::default());
    let Some(platform) = Platform::of_code(config.machine) else { return bare() };
    let machine = Costs::preset(DEFAULT_PRESET).ok().and_then(|costs| platform.machine(costs).ok());
    machine.map_or_else(bare, |mut machine| {
        machine.tell();
        // Only a processor that is no guest's has VMX here.
        if matches!(platform, Platform::Native | Platform::Container) { host(machine) } else { machine }
    })
}

/// A machine that only counts its operations.
static NOTHING: Counters = Counters::new();

impl Measured for BareMetal {
    fn counters(&self) -> &Counters {
        &NOTHING
    }

    fn tell(&mut self) {}

    fn copy(&self) -> Box<dyn Measured> {
        Box::new(*self)
    }
}

/// A hypervisor found no memory for its own tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("the machine has no memory for the hypervisor's tables")]
pub struct NoMemory;

impl Platform {
    /// A machine of this platform on which a kernel has just booted.
    ///
    /// # Errors
    /// The hypervisor finds no memory.
    pub fn machine(self, costs: Costs) -> Result<Box<dyn Measured>, NoMemory> {
        let kvm = |paging| Kvm::new(FRAMES, paging, costs.clone()).ok_or(NoMemory);
        let uml = |mode| -> Box<dyn Measured> {
            Box::new(Computer::new(Uml::new(FRAMES, mode, costs.clone()), FRAMES, true))
        };
        let pv = |ring| -> Result<Box<dyn Measured>, NoMemory> { Ok(Box::new(XenHost::new(ring, costs.clone())?)) };
        Ok(match self {
            Platform::Native | Platform::Container => {
                Box::new(Computer::new(Native::new(FRAMES, costs.clone()), FRAMES, true))
            }
            Platform::KvmEpt => Box::new(Computer::new(kvm(EPT)?, FRAMES, true)),
            Platform::KvmShadow => Box::new(Computer::new(kvm(Paging::Shadow)?, FRAMES, true)),
            Platform::Bt => Box::new(Computer::new(Bt::new(FRAMES, costs.clone()).ok_or(NoMemory)?, FRAMES, false)),
            Platform::VmwareVt => {
                Box::new(Computer::new(VmwareVt::new(FRAMES, costs.clone()).ok_or(NoMemory)?, FRAMES, false))
            }
            Platform::Emulated => Box::new(Computer::new(Emulated::new(FRAMES, costs.clone()), FRAMES, false)),
            Platform::XenPv32 => pv(KernelRing::One)?,
            Platform::XenPv64 => pv(KernelRing::Three)?,
            Platform::XenHvm => {
                let hvm = XenHvm::new(FRAMES, costs.clone()).ok_or(NoMemory)?;
                Box::new(Computer::new(hvm, FRAMES, true))
            }
            Platform::Uml => uml(UmlMode::SeparateAddressSpace),
            Platform::UmlTt => uml(UmlMode::TracingThread),
        })
    }
}
