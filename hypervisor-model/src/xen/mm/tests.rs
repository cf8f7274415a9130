//! Direct paging as a guest uses it.

use super::PageType;
use super::emulate::Store;
use super::mmuext::MmuextOp;
use super::update::{Foreign, MmuUpdate};
use crate::memory::{Gfn, GuestId, Hfn, Hpa, Owner};
use crate::paging::format::{A, D, P, PS, RW, US};
use crate::xen::call::{Hypercall, Output};
use crate::xen::domain::{DomId, Domain, GuestKind, VcpuId};
use crate::xen::{Refusal, Xen};
use kernel_model::errno::Errno;

const ONE: VcpuId = VcpuId::first(DomId(1));

/// A guest with a tree of four tables that map its first data frame at 0 and, read-only, its last-level table at 0x1000.
struct Guest {
    xen: Xen,
    /// Tables by level, from 4 down to 1.
    tables: [Hfn; 4],
    data: Vec<Hfn>,
}

impl Guest {
    fn new() -> Guest {
        let mut xen = Xen::new(128, 4);
        for id in 0..3_u16 {
            let mut d = Domain::new(DomId(id), GuestKind::Pv64, 1);
            (d.tot_pages, d.max_pages) = (16, 32);
            xen.insert_domain(d);
        }
        let mut take = |id| xen.memory.allocate(Owner::Guest(GuestId(id))).expect("there is room");
        let tables = [(); 4].map(|()| take(1));
        let data = [(); 6].map(|()| take(1)).to_vec();
        take(2);
        for pair in tables.windows(2) {
            xen.memory.write_u64(pair[0].address(), pair[1].address().0 | P | RW | US);
        }
        xen.memory.write_u64(tables[3].address(), data[0].address().0 | P | RW | US);
        xen.memory.write_u64(tables[3].address().plus(8), tables[3].address().0 | P | US);
        Guest { xen, tables, data }
    }

    fn pinned() -> Guest {
        let mut guest = Guest::new();
        assert_eq!(guest.ext(MmuextOp::PinTable(4, guest.tables[0])), Ok(()));
        assert_eq!(guest.ext(MmuextOp::NewBaseptr(guest.tables[0])), Ok(()));
        guest
    }

    fn call(&mut self, call: Hypercall) -> Result<(), Refusal> {
        let result = match self.xen.hypercall(ONE, call) {
            Ok((_, Output::Done(_, Some(refusal)))) => Err(refusal),
            other => other.map(|_| ()),
        };
        assert_eq!(self.xen.check(), Ok(()));
        result
    }

    fn ext(&mut self, op: MmuextOp) -> Result<(), Refusal> {
        self.call(Hypercall::MmuextOp { ops: vec![op], foreign: Foreign::NONE })
    }

    fn update(&mut self, at: Hpa, val: u64) -> Result<(), Refusal> {
        self.call(Hypercall::MmuUpdate { updates: vec![MmuUpdate::normal(at, val)], foreign: Foreign::NONE })
    }

    /// Entry 2 of the last-level table gets this.
    fn map(&mut self, entry: u64) -> Result<(), Errno> {
        let at = self.tables[3].address().plus(16);
        self.update(at, entry).map_err(|refusal| refusal.errno)
    }

    fn kind(&self, frame: Hfn) -> (PageType, u32) {
        let info = self.xen.frames.info(frame);
        (info.kind, info.type_count)
    }
}

#[test]
fn pinning_types_the_whole_tree() {
    let guest = Guest::pinned();
    assert_eq!(guest.kind(guest.tables[0]), (PageType::Table(4), 2), "the pin and the base pointer");
    assert_eq!(guest.kind(guest.tables[1]), (PageType::Table(3), 1));
    assert_eq!(guest.kind(guest.tables[3]), (PageType::Table(1), 1));
    assert_eq!(guest.kind(guest.data[0]), (PageType::Writable, 1));
}

#[test]
fn letting_go_undoes_all_of_it() {
    let mut guest = Guest::pinned();
    let other = guest.data[5];
    assert_eq!(guest.ext(MmuextOp::UnpinTable(guest.tables[0])), Ok(()));
    assert_eq!(guest.kind(guest.tables[3]), (PageType::Table(1), 1), "the base pointer still holds it");
    assert_eq!(guest.ext(MmuextOp::NewBaseptr(other)), Ok(()), "an empty table is right");
    assert_eq!(guest.kind(guest.tables[3]).1, 0);
    assert_eq!(guest.kind(guest.data[0]).1, 0);
}

#[test]
fn a_tree_that_maps_one_of_its_tables_writable_is_refused_and_nothing_is_held() {
    let mut guest = Guest::new();
    let at = guest.tables[3].address().plus(8);
    guest.xen.memory.write_u64(at, guest.tables[1].address().0 | P | RW);
    let refusal = guest.ext(MmuextOp::PinTable(4, guest.tables[0])).expect_err("a table would be writable");
    assert_eq!((refusal.errno, refusal.rule), (Errno::EBUSY, "a page table cannot be mapped writable"));
    assert_eq!(guest.kind(guest.tables[0]).1 + guest.kind(guest.data[0]).1, 0);
}

#[test]
fn pinning_twice_and_letting_go_of_what_is_not_pinned_are_errors() {
    let mut guest = Guest::pinned();
    let errno = |result: Result<(), Refusal>| result.expect_err("it is refused").errno;
    assert_eq!(errno(guest.ext(MmuextOp::PinTable(4, guest.tables[0]))), Errno::EINVAL);
    assert_eq!(errno(guest.ext(MmuextOp::PinTable(3, guest.tables[0]))), Errno::EINVAL, "another level");
    assert_eq!(errno(guest.ext(MmuextOp::UnpinTable(guest.data[1]))), Errno::EINVAL);
    assert_eq!(errno(guest.ext(MmuextOp::NewBaseptr(guest.data[0]))), Errno::EINVAL, "it has a writable mapping");
    assert_eq!(errno(guest.ext(MmuextOp::PinTable(1, Hfn(0)))), Errno::EINVAL, "Xen's own");
}

#[test]
fn each_wrong_entry_breaks_its_rule() {
    let mut guest = Guest::pinned();
    let (data, table, foreign) = (guest.data[1].address().0, guest.tables[3].address().0, guest.data[5].0 + 1);
    let (empty, mapped) = (guest.data[4].address().0, guest.data[0].address().0);
    assert_eq!(guest.map(data | P | RW), Ok(()));
    assert_eq!(guest.map(table | P), Ok(()), "a table may be read");
    assert_eq!(guest.map(table | P | RW), Err(Errno::EBUSY), "a table may not be written");
    assert_eq!(guest.map(foreign << 12 | P), Err(Errno::EBUSY), "another domain's frame");
    assert_eq!(guest.map(P), Err(Errno::EBUSY), "Xen's frame");
    assert_eq!(guest.map(1 << 40 | P), Err(Errno::EPERM), "a device's memory");
    let top = guest.tables[0].address();
    let errno = |result: Result<(), Refusal>| result.map_err(|refusal| refusal.errno);
    assert_eq!(errno(guest.update(top.plus(8 * 256), data | P)), Err(Errno::EINVAL), "Xen's part");
    let middle = guest.tables[2].address();
    assert_eq!(errno(guest.update(middle.plus(8), data | P | PS)), Err(Errno::EINVAL), "a large page");
    assert_eq!(errno(guest.update(middle.plus(8), mapped | P)), Err(Errno::EINVAL), "it has a writable mapping");
    assert_eq!(errno(guest.update(middle.plus(8), empty | P)), Ok(()), "an empty frame is a right table");
    assert_eq!(errno(guest.update(Hpa(foreign << 12), data | P)), Err(Errno::EINVAL), "another's table");
}

#[test]
fn a_failed_update_says_how_many_were_done() {
    let mut guest = Guest::pinned();
    let at = guest.tables[3].address().plus(16);
    let good = MmuUpdate::normal(at, guest.data[1].address().0 | P);
    let bad = MmuUpdate::normal(at, guest.tables[3].address().0 | P | RW);
    let call = Hypercall::MmuUpdate { updates: vec![good, bad, good], foreign: Foreign::NONE };
    let Ok((value, Output::Done(done, _))) = guest.xen.hypercall(ONE, call) else { panic!("it answers") };
    assert_eq!((value, done), (-16, 1));
}

#[test]
fn accessed_and_dirty_are_kept_where_asked_and_the_m2p_is_written() {
    let mut guest = Guest::pinned();
    let at = guest.tables[3].address();
    let entry = guest.xen.memory.read_u64(at);
    guest.xen.memory.write_u64(at, entry | A | D);
    let update = |ptr, val| Hypercall::MmuUpdate { updates: vec![MmuUpdate { ptr, val }], foreign: Foreign::NONE };
    assert_eq!(guest.call(update(at.0 | 2, entry & !RW)), Ok(()));
    assert_eq!(guest.xen.memory.read_u64(at) & (A | D | RW), A | D);
    assert_eq!(guest.kind(guest.data[0]).1, 0, "no writable mapping is left");
    assert_eq!(guest.call(update(guest.data[0].address().0 | 1, 77)), Ok(()));
    assert_eq!(guest.xen.frames.info(guest.data[0]).pfn, Some(Gfn(77)));
}

#[test]
fn an_address_is_remapped_by_its_own_number() {
    let mut guest = Guest::pinned();
    let val = guest.data[2].address().0 | P | RW;
    assert_eq!(guest.call(Hypercall::UpdateVaMapping { va: 0, val, flags: 2 }), Ok(()));
    assert_eq!((guest.kind(guest.data[0]).1, guest.kind(guest.data[2]).1), (0, 1));
    let nowhere = guest.call(Hypercall::UpdateVaMapping { va: 1 << 30, val, flags: 0 });
    assert_eq!(nowhere.map_err(|refusal| refusal.errno), Err(Errno::EINVAL));
    let foreign = Hypercall::UpdateVaMappingOtherdomain { va: 0, val, flags: 0, domain: DomId(2) };
    assert_eq!(guest.call(foreign).map_err(|refusal| refusal.errno), Err(Errno::EPERM));
}

#[test]
fn a_store_to_a_table_of_the_last_level_is_checked_and_made() {
    let mut guest = Guest::pinned();
    let entry = guest.data[3].address().0 | P | RW;
    assert_eq!(guest.xen.store_to_readonly(ONE, 0x1000 + 24, 8, entry), Store::Emulated);
    assert_eq!(guest.kind(guest.data[3]), (PageType::Writable, 1));
    let bad = guest.tables[2].address().0 | P | RW;
    let refused = guest.xen.store_to_readonly(ONE, 0x1000 + 32, 8, bad);
    assert_eq!(refused, Store::Reflected("a page table cannot be mapped writable"));
    assert!(matches!(guest.xen.store_to_readonly(ONE, 0x1000, 4, 0), Store::Reflected(_)));
    assert!(matches!(guest.xen.store_to_readonly(ONE, 0, 8, 0), Store::Reflected(_)), "it is writable");
    assert_eq!(guest.xen.check(), Ok(()));
}

#[test]
fn a_multicall_has_a_result_for_each() {
    let mut guest = Guest::pinned();
    let nested = Hypercall::Multicall(vec![Hypercall::FpuTaskswitch(false)]);
    let calls = vec![Hypercall::Other(11), Hypercall::FpuTaskswitch(true), Hypercall::Other(27), nested];
    let Ok((0, Output::Results(results))) = guest.xen.hypercall(ONE, Hypercall::Multicall(calls)) else {
        panic!("the whole is 0")
    };
    let errors: Vec<_> = results.into_iter().map(|result| result.err().map(|refusal| refusal.errno)).collect();
    assert_eq!(errors, [Some(Errno::ENOSYS), None, Some(Errno::ENOSYS), Some(Errno::EINVAL)], "none within another");
}
