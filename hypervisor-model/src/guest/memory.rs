//! A guest's memory as its drivers and KVM reach it: through memory slots, in the memory of a process of the host.

use std::collections::BTreeMap;

use kernel_model::mm::MmId;
use kernel_model::mm::user_data::UserMemory;

/// Part of a guest's memory (`struct kvm_memory_slot`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UserSlot {
    /// Where it begins for the guest.
    pub gpa: u64,
    /// How many bytes it has.
    pub size: u64,
    /// Where it begins in the process.
    pub hva: u64,
    /// `KVM_MEM_*`.
    pub flags: u32,
    /// With [`LOG_DIRTY_PAGES`]: frames that were written since the log was read.
    pub dirty: imbl::OrdSet<u64>,
}

/// `KVM_MEM_LOG_DIRTY_PAGES`.
pub const LOG_DIRTY_PAGES: u32 = 1;
/// `KVM_MEM_READONLY`.
pub const READONLY: u32 = 2;

/// A guest's memory at a moment.
pub struct GuestMemory<'a> {
    /// The address space of the process that has it.
    pub mm: MmId,
    /// Which part is where.
    pub slots: &'a mut BTreeMap<u32, UserSlot>,
    /// The bytes.
    pub bytes: &'a mut UserMemory,
    /// Pages of the process that were written here, for which the host must have memory.
    pub written: &'a mut Vec<(u64, u64)>,
}

impl GuestMemory<'_> {
    /// Where a guest-physical address is in the process.
    pub fn hva(&self, gpa: u64) -> Option<u64> {
        let slot = self.slots.values().find(|s| gpa >= s.gpa && gpa - s.gpa < s.size)?;
        Some(slot.hva + (gpa - slot.gpa))
    }

    /// Reads bytes; where there is no memory there are none.
    pub fn read(&self, gpa: u64, len: usize) -> Vec<u8> {
        self.hva(gpa).map_or_else(|| vec![0xff; len], |hva| self.bytes.load(self.mm, hva, len))
    }

    /// A number of two bytes.
    pub fn read_u16(&self, gpa: u64) -> u16 {
        u16::from_le_bytes(self.read(gpa, 2).try_into().unwrap_or_default())
    }

    /// A number of four bytes.
    pub fn read_u32(&self, gpa: u64) -> u32 {
        u32::from_le_bytes(self.read(gpa, 4).try_into().unwrap_or_default())
    }

    /// Writes bytes.
    pub fn write(&mut self, gpa: u64, bytes: &[u8]) {
        let Some(hva) = self.hva(gpa) else { return };
        self.bytes.store(self.mm, hva, bytes);
        self.written.push((hva, bytes.len() as u64));
        let frames = gpa >> 12..=(gpa + bytes.len().max(1) as u64 - 1) >> 12;
        for slot in self.slots.values_mut().filter(|s| s.flags & LOG_DIRTY_PAGES != 0) {
            for frame in frames.clone() {
                if frame << 12 >= slot.gpa && (frame << 12) - slot.gpa < slot.size {
                    slot.dirty.insert(frame);
                }
            }
        }
    }
}
