//! Grants and rings: who lends what to whom and who has it mapped, and how far both sides of each shared ring are.

use std::fmt::Write;

use kernel_model::projection::Change;

use super::store::device_name;
use crate::machine::xen::host::{RingParts, XenParts};
use crate::xen::Xen;
use crate::xen::domain::{DomId, Domain};
use crate::xen::grant_table::{
    GTF_ACCEPT_TRANSFER, GTF_PERMIT_ACCESS, GTF_READING, GTF_READONLY, GTF_TYPE_MASK, GTF_WRITING, GrantRef,
};

/// The picture.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Lending {
    /// The entries of all tables, those that the step has taken back among them.
    pub grants: Vec<GrantRow>,
    /// The rings.
    pub rings: Vec<RingDial>,
}

/// An entry of a grant table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GrantRow {
    /// Whose table.
    pub owner: u16,
    /// The reference.
    pub gref: u32,
    /// For whom.
    pub to: u16,
    /// Its flags without `GTF_`.
    pub flags: Vec<&'static str>,
    /// The frame.
    pub frame: u64,
    /// Who has it mapped, by which handles of theirs, and whether for reading only.
    pub borrowers: Vec<(u16, u32, bool)>,
    /// What the step did to it.
    pub change: Change,
}

/// A ring with its indices.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RingDial {
    /// Whose: `vbd 51712 of d1`.
    pub device: String,
    /// What it is for: `requests`, `tx`, `rx`.
    pub purpose: &'static str,
    /// The page.
    pub frame: u64,
    /// Its entries.
    pub entries: u32,
    /// The indices, each with what it was before the step.
    pub indices: [Index; 5],
    /// What the step did to it.
    pub change: Change,
}

/// An index of a ring.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Index {
    /// Its name in `ring.h`.
    pub name: &'static str,
    /// What it is.
    pub value: u32,
    /// What it was before the step.
    pub was: u32,
}

impl Index {
    /// The step has moved it.
    pub fn is_moved(&self) -> bool {
        self.value != self.was
    }
}

impl RingDial {
    /// Requests that the backend has not taken yet.
    pub fn waiting(&self) -> u32 {
        self.value("req_prod").wrapping_sub(self.value("req_cons"))
    }

    /// Requests that it has taken and not answered.
    pub fn in_work(&self) -> u32 {
        self.value("req_cons").wrapping_sub(self.value("rsp_prod"))
    }

    /// An index by its name.
    pub fn value(&self, name: &str) -> u32 {
        self.indices.iter().find(|index| index.name == name).map_or(0, |index| index.value)
    }
}

impl Lending {
    /// What is lent before and after a step.
    pub fn of_step(before: XenParts<'_>, after: XenParts<'_>) -> Lending {
        Lending::between((before.xen(), &before.rings()), (after.xen(), &after.rings()))
    }

    /// The same of two hypervisors, each with its rings.
    pub fn between(before: (&Xen, &[RingParts]), after: (&Xen, &[RingParts])) -> Lending {
        let rings = after.1.iter().map(|ring| {
            let old = before.1.iter().find(|old| (old.device, old.purpose) == (ring.device, ring.purpose));
            dial(ring, old, before.0, after.0)
        });
        Lending { grants: grants(before.0, after.0), rings: rings.collect() }
    }

    /// One sentence.
    pub fn summary(&self) -> String {
        let there = || self.grants.iter().filter(|row| row.change != Change::Gone);
        let mapped = there().filter(|row| !row.borrowers.is_empty()).count();
        let under_way: u32 = self.rings.iter().map(RingDial::in_work).sum();
        let count = |n: usize, one: &str| if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") };
        format!(
            "{}, {mapped} of them mapped; {}, {} at work.",
            count(there().count(), "grant"),
            count(self.rings.len(), "ring"),
            count(under_way as usize, "request")
        )
    }

    /// The text twin.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n", self.summary());
        for ring in &self.rings {
            let mark = ring.change.mark();
            let _ = writeln!(
                text,
                "\n{mark:<1} ring {} {}: frame {:#x}, {} entries, {} waiting, {} at work",
                ring.device,
                ring.purpose,
                ring.frame,
                ring.entries,
                ring.waiting(),
                ring.in_work()
            );
            for index in ring.indices {
                let was = if index.is_moved() { format!("  was {}", index.was) } else { String::new() };
                let _ = writeln!(text, "    {:<9} {:>6}{was}", index.name, index.value);
            }
        }
        if !self.grants.is_empty() {
            text.push('\n');
        }
        for row in &self.grants {
            let mark = row.change.mark();
            let mut by: Vec<String> = Vec::new();
            for (domain, handle, is_readonly) in &row.borrowers {
                by.push(format!("d{domain} handle {handle}{}", if *is_readonly { " read-only" } else { "" }));
            }
            let by = if by.is_empty() { "nobody".to_owned() } else { by.join(", ") };
            let _ = writeln!(
                text,
                "{mark:<1} d{} grant {:#05x}: frame {:#x} for d{}, {}; mapped by {by}",
                row.owner,
                row.gref,
                row.frame,
                row.to,
                row.flags.join(" ")
            );
        }
        text
    }
}

/// The flags of an entry as the header names them.
fn flags_of(flags: u16) -> Vec<&'static str> {
    let kind = match flags & GTF_TYPE_MASK {
        GTF_PERMIT_ACCESS => "permit_access",
        GTF_ACCEPT_TRANSFER => "accept_transfer",
        _ => "invalid",
    };
    let mut names = vec![kind];
    if flags & GTF_TYPE_MASK == GTF_PERMIT_ACCESS {
        let bits = [(GTF_READONLY, "readonly"), (GTF_READING, "reading"), (GTF_WRITING, "writing")];
        names.extend(bits.into_iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| name));
    }
    names
}

fn row(xen: &Xen, owner: DomId, gref: GrantRef) -> Option<GrantRow> {
    let entry = xen.domain(owner)?.grants.entries.get(&gref)?;
    let borrowers = |d: &Domain| {
        let id = d.id.0;
        let own = d.grants.maptrack.iter().filter(|(_, mapping)| (mapping.domid, mapping.gref) == (owner, gref));
        own.map(|(handle, mapping)| (id, *handle, mapping.flags & crate::xen::grant_table::map::GNTMAP_READONLY != 0))
            .collect::<Vec<_>>()
    };
    Some(GrantRow {
        owner: owner.0,
        gref,
        to: entry.domid.0,
        flags: flags_of(entry.flags),
        frame: entry.frame.0,
        borrowers: xen.domains().flat_map(borrowers).collect(),
        change: Change::Same,
    })
}

fn grants(before: &Xen, after: &Xen) -> Vec<GrantRow> {
    let keys = |xen: &Xen| -> Vec<(DomId, GrantRef)> {
        xen.domains().flat_map(|d| d.grants.entries.keys().map(|gref| (d.id, *gref)).collect::<Vec<_>>()).collect()
    };
    let mut all = keys(before);
    all.extend(keys(after));
    all.sort_unstable();
    all.dedup();
    let rows = all.into_iter().filter_map(|(owner, gref)| {
        let (was, is) = (row(before, owner, gref), row(after, owner, gref));
        let change = Change::between(was.as_ref(), is.as_ref());
        Some(GrantRow { change, ..is.or(was)? })
    });
    rows.collect()
}

fn dial(ring: &RingParts, old: Option<&RingParts>, before: &Xen, after: &Xen) -> RingDial {
    let is = ring.ring.indices(&after.memory);
    let was = old.map(|old| (old.ring.indices(&before.memory), old.req_cons));
    let (was, was_taken) = was.unwrap_or((is, ring.req_cons));
    let index = |name, value, was| Index { name, value, was };
    let indices = [
        index("req_prod", is.req_prod, was.req_prod),
        index("req_event", is.req_event, was.req_event),
        index("req_cons", ring.req_cons, was_taken),
        index("rsp_prod", is.rsp_prod, was.rsp_prod),
        index("rsp_event", is.rsp_event, was.rsp_event),
    ];
    let change = match old {
        None => Change::New,
        Some(_) if indices.iter().any(Index::is_moved) => Change::Changed,
        Some(_) => Change::Same,
    };
    RingDial {
        device: device_name(&ring.device),
        purpose: ring.purpose,
        frame: ring.ring.frame.0,
        entries: ring.ring.shape.entries(),
        indices,
        change,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Hfn;
    use crate::xen::domain::GuestKind;

    #[test]
    fn a_grant_says_for_whom_it_is_and_what_became_of_it() {
        let mut before = Xen::new(8, 2);
        let mut d = Domain::new(DomId(1), GuestKind::Pv64, 1);
        d.grants.grant_access(8, DomId(0), Hfn(4), true);
        before.insert_domain(d);
        let mut after = before.clone();
        if let Some(d) = after.domain_mut(DomId(1)) {
            d.grants.end_access(8);
            d.grants.grant_access(9, DomId(0), Hfn(5), false);
        }
        let lending = Lending { grants: grants(&before, &after), rings: Vec::new() };
        assert_eq!(
            lending.text(),
            "1 grant, 0 of them mapped; 0 rings, 0 requests at work.\n\n\
             ✕ d1 grant 0x008: frame 0x4 for d0, permit_access readonly; mapped by nobody\n\
             ● d1 grant 0x009: frame 0x5 for d0, permit_access; mapped by nobody\n"
        );
    }
}
