//! The machine as a guest's kernel sees it.
//!
//! Memory and processor are a [`Computer`]; what the kernel asks of devices is kept for its drivers.

use kernel_model::machine::Port;
use kernel_model::machine::interrupt::{DiskRequest, Interrupt};
use kernel_model::machine::report::{DeedKind, Report};
use kernel_model::net::packet::Frame;
use kernel_model::pv_ops::{PageRange, PvOp, PvOps};

use crate::kvm::mmu::Paging;
use crate::machine::computer::Computer;
use crate::machine::cost::{Costs, DEFAULT_PRESET};
use crate::machine::hardware::Hardware;
use crate::machine::kvm::Kvm;
use crate::memory::Gfn;

/// The machine of a guest.
#[derive(Clone)]
pub struct GuestMachine<H> {
    /// Its memory and processor.
    pub computer: Computer<H>,
    /// Interrupts that its kernel has not taken yet.
    pub interrupts: Vec<Interrupt>,
    /// Requests to disks that no driver has yet.
    pub asked: Vec<DiskRequest>,
    /// Frames that no driver has yet.
    pub sent: Vec<(Port, Frame)>,
}

impl<H: Hardware> GuestMachine<H> {
    /// The machine of a guest, that tells what it does.
    pub fn on(mut computer: Computer<H>) -> Self {
        computer.counters.told.listens = true;
        GuestMachine { computer, interrupts: Vec::new(), asked: Vec::new(), sent: Vec::new() }
    }
}

impl GuestMachine<Kvm> {
    /// A machine on KVM's tables with so many frames of memory; `None` if there is no room for it.
    pub fn new(frames: u64, paging: Paging) -> Option<Self> {
        let costs = Costs::preset(DEFAULT_PRESET).ok()?;
        // Tables are counted in powers of two; what is above the guest's memory is never used.
        let hardware = Kvm::new(frames.next_power_of_two(), paging, costs)?;
        let mut machine = GuestMachine::on(Computer::new(hardware, frames, true));
        machine.take_mapped();
        Some(machine)
    }

    /// Guest frames that KVM has put into its tables since this was asked last: the host must have memory behind them.
    pub fn take_mapped(&mut self) -> Vec<Gfn> {
        self.computer.hardware.take_mapped()
    }
}

impl<H: Hardware + Clone + 'static> PvOps for GuestMachine<H> {
    fn execute(&mut self, cpu: u32, op: PvOp) {
        self.computer.execute(cpu, op);
    }

    fn touch(&mut self, cpu: u32, at: PageRange, write: bool) {
        self.computer.touch(cpu, at, write);
    }

    fn reports(&mut self) -> Vec<Report> {
        // Each walk and each flush would be too much beside what the host does.
        let is_of_interest = |report: &Report| match report {
            Report::Did(deed) => !matches!(deed.kind, DeedKind::Walk | DeedKind::Flush | DeedKind::Table),
            Report::Elsewhere { .. } => true,
        };
        self.computer.reports().into_iter().filter(is_of_interest).collect()
    }

    fn interrupts(&mut self) -> Vec<Interrupt> {
        std::mem::take(&mut self.interrupts)
    }

    fn submit(&mut self, request: DiskRequest) {
        self.asked.push(request);
    }

    fn transmit(&mut self, port: Port, frame: &Frame) {
        self.sent.push((port, frame.clone()));
    }
}
