//! Grants: who lends what to whom, and whether it is in use.

use serde::Serialize;

use crate::xen::Xen;
use crate::xen::grant_table::{GTF_READONLY, GTF_TYPE_MASK};

/// An entry of a grant table.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct GrantRow {
    /// Whose table.
    pub owner: u16,
    /// The reference.
    pub gref: u32,
    /// For whom.
    pub to: u16,
    /// `nothing`, `access`, `transfer`.
    pub kind: &'static str,
    /// For reading only.
    pub is_readonly: bool,
    /// The frame.
    pub frame: u64,
    /// How often it is mapped, and by how many of these it can be written.
    pub mapped: (u32, u32),
}

/// The entries of all tables.
pub fn grants(xen: &Xen) -> Vec<GrantRow> {
    let rows = xen.domains().flat_map(|d| {
        d.grants.entries.iter().map(move |(gref, entry)| {
            let pins = d.grants.active.get(gref).map_or([0; 4], |active| active.pins.map(u32::from));
            GrantRow {
                owner: d.id.0,
                gref: *gref,
                to: entry.domid.0,
                kind: match entry.flags & GTF_TYPE_MASK {
                    1 => "access",
                    2 => "transfer",
                    _ => "nothing",
                },
                is_readonly: entry.flags & GTF_TYPE_MASK == 1 && entry.flags & GTF_READONLY != 0,
                frame: entry.frame.0,
                mapped: (pins.iter().sum(), pins[0] + pins[2]),
            }
        })
    });
    rows.collect()
}

/// The text twin.
pub fn text(rows: &[GrantRow]) -> String {
    let line = |row: &GrantRow| {
        let readonly = if row.is_readonly { " read-only" } else { "" };
        let (mapped, writing) = row.mapped;
        format!(
            "d{} grant {:#05x}: frame {:#x} to d{}, {}{readonly}, mapped {mapped} times, {writing} for writing\n",
            row.owner, row.gref, row.frame, row.to, row.kind
        )
    };
    rows.iter().map(line).collect()
}
