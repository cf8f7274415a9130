//! Projections of the machine: what the text twins of the views say of the same step on different platforms.
//!
//! `UPDATE_EXPECT=1 cargo test -p hypervisor-model` writes the files anew; the difference is to be read.

use std::path::Path;

use expect_test::expect_file;
use hypervisor_model::cpu::Vendor;
use hypervisor_model::machine::Platform;
use hypervisor_model::machine::measured::{Measured, machine_of};
use hypervisor_model::projection::control_structure::ControlStructures;
use hypervisor_model::projection::cost_bars::CostBars;
use hypervisor_model::projection::exit_lanes::ExitLanes;
use hypervisor_model::projection::frames::Frames;
use hypervisor_model::projection::page_walks::PageWalks;
use hypervisor_model::projection::rings::Rings;
use hypervisor_model::projection::tlb_table::TlbTable;
use hypervisor_model::projection::xen::channels::Channels;
use hypervisor_model::projection::xen::frames::MachineFrames;
use hypervisor_model::projection::xen::grants::Lending;
use hypervisor_model::projection::xen::lanes::HypercallLanes;
use hypervisor_model::projection::xen::pv_table::PvTable;
use hypervisor_model::projection::xen::store::Store;
use kernel_model::action::Action;
use kernel_model::console::ConsoleId;
use kernel_model::event::{Event, EventKind};
use kernel_model::mm::MmId;
use kernel_model::pv_ops::PvOp;
use kernel_model::timeline::Timeline;
use kernel_model::world::{Config, World};

/// A step of a session: what was before and after it, and what happened.
struct Step {
    before: Box<dyn Measured>,
    after: Box<dyn Measured>,
    world: World,
    events: Vec<Event>,
}

/// The step in which a new program's address space comes into force for the first time, and what it does until its next
/// system call.
fn step(platform: Platform) -> Step {
    let config = Config { terminal: true, machine: platform.code(), ..Config::default() };
    let mut timeline = Timeline::new(config, machine_of(&config));
    timeline.act(Action::Line { console: ConsoleId(1), text: "/bin/true".to_owned() });
    assert!(timeline.run(100_000));
    let all = timeline.events_in(0, usize::MAX >> 1);
    let mut last = None::<MmId>;
    let switch = |e: &Event| match e.kind {
        EventKind::Privileged { op: PvOp::WriteCr3 { mm } } => last.replace(mm).is_some_and(|before| before != mm),
        _ => false,
    };
    let from = all.iter().position(switch).expect("another address space comes into force");
    let is_call = |e: &Event| matches!(e.kind, EventKind::CallReturned { .. });
    let end = all[from..].iter().position(is_call).map_or(all.len(), |n| from + n);
    timeline.seek(from as u64);
    let before = timeline.machine().clone();
    timeline.seek(end as u64);
    let (after, world) = (timeline.machine().clone(), timeline.world().clone());
    Step { before, after, world, events: all[from..end].to_vec() }
}

fn check(name: &str, text: &str) {
    expect_file![Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)].assert_eq(text);
}

#[test]
fn every_picture_of_a_step_under_nested_paging() {
    let step = step(Platform::KvmEpt);
    let (before, after) = (step.before.counters(), step.after.counters());
    let exits = (step.before.vm_exits(), step.after.vm_exits());
    check("exits-kvm-ept.txt", &ExitLanes::of(&step.events, &step.world, &exits.0, &exits.1).text());
    check("cost-kvm-ept.txt", &CostBars::of(before, after).text());
    check("rings-kvm-ept.txt", &Rings::of_step(&step.events, Some(Platform::KvmEpt)).text());
    let walks = PageWalks::of(&step.events, "Nested.");
    check("walks-kvm-ept.txt", &walks.text());
    assert!(walks.walks.iter().all(|walk| walk.references() <= 24), "four levels under four are 24 references");
    let parts = (step.before.parts().expect("a computer"), step.after.parts().expect("a computer"));
    check("tlb-kvm-ept.txt", &TlbTable::of(parts, (before, after), &step.events).text());
    check("frames-kvm-ept.txt", &Frames::of(parts.0, parts.1).text());
    let structures = structures(&step);
    check("vmcs-kvm-ept.txt", &structures.text(Vendor::Intel));
    check("vmcb-kvm-ept.txt", &structures.text(Vendor::Amd));
}

fn structures(step: &Step) -> ControlStructures {
    ControlStructures::of(&step.before.virtual_processors(), &step.after.virtual_processors())
}

#[test]
fn the_same_step_with_shadow_tables_and_on_the_bare_machine() {
    let shadow = step(Platform::KvmShadow);
    let (before, after) = (shadow.before.vm_exits(), shadow.after.vm_exits());
    check("exits-kvm-shadow.txt", &ExitLanes::of(&shadow.events, &shadow.world, &before, &after).text());
    assert!(PageWalks::of(&shadow.events, "").walks.iter().all(|walk| !walk.is_nested()));
    let structures_of_shadow = structures(&shadow);
    check("vmcs-kvm-shadow.txt", &structures_of_shadow.text(Vendor::Intel));
    check("vmcb-kvm-shadow.txt", &structures_of_shadow.text(Vendor::Amd));
    let native = step(Platform::Native);
    let lanes = ExitLanes::of(&native.events, &native.world, &native.before.vm_exits(), &native.after.vm_exits());
    assert_eq!((lanes.exits(), lanes.rows.len()), (0, 0), "{}", lanes.text());
    assert!(structures(&native).processors.is_empty());
    check("walks-native.txt", &PageWalks::of(&native.events, "Its own.").text());
}

/// A guest on Xen with a disk and an interface, whose terminal is attached; the file of the last line goes to its disk.
const GUEST: [&str; 5] = [
    "ip link add xenbr0 type bridge; cat > guest1.cfg <<'END'\nname=\"guest1\"\ntype=\"pv\"\nkernel=\"/bin/true\"\nmemory=192\n\
     vcpus=1\ndisk=['format=raw,vdev=xvda,access=rw,script=block-simple,target=/dev/vda']\n\
     vif=['mac=00:16:3e:00:00:01,script=vif-bridge']\nEND",
    "xl create guest1.cfg",
    "xl console guest1",
    "mkfs.ext4 -q /dev/xvda; mount /dev/xvda /mnt; sync; echo 'once upon a time' > /tmp/story",
    "dd if=/tmp/story of=/mnt/story conv=fsync",
];

/// What these lines have made, from one step of the last of them to another.
fn step_of_a_guest(lines: &[&str], from: Option<&str>, to: Option<&str>) -> Step {
    let config = Config { terminal: true, machine: Platform::XenPv64.code(), ..Config::default() };
    let mut timeline = Timeline::new(config, machine_of(&config));
    for line in lines {
        timeline.act(Action::Line { console: ConsoleId(1), text: (*line).to_owned() });
        assert!(timeline.run(4_000_000), "{line} does not come to rest");
    }
    let begins = timeline.action_starts().last().copied().unwrap_or(0);
    let place = |timeline: &mut Timeline<Box<dyn Measured>>, step: &str| {
        timeline.seek_step(step);
        timeline.position()
    };
    let from = from.map_or(begins, |step| place(&mut timeline, step));
    let to = to.map_or(timeline.len(), |step| place(&mut timeline, step));
    assert!(begins <= from && from < to, "{from} to {to}");
    timeline.seek(from);
    let before = timeline.machine().clone();
    timeline.seek(to);
    let (after, world) = (timeline.machine().clone(), timeline.world().clone());
    let events = timeline.events_in(from, (to - from) as usize);
    Step { before, after, world, events }
}

#[test]
fn every_picture_of_xen_with_a_guest() {
    let created = step_of_a_guest(&GUEST[..2], None, None);
    let (before, after) = (created.before.xen().expect("Xen"), created.after.xen().expect("Xen"));
    check("xen-store-created.txt", &Store::of_step(before, after).text());
    check("xen-frames-created.txt", &MachineFrames::of_step(before, after).text());
    check("xen-channels-created.txt", &Channels::of_step(before, after, &created.events).text());
    // A request of the guest's is on its way: the disk has done it, and the backend is about to say so.
    let writes = step_of_a_guest(&GUEST, Some("fsync("), Some("bytes done after"));
    let (before, after) = (writes.before.xen().expect("Xen"), writes.after.xen().expect("Xen"));
    check("xen-channels-write.txt", &Channels::of_step(before, after, &writes.events).text());
    check("xen-grants-write.txt", &Lending::of_step(before, after).text());
    let calls = (&writes.before.counters().hypercalls, &writes.after.counters().hypercalls);
    check("xen-hypercalls-write.txt", &HypercallLanes::of_step(&writes.events, &writes.world, calls.0, calls.1).text());
    let line = step_of_a_guest(&GUEST, None, None);
    let table = PvTable::of_step(&line.events, Some(Platform::XenPv64));
    assert!(table.rows.iter().any(|row| row.used > 0), "{}", table.text());
    check("xen-pv-ops-write.txt", &table.text());
}
