//! The store as its clients use it.

use super::permission::{Permissions, Right};
use super::wire::{Message, MessageType};
use super::{Asker, XenStore};
use crate::xen::domain::DomId;
use kernel_model::errno::Errno;

const DOM0: Asker = Asker::of(DomId(0));
const ONE: Asker = Asker::of(DomId(1));
const TWO: Asker = Asker::of(DomId(2));

/// A store with a place for domain 1, its own.
fn store() -> XenStore {
    let mut store = XenStore::new();
    store.write(DOM0, "/local/domain/1/name", "guest1").expect("domain 0 may");
    let own = Permissions::of(DomId(1));
    for path in ["/local/domain/1", "/local/domain/1/name"] {
        store.set_permissions(DOM0, path, own.clone()).expect("domain 0 may");
    }
    store
}

fn paths(store: &mut XenStore, domain: u16) -> Vec<String> {
    store.take_events(DomId(domain)).into_iter().map(|event| event.path).collect()
}

#[test]
fn what_is_missing_above_is_made_and_children_keep_their_order() {
    let mut store = XenStore::new();
    for name in ["vif", "vbd", "console"] {
        store.write(DOM0, &format!("/a/b/{name}"), name).expect("domain 0 may");
    }
    assert_eq!(store.directory(DOM0, "/a/b").as_deref(), Ok(&["vif", "vbd", "console"].map(str::to_owned)[..]));
    assert_eq!(store.read(DOM0, "/a").as_deref(), Ok(""));
    store.rm(DOM0, "/a").expect("domain 0 may");
    assert_eq!(store.read(DOM0, "/a/b/vif"), Err(Errno::ENOENT));
    assert_eq!((store.rm(DOM0, "/a"), store.rm(DOM0, "/a/b")), (Ok(()), Err(Errno::ENOENT)));
    assert_eq!(store.check(), Ok(()));
}

#[test]
fn paths_have_their_letters_and_relative_ones_their_place() {
    let mut store = store();
    assert_eq!(store.read(ONE, "name").as_deref(), Ok("guest1"));
    for wrong in ["", "/a//b", "/a/", "/a b", "/a.b"] {
        assert_eq!(store.write(DOM0, wrong, "x"), Err(Errno::EINVAL), "{wrong}");
    }
    assert_eq!(store.write(DOM0, "/big", &"x".repeat(4097)), Err(Errno::E2BIG));
}

#[test]
fn each_has_its_own_and_sees_of_others_what_it_may() {
    let mut store = store();
    assert_eq!(store.write(ONE, "device/vbd/51712/state", "1"), Ok(()));
    assert_eq!(store.read(TWO, "/local/domain/1/device/vbd/51712/state"), Err(Errno::EACCES));
    assert_eq!(store.read(TWO, "/local/domain/1/nothing"), Err(Errno::EACCES), "not even whether it is there");
    assert_eq!(store.write(TWO, "/local/domain/1/name", "mine"), Err(Errno::EACCES));
    assert_eq!(store.write(ONE, "/tool", "x"), Err(Errno::EACCES));
    let shared = Permissions::of(DomId(1)).with(Right::Read, DomId(2));
    assert_eq!(store.set_permissions(ONE, "device/vbd/51712/state", shared.clone()), Ok(()));
    assert_eq!(store.read(TWO, "/local/domain/1/device/vbd/51712/state").as_deref(), Ok("1"));
    assert_eq!(store.permissions(TWO, "/local/domain/1/device/vbd/51712/state"), Ok(shared));
    assert_eq!(store.set_permissions(ONE, "name", Permissions::of(DomId(2))), Err(Errno::EPERM), "no giving away");
}

#[test]
fn a_watch_fires_when_it_is_set_and_for_everything_below() {
    let mut store = store();
    assert_eq!(store.watch(DomId(1), "device", "fe"), Ok(()));
    assert_eq!(store.watch(DomId(1), "device", "fe"), Err(Errno::EEXIST));
    assert_eq!(paths(&mut store, 1), ["device"]);
    store.write(ONE, "device/vif/0/state", "1").expect("it is its own");
    store.write(ONE, "devices", "1").expect("it is its own");
    assert_eq!(paths(&mut store, 1), ["device/vif/0/state"]);
    assert_eq!(store.watch(DomId(0), "@releaseDomain", "x"), Ok(()));
    paths(&mut store, 0);
    store.release(DomId(1));
    assert_eq!(paths(&mut store, 0), ["@releaseDomain"]);
    assert!(store.watches().iter().all(|watch| watch.domain != DomId(1)));
}

#[test]
fn removing_a_place_fires_the_watches_below_it() {
    let mut store = store();
    store.write(ONE, "device/vif/0/state", "1").expect("it is its own");
    store.watch(DomId(1), "device/vif/0/state", "s").expect("it may");
    paths(&mut store, 1);
    store.rm(ONE, "device").expect("it is its own");
    assert_eq!(paths(&mut store, 1), ["device/vif/0/state"]);
}

#[test]
fn a_transaction_is_seen_by_nobody_else_until_its_end() {
    let mut store = store();
    store.watch(DomId(0), "/local/domain/1", "w").expect("domain 0 may");
    paths(&mut store, 0);
    let id = store.transaction_start(ONE).expect("it may");
    let inside = Asker { transaction: id, ..ONE };
    store.write(inside, "a/b", "1").expect("it is its own");
    assert_eq!((store.read(inside, "a/b").as_deref(), store.read(ONE, "a/b")), (Ok("1"), Err(Errno::ENOENT)));
    assert_eq!(paths(&mut store, 0), Vec::<String>::new());
    assert_eq!(store.transaction_end(inside, true), Ok(()));
    assert_eq!(store.read(ONE, "a/b").as_deref(), Ok("1"));
    assert_eq!(paths(&mut store, 0), ["/local/domain/1/a/b"]);
    assert_eq!((store.transaction_end(inside, true), store.check()), (Err(Errno::ENOENT), Ok(())));
}

#[test]
fn a_transaction_that_somebody_got_ahead_of_begins_again() {
    let mut store = store();
    let id = store.transaction_start(ONE).expect("it may");
    let inside = Asker { transaction: id, ..ONE };
    store.write(inside, "name", "other").expect("it is its own");
    store.write(DOM0, "/local/domain/1/name", "third").expect("domain 0 may");
    assert_eq!(store.transaction_end(inside, true), Err(Errno::EAGAIN));
    assert_eq!(store.read(ONE, "name").as_deref(), Ok("third"));
    let id = store.transaction_start(ONE).expect("it may");
    let inside = Asker { transaction: id, ..ONE };
    store.write(inside, "name", "other").expect("it is its own");
    assert_eq!(store.transaction_end(inside, false), Ok(()));
    assert_eq!(store.read(ONE, "name").as_deref(), Ok("third"), "it was given up");
}

#[test]
fn messages_come_back_from_their_bytes_and_errors_are_names() {
    let mut store = store();
    let message = Message { kind: MessageType::Read, req_id: 7, tx_id: 0, payload: b"name\0".to_vec() };
    let bytes = message.to_bytes();
    assert_eq!(Message::from_bytes(&bytes), Some((message.clone(), 21)));
    assert_eq!(Message::from_bytes(&bytes[..20]), None);
    assert_eq!(store.answer(DomId(1), &message).payload, b"guest1");
    let other = Message { payload: b"/local/domain/2/name\0".to_vec(), ..message.clone() };
    let answer = store.answer(DomId(1), &other);
    assert_eq!((answer.kind, answer.req_id, answer.payload), (MessageType::Error, 7, b"EACCES\0".to_vec()));
    let write = Message { kind: MessageType::Write, payload: b"state\x004".to_vec(), ..message };
    assert_eq!(store.answer(DomId(1), &write).payload, b"OK\0");
    assert_eq!(store.read(ONE, "state").as_deref(), Ok("4"));
}
