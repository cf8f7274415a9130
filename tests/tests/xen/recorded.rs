//! What the tools of a real Xen printed before, during and after a guest's life.

use std::fs;
use std::path::Path;

use hypervisor_model::xen::domain::DomId;
use hypervisor_model::xen::toolstack::XenSystem;
use hypervisor_model::xen::toolstack::config::DomainConfig;

/// The recorded machine: 1535 MiB, of which domain 0 has 640.
const FRAMES: u64 = 1535 << 8;
const DOM0_FRAMES: u64 = 640 << 8;

fn recording(name: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("xen").join(name);
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// What a command printed in a part of the recorded session.
fn printed(part: &str, command: &str) -> String {
    let text = recording("tools.txt");
    let part = text.split("=== ").find(|text| text.starts_with(part)).unwrap_or_else(|| panic!("no part {part}"));
    let command = format!("$ {command}\n");
    let after = part.split(&command).nth(1).unwrap_or_else(|| panic!("no {command} in {part}"));
    after.split("\n$ ").next().map(|text| format!("{}\n", text.trim_end_matches('\n'))).unwrap_or_default()
}

fn config() -> DomainConfig {
    DomainConfig::parse(&printed("the guest starts", "cat /domu.cfg")).expect("xl takes it")
}

/// The machine before the guest, with it, and with both of its frontends connected.
fn before() -> XenSystem {
    XenSystem::new(FRAMES, DOM0_FRAMES)
}

fn started() -> (XenSystem, DomId) {
    let mut system = before();
    let id = system.create(&config()).expect("there is room");
    (system, id)
}

fn connected() -> (XenSystem, DomId) {
    let (mut system, id) = started();
    system.connect(id);
    (system, id)
}

/// A text without what differs from run to run: seconds, and the letters of who happens to run.
fn without_time(list: &str) -> Vec<String> {
    let line = |line: &str| line.split_whitespace().take(4).collect::<Vec<_>>().join(" ");
    list.lines().map(line).collect()
}

#[test]
fn before_the_guest_ports_store_and_info_are_as_recorded() {
    let system = before();
    assert_eq!(system.lsevtchn(DomId(0)), printed("tools before", "lsevtchn 0"));
    assert_eq!(system.xenstore_ls("/"), printed("tools before", "xenstore-ls -f"));
    assert_eq!(without_time(&system.list(None)), without_time(&printed("tools before", "xl list")));
    let of_xen = |text: &str| -> Vec<String> {
        let own = ["host", "release", "version", "machine"];
        text.lines()
            .filter(|line| !own.contains(&line.split_whitespace().next().unwrap_or("")))
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(of_xen(&system.info()), of_xen(&printed("tools before", "xl info")));
}

#[test]
fn a_new_guest_has_the_recorded_ports() {
    let (system, id) = started();
    assert_eq!(id, DomId(1));
    assert_eq!(system.lsevtchn(id), printed("the guest starts", "lsevtchn 1"));
    assert_eq!(without_time(&system.list(None)), without_time(&printed("the guest starts", "xl list")));
}

#[test]
fn connected_frontends_have_the_recorded_ports_and_nodes() {
    let (system, id) = connected();
    let part = "both frontends connected";
    assert_eq!(system.lsevtchn(id), printed(part, "lsevtchn 1"));
    assert_eq!(system.lsevtchn(DomId(0)), printed(part, "lsevtchn 0"));
    let front = "/local/domain/1/device";
    assert_eq!(system.xenstore_ls(front), printed(part, &format!("xenstore-ls -f {front}")));
    let back = "/local/domain/0/backend";
    assert_eq!(system.xenstore_ls(back), printed(part, &format!("xenstore-ls -f {back}")));
}

#[test]
fn when_the_guest_has_gone_nothing_of_it_is_left() {
    let (mut system, id) = connected();
    system.destroy(id).expect("it is there");
    let part = "the guest goes";
    assert_eq!(system.lsevtchn(DomId(0)), printed(part, "lsevtchn 0"));
    assert_eq!(system.xenstore_ls("/local/domain"), printed(part, "xenstore-ls -f /local/domain"));
    assert_eq!(without_time(&system.list(None)), without_time(&printed(part, "xl list")));
}

/// A dump without machine frames, which differ from machine to machine.
fn without_frames(dump: &str) -> Vec<String> {
    let line = |line: &str| -> String {
        let mut words: Vec<&str> = line.split_whitespace().collect();
        if words.get(1).is_some_and(|word| word.starts_with("[0x")) {
            words[3] = "MFN";
            words[6] = "GMFN";
        }
        words.join(" ")
    };
    dump.lines().map(line).collect()
}

#[test]
fn xens_own_dumps_are_as_recorded() {
    let (system, _) = connected();
    let recorded = recording("debug-keys.txt");
    let (_, dumps) = recorded.split_once('\n').expect("a title, then the dumps");
    let own = format!("{}{}", system.debug_key_g(), system.debug_key_e());
    assert_eq!(without_frames(&own), without_frames(dumps));
}

#[test]
fn the_nodes_of_devices_are_written_in_the_recorded_order() {
    let mut system = before();
    for path in ["/local/domain/1/device", "/local/domain/0/backend"] {
        system.host.store.watch(DomId(0), path, "w").expect("domain 0 may");
    }
    let id = system.create(&config()).expect("there is room");
    system.connect(id);
    // Several writes of one node, and directories, are where timing shows; what is compared is when each node came first.
    let first = |paths: Vec<String>, at: &str| -> Vec<String> {
        let mut seen: Vec<String> = Vec::new();
        for path in paths.into_iter().filter(|path| path.starts_with(at) && path.len() > at.len()) {
            if !seen.contains(&path) && !path.ends_with("hotplug-status") {
                seen.push(path);
            }
        }
        seen
    };
    let own: Vec<String> = system.host.store.take_events(DomId(0)).into_iter().map(|event| event.path).collect();
    let text = recording("xenbus-watch.txt");
    let recorded: Vec<String> = text.lines().filter_map(|line| line.split(" = ").next()).map(str::to_owned).collect();
    for at in [
        "/local/domain/1/device/vbd/51712/",
        "/local/domain/0/backend/vbd/1/51712/",
        "/local/domain/0/backend/vif/1/0/",
    ] {
        assert_eq!(first(own.clone(), at), first(recorded.clone(), at), "{at}");
    }
    // The recording of the interface's frontend ends early: what there is of it is the beginning.
    let at = "/local/domain/1/device/vif/0/";
    let (own, recorded) = (first(own, at), first(recorded, at));
    assert_eq!(own[..recorded.len()], recorded[..]);
}
