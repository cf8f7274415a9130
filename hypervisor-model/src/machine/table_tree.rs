//! Page tables that a hypervisor makes for a guest, filled a page at a time: EPT, or the shadow tables of a VMM that
//! sees every write to the guest's own.

use std::collections::BTreeMap;

use crate::memory::{Hfn, Hpa, Owner, PhysicalMemory};

/// A tree of four levels of tables in the machine's memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TableTree {
    root: Hfn,
    owner: Owner,
    /// The bits of an entry that names a table.
    table_bits: u64,
    /// Tables below the root, by level and by the address bits above what they map.
    tables: BTreeMap<(u8, u64), Hfn>,
}

impl TableTree {
    /// An empty tree; `None` when memory is used up.
    pub fn new(memory: &mut PhysicalMemory, owner: Owner, table_bits: u64) -> Option<TableTree> {
        let root = memory.allocate(owner)?;
        Some(TableTree { root, owner, table_bits, tables: BTreeMap::new() })
    }

    /// Where the top table is.
    pub fn root(&self) -> Hpa {
        self.root.address()
    }

    /// How many tables there are.
    pub fn len(&self) -> u64 {
        1 + self.tables.len() as u64
    }

    /// Whether there is nothing but the root.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// Sets the entry of the last level for a page; tables on the way are made. `None` when memory is used up.
    pub fn set(&mut self, memory: &mut PhysicalMemory, address: u64, entry: u64) -> Option<()> {
        let mut table = self.root;
        for level in [4, 3, 2] {
            let key = (level - 1, address >> (3 + 9 * u32::from(level)));
            let next = match self.tables.get(&key) {
                Some(next) => *next,
                None => {
                    let next = memory.allocate(self.owner)?;
                    self.tables.insert(key, next);
                    memory.write_u64(slot(table, address, level), next.address().0 | self.table_bits);
                    next
                }
            };
            table = next;
        }
        memory.write_u64(slot(table, address, 1), entry);
        Some(())
    }

    /// Clears the entry of the last level for a page. Whether there was a table for it.
    pub fn clear(&mut self, memory: &mut PhysicalMemory, address: u64) -> bool {
        let table = self.tables.get(&(1, address >> 21)).copied();
        if let Some(table) = table {
            memory.write_u64(slot(table, address, 1), 0);
        }
        table.is_some()
    }

    /// Gives all tables back.
    pub fn release(self, memory: &mut PhysicalMemory) {
        for frame in self.tables.into_values().chain([self.root]) {
            memory.release(frame);
        }
    }
}

/// Where the entry for an address is in a table of `level`.
fn slot(table: Hfn, address: u64, level: u8) -> Hpa {
    table.address().plus(8 * (address >> (12 + 9 * (u32::from(level) - 1)) & 0x1ff))
}
