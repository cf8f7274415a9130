//! Domain 0's tools at work.

use super::XenSystem;
use super::config::DomainConfig;
use super::create::CreateError;
use crate::xen::domain::{DomId, VcpuId};

const CONFIG: &str = "name='guest1'\nkernel='/k'\nmemory=2\ndisk=['vdev=xvda,target=/dev/loop0']\nvif=['']\n";

fn system() -> XenSystem {
    XenSystem::new(24 << 8, 2 << 8)
}

fn config() -> DomainConfig {
    DomainConfig::parse(CONFIG).expect("it is right")
}

#[test]
fn a_domain_comes_and_goes_without_a_trace() {
    let mut system = system();
    let before = (system.lsevtchn(DomId(0)), system.xenstore_ls("/"), system.host.xen.memory.free_frames());
    let id = system.create(&config()).expect("there is room");
    system.connect(id);
    assert_eq!((system.host.xen.check(), system.host.store.check()), (Ok(()), Ok(())));
    assert_eq!(system.create(&config()), Err(CreateError::NameInUse(id)));
    system.destroy(id).expect("it is there");
    let after = (system.lsevtchn(DomId(0)), system.xenstore_ls("/"), system.host.xen.memory.free_frames());
    assert_eq!(after, before);
    assert_eq!((system.host.xen.check(), system.host.store.check()), (Ok(()), Ok(())));
}

#[test]
fn a_paused_domain_keeps_its_memory_and_a_balloon_gives_some_back() {
    let mut system = system();
    let id = system.create(&config()).expect("there is room");
    system.pause(id).expect("it runs");
    assert!(system.list(Some(id)).contains("guest1                                       1     2     1     --p---"));
    system.unpause(id).expect("it is paused");
    let free = system.host.xen.memory.free_frames();
    system.mem_set(id, 1);
    assert_eq!(system.host.xen.memory.free_frames(), free + 256);
    system.mem_set(id, 2);
    assert_eq!((system.host.xen.memory.free_frames(), system.host.xen.check()), (free, Ok(())));
}

#[test]
fn there_must_be_room_and_the_kind_must_be_known() {
    let mut system = system();
    let big = DomainConfig { memory: 100, ..config() };
    assert_eq!(system.create(&big), Err(CreateError::NoMemory));
    let hvm = DomainConfig { kind: "hvm".to_owned(), ..config() };
    assert_eq!(system.create(&hvm), Err(CreateError::NotModelled("hvm".to_owned())));
    assert_eq!(system.host.xen.domains().count(), 1);
}

#[test]
fn a_guest_that_crashes_fails_alone() {
    let mut system = system();
    let id = system.create(&config()).expect("there is room");
    system.host.xen.crash(VcpuId::first(id), "an exception has no handler");
    assert!(system.list(Some(id)).contains("-c-"), "{}", system.list(None));
    assert!(system.host.xen.console.back().is_some_and(|line| line.contains("Domain 1")));
    assert!(system.host.xen.domain(DomId(0)).is_some_and(|d| d.shutdown.is_none()));
    system.destroy(id).expect("it is there");
}
