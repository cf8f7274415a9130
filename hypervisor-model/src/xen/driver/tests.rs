//! The split drivers, connected and at work.

use super::blkback::{BlkBack, MemoryDisk};
use super::blkfront::BlkFront;
use super::netback::NetBack;
use super::netfront::NetFront;
use super::{DriverPool, Host};
use crate::xen::Xen;
use crate::xen::deeds::Deeds;
use crate::xen::domain::{DomId, Domain, GuestKind, VcpuId};
use crate::xen::io::blkif;
use crate::xen::io::ring::SharedRing;
use crate::xen::io::xenbus::{DeviceId, DeviceKind, XenbusState};
use crate::xen::xenstore::Asker;
use crate::xen::xenstore::permission::{Permissions, Right};

fn device(kind: DeviceKind, number: u32) -> DeviceId {
    DeviceId { kind, number, frontend: DomId(1), backend: DomId(0) }
}

/// Domain 0 and a guest, with what the toolstack writes for a device.
fn host(device: DeviceId) -> Host {
    let mut xen = Xen::new(256, 4);
    for id in 0..2_u16 {
        let mut d = Domain::new(DomId(id), GuestKind::Pv64, 1);
        (d.max_pages, d.vcpus[0].is_up, d.vcpus[0].upcall_mask) = (64, true, false);
        xen.insert_domain(d);
    }
    let mut host = Host::new(xen);
    for id in 0..2 {
        let frames = (0..40).filter_map(|_| host.xen.allocate_frame(DomId(id))).collect();
        host.pools.insert(DomId(id), DriverPool::new(frames));
    }
    let dom0 = Asker::of(DomId(0));
    for (path, owner, reader) in [(device.front(), DomId(1), DomId(0)), (device.back(), DomId(0), DomId(1))] {
        host.store.write(dom0, &path, "").expect("domain 0 may");
        let permissions = Permissions::of(owner).with(Right::Read, reader);
        host.store.set_permissions(dom0, &path, permissions).expect("domain 0 may");
        host.store.write(dom0, &format!("{path}/state"), "1").expect("domain 0 may");
    }
    host
}

fn blk() -> (Host, BlkFront, BlkBack) {
    let device = device(DeviceKind::Vbd, 51712);
    let mut host = host(device);
    let mut back = BlkBack::new(&mut host, device, 64);
    let mut front = BlkFront::new(device);
    let states = |host: &Host| (device.front_state(&host.store), device.back_state(&host.store));
    assert_eq!(states(&host), (XenbusState::Initialising, XenbusState::InitWait));
    front.backend_changed(&mut host, XenbusState::InitWait);
    back.frontend_changed(&mut host, XenbusState::Initialised);
    front.backend_changed(&mut host, XenbusState::Connected);
    assert_eq!(states(&host), (XenbusState::Connected, XenbusState::Connected));
    assert_eq!((front.sectors, host.xen.check()), (Some(64), Ok(())));
    host.xen.take_events(VcpuId::first(DomId(0)));
    (host, front, back)
}

/// The backend takes what there is, and the disk does it at once.
fn work(host: &mut Host, back: &mut BlkBack, disk: &mut MemoryDisk) {
    for io in back.interrupt(host) {
        let data = disk.serve(&io);
        back.done(host, io.cookie, Some(&data));
    }
}

#[test]
fn what_is_written_to_a_disk_is_read_from_it_and_one_page_stays_granted() {
    let (mut host, mut front, mut back) = blk();
    let mut disk = MemoryDisk::default();
    let text = b"a sector of the disk";
    let id = front.submit(&mut host, blkif::WRITE, 7, 512, text).expect("there is room");
    assert_eq!(host.xen.take_events(VcpuId::first(DomId(0))), [back.port().expect("it is connected")]);
    work(&mut host, &mut back, &mut disk);
    assert_eq!(host.xen.take_events(VcpuId::first(DomId(1))), [front.port().expect("it is connected")]);
    let done = front.interrupt(&mut host);
    assert_eq!(done.iter().map(|done| (done.id, done.status)).collect::<Vec<_>>(), [(id, blkif::OKAY)]);
    assert_eq!(disk.sector(7)[..text.len()], text[..]);
    front.submit(&mut host, blkif::READ, 7, 512, &[]).expect("there is room");
    work(&mut host, &mut back, &mut disk);
    assert_eq!(front.interrupt(&mut host)[0].data[..text.len()], text[..]);
    let grants = &host.xen.domain(DomId(1)).expect("it is there").grants.active;
    let pins: Vec<(u32, u32)> = grants.iter().map(|(gref, active)| (*gref, active.pin())).collect();
    assert_eq!(pins, [(8, 1), (9, 1)], "the ring and one data page, as recorded");
    assert_eq!(host.xen.check(), Ok(()));
}

#[test]
fn requests_that_are_wrong_are_answered_with_an_error() {
    let (mut host, mut front, mut back) = blk();
    let status = |host: &mut Host, front: &mut BlkFront, back: &mut BlkBack, operation, sector| {
        front.submit(host, operation, sector, 512, &[]).expect("there is room");
        work(host, back, &mut MemoryDisk::default());
        front.interrupt(host)[0].status
    };
    assert_eq!(status(&mut host, &mut front, &mut back, blkif::READ, 64), blkif::ERROR, "beyond the end");
    assert_eq!(status(&mut host, &mut front, &mut back, blkif::INDIRECT, 0), blkif::EOPNOTSUPP);
    back.is_writable = false;
    assert_eq!(status(&mut host, &mut front, &mut back, blkif::WRITE, 0), blkif::ERROR);
    assert_eq!(status(&mut host, &mut front, &mut back, blkif::FLUSH, 0), blkif::OKAY);
}

#[test]
fn a_full_ring_takes_no_more_and_many_requests_cost_one_event() {
    let (mut host, mut front, mut back) = blk();
    let sent = (0..40).filter(|n| front.submit(&mut host, blkif::FLUSH, *n, 0, &[]).is_some()).count();
    assert_eq!(sent, 32);
    assert_eq!(host.xen.take_events(VcpuId::first(DomId(0))).len(), 1);
    work(&mut host, &mut back, &mut MemoryDisk::default());
    assert_eq!(front.interrupt(&mut host).len(), 32);
}

#[test]
fn closing_takes_everything_back_in_both_orders() {
    let (mut host, mut front, mut back) = blk();
    front.submit(&mut host, blkif::WRITE, 0, 512, b"x").expect("there is room");
    work(&mut host, &mut back, &mut MemoryDisk::default());
    // The backend lets go first: then the frontend can take its pages back.
    back.frontend_changed(&mut host, XenbusState::Closing);
    back.disconnect(&mut host);
    front.backend_changed(&mut host, XenbusState::Closing);
    assert_eq!(front.device.front_state(&host.store), XenbusState::Closed);
    back.frontend_changed(&mut host, XenbusState::Closed);
    assert_eq!(back.device.back_state(&host.store), XenbusState::Closed);
    let guest = host.xen.domain(DomId(1)).expect("it is there");
    assert_eq!((guest.grants.active.len(), guest.grants.entries.len(), guest.channels.ports.len()), (0, 0, 0));
    assert_eq!(host.xen.check(), Ok(()));
}

#[test]
fn packets_go_both_ways_and_every_step_is_told() {
    let device = device(DeviceKind::Vif, 0);
    let mut host = host(device);
    let mut back = NetBack::new(&mut host, device);
    let mut front = NetFront::new(device);
    front.backend_changed(&mut host, XenbusState::InitWait);
    back.frontend_changed(&mut host, XenbusState::Connected);
    assert_eq!(back.device.back_state(&host.store), XenbusState::Connected);
    let read = |host: &Host, name| host.store.read(Asker::of(DomId(0)), &format!("{}/{name}", device.front()));
    assert_eq!(read(&host, "tx-ring-ref").as_deref(), Ok("520"), "after 512 that are set aside");
    host.xen.deeds = Deeds::heard();
    assert!(front.transmit(&mut host, b"echo request"));
    assert_eq!(back.tx_interrupt(&mut host), [b"echo request".to_vec()]);
    front.tx_interrupt(&mut host);
    assert!(back.receive(&mut host, b"echo reply"));
    assert_eq!(front.rx_interrupt(&mut host), [b"echo reply".to_vec()]);
    assert_eq!(host.xen.check(), Ok(()));
    let steps: Vec<String> = host.xen.deeds.take().iter().map(|deed| deed.text()).collect();
    assert!(
        steps.iter().any(|step| step.starts_with("netback has taken request 0 off the ring, has its 12 bytes copied")),
        "{steps:#?}"
    );
    front.backend_changed(&mut host, XenbusState::Closing);
    back.frontend_changed(&mut host, XenbusState::Closed);
    assert_eq!(host.xen.check(), Ok(()));
}

/// A connected interface.
fn net() -> (Host, NetFront, NetBack) {
    let device = device(DeviceKind::Vif, 0);
    let mut host = host(device);
    let mut back = NetBack::new(&mut host, device);
    let mut front = NetFront::new(device);
    front.backend_changed(&mut host, XenbusState::InitWait);
    back.frontend_changed(&mut host, XenbusState::Connected);
    (host, front, back)
}

#[test]
fn a_packet_of_several_pages_has_several_entries_and_arrives_whole() {
    let (mut host, mut front, mut back) = net();
    let packet: Vec<u8> = (0..9000_u32).map(|n| n as u8).collect();
    assert!(front.transmit(&mut host, &packet));
    assert_eq!(back.tx_interrupt(&mut host), std::slice::from_ref(&packet));
    front.tx_interrupt(&mut host);
    assert!(back.receive(&mut host, &packet));
    assert_eq!(front.rx_interrupt(&mut host), [packet]);
    assert!(!front.transmit(&mut host, &vec![0; 80_000]), "more than 18 pages");
    assert_eq!(host.xen.check(), Ok(()));
}

#[test]
fn packets_for_which_there_are_no_pages_wait_until_the_guest_posts_some() {
    let (mut host, mut front, mut back) = net();
    for n in 0..30 {
        assert!(back.receive(&mut host, &[n; 60]));
    }
    let first = front.rx_interrupt(&mut host);
    assert_eq!(first.len(), 19);
    let port = back.ports().map(|(_, rx)| rx);
    assert_eq!(host.xen.take_events(VcpuId::first(DomId(0))).into_iter().find(|known| Some(*known) == port), port);
    back.rx_action(&mut host);
    assert_eq!(front.rx_interrupt(&mut host).len(), 11);
}

/// What a frontend does to its ring.
type Misuse = fn(&mut Host, SharedRing);

#[test]
fn a_frontend_whose_ring_cannot_be_is_not_served_any_more() {
    use crate::xen::io::netif::{MORE_DATA, TX, TxRequest};
    use crate::xen::io::ring::Way;
    let ring = |back: &NetBack| back.rings()[0].1;
    let wrong: [(&str, Misuse); 3] = [
        ("more requests than it has entries", |host, ring| {
            ring.push(&mut host.xen.memory, Way::Request, 300);
        }),
        ("the end of a packet is missing", |host, ring| {
            let request = TxRequest { gref: 20, offset: 0, flags: MORE_DATA, id: 0, size: 60 };
            request.put(&mut host.xen.memory, ring.entry(0));
            ring.push(&mut host.xen.memory, Way::Request, 1);
        }),
        ("crosses the end of its page", |host, ring| {
            let request = TxRequest { gref: 20, offset: 4090, flags: 0, id: 0, size: 60 };
            request.put(&mut host.xen.memory, ring.entry(0));
            ring.push(&mut host.xen.memory, Way::Request, 1);
        }),
    ];
    assert_eq!(TX.entries(), 256);
    for (why, wrong) in wrong {
        let (mut host, mut front, mut back) = net();
        wrong(&mut host, ring(&back));
        assert_eq!(back.tx_interrupt(&mut host), Vec::<Vec<u8>>::new());
        assert!(back.disabled.is_some_and(|said| said.contains(why)), "{why}: {:?}", back.disabled);
        assert!(!back.receive(&mut host, b"for the guest"));
        front.tx_interrupt(&mut host);
        assert_eq!(host.xen.check(), Ok(()));
    }
    // A grant that does not hold is an error of that packet alone.
    let (mut host, mut front, mut back) = net();
    let request = TxRequest { gref: 500, offset: 0, flags: 0, id: 9, size: 60 };
    request.put(&mut host.xen.memory, ring(&back).entry(0));
    ring(&back).push(&mut host.xen.memory, Way::Request, 1);
    assert_eq!((back.tx_interrupt(&mut host), back.disabled), (Vec::new(), None));
    assert_eq!(ring(&back).indices(&host.xen.memory).rsp_prod, 1);
    front.tx_interrupt(&mut host);
}
