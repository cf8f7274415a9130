//! The seam, with a machine that has a little of everything.

use std::sync::Arc;

use super::device::{DeviceAnswer, DeviceCall, DeviceNode, DeviceOp};
use super::interrupt::{DiskRequest, Interrupt};
use super::report::{Deed, DeedKind, Lane, Report};
use super::{Port, SystemId};
use crate::action::Action;
use crate::block::{Direction, Purpose};
use crate::errno::Errno;
use crate::event::{Event, EventKind};
use crate::kernel::{Kernel, Trace};
use crate::net::mac::Mac;
use crate::net::packet::Frame;
use crate::pv_ops::{PvOp, PvOps};
use crate::step::Running;
use crate::syscall::{Call, CallResult, Sysno, Value};
use crate::task::TaskId;
use crate::time::Nanos;
use crate::timeline::{Direction as To, Timeline};
use crate::world::{Config, World};

const SHELL: TaskId = TaskId(2);

/// A machine with a device that counts, answers late, and takes several turns; with another kernel; that reports loads
/// of CR3.
#[derive(Clone, Default)]
struct Toy {
    loads: u64,
    reports: Vec<Report>,
    interrupts: Vec<Interrupt>,
    left: u32,
    sent: Vec<(Port, Frame)>,
    asked: Vec<DiskRequest>,
    due: Option<Nanos>,
    is_answered: bool,
    closed: Vec<u64>,
    /// What is on the disk of port 3.
    disk: Vec<u8>,
}

impl Toy {
    fn deed(&self) -> Report {
        let deed = Deed::new(DeedKind::Exit, "CR access").goes(0, Lane::GuestKernel, Lane::Hypervisor);
        Report::Did(deed.with("loads", self.loads).says("Load {loads}.", "").into())
    }
}

impl PvOps for Toy {
    fn execute(&mut self, _cpu: u32, op: PvOp) {
        if let PvOp::WriteCr3 { .. } = op {
            self.loads += 1;
            self.reports.push(self.deed());
        }
    }

    fn reports(&mut self) -> Vec<Report> {
        std::mem::take(&mut self.reports)
    }

    fn devices(&self) -> &'static [DeviceNode] {
        &[DeviceNode { name: "toy/box", dev: (10, 232), mode: 0o600 }]
    }

    fn device(&mut self, call: DeviceCall<'_>) -> DeviceAnswer {
        match call.op {
            DeviceOp::Open(_) => DeviceAnswer::Opened(7, "toy".to_owned()),
            DeviceOp::Ioctl(1, arg) => DeviceAnswer::Done(arg.as_int().unwrap_or(0) + 1, None),
            DeviceOp::Ioctl(2, _) => DeviceAnswer::Opened(8, "anon_inode:toy-part".to_owned()),
            DeviceOp::Ioctl(3, _) if self.left > 0 => {
                self.left -= 1;
                DeviceAnswer::Again(Nanos(1_000))
            }
            DeviceOp::Ioctl(4, _) if !self.is_answered => {
                self.due = Some(call.now + Nanos(5_000_000));
                DeviceAnswer::Sleep(call.handle, None)
            }
            DeviceOp::Close => {
                self.closed.push(call.handle);
                DeviceAnswer::Done(0, None)
            }
            DeviceOp::Read(count) => DeviceAnswer::Done(0, Some(Value::bytes(vec![b'x'; count.min(3)]))),
            _ => DeviceAnswer::Done(0, None),
        }
    }

    fn turn(&mut self, now: Nanos, _is_idle: bool) -> bool {
        if self.due.is_some_and(|due| due <= now) {
            self.due = None;
            self.is_answered = true;
            self.interrupts.push(Interrupt::Answer(7));
        }
        false
    }

    fn next_timer(&self) -> Option<Nanos> {
        self.due
    }

    fn interrupts(&mut self) -> Vec<Interrupt> {
        std::mem::take(&mut self.interrupts)
    }

    fn submit(&mut self, request: DiskRequest) {
        let place = request.pos as usize..(request.pos + request.bytes) as usize;
        match (self.disk.get_mut(place), request.direction) {
            (Some(bytes), Direction::Write) => bytes.copy_from_slice(&request.data),
            (Some(bytes), Direction::Read) => {
                let (disk, pos, bytes) = (request.disk, request.pos, Arc::from(&*bytes));
                self.interrupts.push(Interrupt::DiskData { disk, pos, bytes });
            }
            (None, _) => {}
        }
        self.interrupts.push(Interrupt::DiskDone(request.disk));
        self.asked.push(request);
    }

    fn transmit(&mut self, port: Port, frame: &Frame) {
        self.sent.push((port, frame.clone()));
    }

    fn world_of(&self, _system: SystemId) -> Option<&World> {
        None
    }
}

fn booted(machine: Toy) -> Running<Toy> {
    let mut running = Running::boot(Config::default(), machine);
    assert!(running.run(10_000, &mut Trace::silent()));
    running
}

fn call(running: &mut Running<Toy>, nr: Sysno, args: Vec<Value>) -> Option<CallResult> {
    running.call_as(SHELL, Call { nr, args }, &mut Trace::silent())
}

fn value(result: Option<CallResult>) -> i64 {
    result.expect("the call returns").expect("and succeeds").value
}

fn open(running: &mut Running<Toy>) -> i64 {
    value(call(running, Sysno::OPEN, vec![Value::str("/dev/toy/box"), 2.into()]))
}

fn typed(running: &mut Running<Toy>, text: &str) -> (String, Vec<Event>) {
    let console = running.world.consoles.ids().next().expect("there is a console");
    let mut trace = Trace::new();
    running.inject(&Action::Line { console, text: text.to_owned() }, &mut trace);
    assert!(running.run(100_000, &mut trace));
    let bytes = trace.events.iter().filter_map(|e| match &e.kind {
        EventKind::Output { bytes, .. } => Some(String::from_utf8_lossy(bytes).into_owned()),
        _ => None,
    });
    (bytes.collect(), trace.events)
}

#[test]
fn a_device_of_the_machine_has_a_node_and_answers() {
    let mut running = booted(Toy::default());
    assert_eq!(typed(&mut running, "stat -c '%a %t,%T' /dev/toy/box; head -c 3 /dev/toy/box").0, "600 a,e8\nxxx");
    let fd = open(&mut running);
    assert_eq!(value(call(&mut running, Sysno::IOCTL, vec![fd.into(), 1.into(), 41.into()])), 42);
    let part = value(call(&mut running, Sysno::IOCTL, vec![fd.into(), 2.into(), Value::Null]));
    assert_eq!(part, fd + 1);
    let file = running.world.file_id(SHELL, part as i32).expect("it is open");
    assert_eq!(running.world.file_name(file, SHELL), "anon_inode:toy-part");
}

#[test]
fn a_call_that_is_not_done_is_made_again_in_the_next_turn() {
    let mut running = booted(Toy { left: 2, ..Toy::default() });
    let fd = open(&mut running);
    assert_eq!(call(&mut running, Sysno::IOCTL, vec![fd.into(), 3.into(), Value::Null]), None);
    assert_eq!(running.machine.left, 1);
}

#[test]
fn a_call_sleeps_until_the_machine_answers() {
    let mut running = booted(Toy::default());
    let mut trace = Trace::silent();
    let fd = open(&mut running);
    call(&mut running, Sysno::IOCTL, vec![fd.into(), 4.into(), Value::Null]);
    assert!(running.machine.due.is_some());
    running.inject(&Action::Wait { span: Nanos(10_000_000) }, &mut trace);
    assert!(running.run(1_000, &mut trace));
    assert!(running.machine.is_answered, "the machine's timer is one of those for which time passes");
}

#[test]
fn an_eventfd_counts_and_says_so_to_poll() {
    let mut running = booted(Toy::default());
    let fd = value(call(&mut running, Sysno::EVENTFD2, vec![2.into(), 0o4000.into()]));
    let write = |running: &mut Running<Toy>, n: u64| {
        call(running, Sysno::WRITE, vec![fd.into(), Value::bytes(n.to_le_bytes().to_vec()), 8.into()])
    };
    assert_eq!(value(write(&mut running, 3)), 8);
    assert_eq!(write(&mut running, u64::MAX), Some(Err(Errno::EINVAL)));
    let read = |running: &mut Running<Toy>| call(running, Sysno::READ, vec![fd.into(), Value::Null, 8.into()]);
    let taken = read(&mut running).expect("it returns").expect("and succeeds");
    assert_eq!(taken.output(1).as_bytes(), Some(&5u64.to_le_bytes()[..]));
    assert_eq!(read(&mut running), Some(Err(Errno::EAGAIN)));
    let short = call(&mut running, Sysno::READ, vec![fd.into(), Value::Null, 7.into()]);
    assert_eq!(short, Some(Err(Errno::EINVAL)));
}

#[test]
fn a_futex_that_has_changed_is_not_waited_for() {
    let mut running = booted(Toy::default());
    let mm = running.world.processes[running.world.tasks[SHELL].process].mm.expect("it has memory");
    let heap = running.world.mm.spaces[mm].start_brk;
    let word = value(call(&mut running, Sysno::BRK, vec![(heap + 4096).into()])) as u64 - 4096;
    let futex =
        |running: &mut Running<Toy>, args: [i64; 3]| call(running, Sysno::FUTEX, args.map(Value::from).to_vec());
    assert_eq!(futex(&mut running, [word as i64, 128, 1]), Some(Err(Errno::EAGAIN)));
    assert_eq!(futex(&mut running, [word as i64 + 1, 128, 0]), Some(Err(Errno::EINVAL)));
    assert_eq!(futex(&mut running, [0, 128, 0]), Some(Err(Errno::EFAULT)));
    assert_eq!(value(futex(&mut running, [word as i64, 129, 1])), 0);
    assert_eq!(futex(&mut running, [word as i64, 5, 0]), Some(Err(Errno::ENOSYS)));
}

#[test]
fn what_the_machine_did_follows_the_operation_that_caused_it() {
    let mut running = booted(Toy::default());
    let (_, events) = typed(&mut running, "/bin/true");
    let load = events.iter().position(|e| matches!(e.kind, EventKind::Privileged { op: PvOp::WriteCr3 { .. } }));
    let report = &events[load.expect("an address space was switched") + 1].kind;
    let EventKind::Machine(Report::Did(deed)) = report else { panic!("{report:?}") };
    assert_eq!((deed.name, report.family().label()), ("CR access", "VM exit"));
}

#[test]
fn the_machine_at_an_event_is_as_it_was_there() {
    let mut timeline = Timeline::new(Config::default(), Toy::default());
    let console = timeline.head().consoles.ids().next().expect("there is a console");
    timeline.act(Action::Line { console, text: "/bin/true; /bin/true".to_owned() });
    assert!(timeline.run(10_000));
    let end = timeline.len();
    while timeline.step(crate::event::Granularity::Micro, To::Back) {
        if let Some(EventKind::Machine(Report::Did(deed))) = timeline.current_event().map(|e| e.kind) {
            assert_eq!(deed.number("loads"), Some(timeline.machine().loads));
        }
    }
    assert_eq!(timeline.machine().loads, 0);
    timeline.seek(end);
    assert!(timeline.machine().loads > 2);
}

#[test]
fn a_disk_and_a_cable_can_end_in_the_machine() {
    let mac = Mac::made_up(77);
    let disk = Interrupt::Disk { name: "xvda".to_owned(), dev: (202, 0), size: 1 << 20, port: Port(3) };
    let card = Interrupt::NetDevice { name: "eth0".to_owned(), mac, driver: "vif", port: Port(4) };
    let mut running = booted(Toy { interrupts: vec![disk, card], ..Toy::default() });
    let (text, _) =
        typed(&mut running, "ls -l /dev/xvda | cut -c1; ip link set eth0 up; ip -br link show eth0 | cut -c1-18");
    assert_eq!(text, "b\neth0             U\n");
    typed(&mut running, "ip addr add 10.0.0.1/24 dev eth0; ping -c 1 -W 1 10.0.0.2");
    assert!(running.machine.sent.iter().any(|(port, _)| *port == Port(4)), "somebody is asked for the address");
    let dev = running.world.disk_by_dev((202, 0)).expect("there is the disk");
    let mut trace = Trace::new();
    {
        let Running { world, machine, .. } = &mut running;
        let mut k = Kernel { world, machine, trace: &mut trace, from_outside: false };
        let group = k.cgroups.groups.ids().next().expect("there is a group");
        k.submit_bio(dev, Direction::Read, 4096, group, Purpose::Raw(0, Arc::from([])));
    }
    assert_eq!((running.machine.asked.len(), running.world.is_disk_busy()), (1, true));
    assert!(running.run(100, &mut trace));
    assert!(!running.world.is_disk_busy());
}

#[test]
fn a_thread_that_exits_leaves_its_namespaces() {
    let mut running = booted(Toy::default());
    let thread: u64 = 0x0005_0f00;
    let nr = value(call(&mut running, Sysno::CLONE, vec![thread.into()]));
    assert!(nr > 0);
    let thread = running.world.tasks.ids().last().expect("there is a thread");
    running.call_as(thread, Call { nr: Sysno::EXIT, args: vec![0.into()] }, &mut Trace::silent());
    assert_eq!(running.world.check(), Ok(()));
}

fn with_disk(disk: Vec<u8>) -> Running<Toy> {
    let size = disk.len() as u64;
    let interrupt = Interrupt::Disk { name: "xvda".to_owned(), dev: (202, 0), size, port: Port(3) };
    booted(Toy { interrupts: vec![interrupt], disk, ..Toy::default() })
}

#[test]
fn what_shares_a_sector_or_a_page_with_what_is_written_to_a_disk_stays() {
    let mut running = with_disk(vec![b'.'; 8192]);
    let dd = "dd of=/dev/xvda conv=notrunc status=none";
    let out = typed(&mut running, &format!("head -c 512 /dev/zero | tr '\\0' a | {dd} bs=512")).0;
    assert_eq!(out, "");
    let parts =
        format!("printf bc | {dd} bs=2 seek=350; printf d | {dd} bs=1 seek=4095; printf ef | {dd} bs=2 seek=2304");
    typed(&mut running, &parts);
    let disk = &running.machine.disk;
    assert!(disk[..512].iter().all(|b| *b == b'a'));
    assert_eq!((&disk[512..514], &disk[699..703], &disk[4094..4097]), (&b".."[..], &b".bc."[..], &b".d."[..]));
    assert_eq!((&disk[4607..4611], disk.iter().filter(|b| **b == b'.').count()), (&b".ef."[..], 8192 - 512 - 5));
}

#[test]
fn what_is_written_past_the_page_cache_reaches_the_disk_and_nothing_else() {
    let mut running = with_disk(vec![0; 16 << 20]);
    typed(&mut running, "mkfs.ext4 -q /dev/xvda; mkdir /tmp/d; mount /dev/xvda /tmp/d");
    let before = running.machine.disk.clone();
    typed(&mut running, "tr '\\0' z < /dev/zero | dd of=/tmp/d/f bs=4096 count=2 iflag=fullblock oflag=direct");
    let disk = &running.machine.disk;
    assert_eq!(disk.iter().filter(|b| **b == b'z').count(), 8192);
    assert_eq!(disk[..4096], before[..4096], "it is still known which file system it is");
}

#[test]
fn a_file_of_a_device_that_gets_no_descriptor_is_closed() {
    let mut running = booted(Toy::default());
    let fd = open(&mut running);
    value(call(&mut running, Sysno::PRLIMIT64, vec![0.into(), 7.into(), limit(fd + 1), Value::Null]));
    let part = call(&mut running, Sysno::IOCTL, vec![fd.into(), 2.into(), Value::Null]);
    assert_eq!(part, Some(Err(Errno::EMFILE)));
    assert_eq!(running.machine.closed, [8]);
}

fn limit(n: i64) -> Value {
    Value::record([("rlim_cur", n.into()), ("rlim_max", n.into())])
}

#[test]
fn addresses_at_the_very_end_are_nobodys() {
    let mut running = booted(Toy::default());
    for addr in [-4, -4096, i64::MIN, 0x7fff_ffff_f000] {
        let futex = call(&mut running, Sysno::FUTEX, vec![addr.into(), 0.into(), 0.into()]);
        assert_eq!(futex, Some(Err(Errno::EFAULT)), "{addr:x}");
    }
    let zero = value(call(&mut running, Sysno::OPEN, vec![Value::str("/dev/zero"), 0.into()]));
    for (addr, count) in [(-4i64, 8i64), (-8192, 4096), (0x7fff_ffff_e000, 8192)] {
        let read = call(&mut running, Sysno::READ, vec![zero.into(), addr.into(), count.into()]);
        assert_eq!(read, Some(Err(Errno::EFAULT)), "{addr:x}");
    }
    let top: i64 = 0x7fff_ffff_e000;
    let map = vec![top.into(), 4096.into(), 3.into(), 0x32.into(), (-1).into(), 0.into()];
    assert_eq!(value(call(&mut running, Sysno::MMAP, map)), top);
    let grow = vec![top.into(), 4096.into(), 8192.into(), 0.into()];
    assert_eq!(call(&mut running, Sysno::MREMAP, grow), Some(Err(Errno::ENOMEM)));
}
