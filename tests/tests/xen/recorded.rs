//! What the tools of a real Xen printed before, during and after a guest's life.

use std::fs;
use std::path::Path;

use super::session::Session;

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

/// The recorded configuration with a disk that there is: the model has no loop devices.
fn config() -> String {
    printed("the guest starts", "cat /domu.cfg").replace("/dev/loop0", "/dev/vda")
}

/// What differs because of that disk: its name, its numbers and its size.
fn with_recorded_disk(text: &str) -> String {
    text.replace("/dev/vda", "/dev/loop0")
        .replace("physical-device = \"fe:0\"", "physical-device = \"7:0\"")
        .replace("sectors = \"2097152\"", "sectors = \"8192\"")
}

/// The recorded machine, before the guest.
fn before() -> Session {
    let mut session = Session::new(1);
    session.line("touch /domu.vmlinuz");
    session.file("/domu.cfg", &config());
    session
}

/// With the guest, both of whose frontends are connected: here a kernel has its drivers from the start.
fn connected() -> Session {
    let mut session = before();
    assert_eq!(session.line("xl create /domu.cfg"), printed("the guest starts", "xl create /domu.cfg"));
    session
}

/// A text without what differs from run to run: seconds, and the letters of who happens to run.
fn without_time(list: &str) -> Vec<String> {
    let line = |line: &str| line.split_whitespace().take(4).collect::<Vec<_>>().join(" ");
    list.lines().map(line).collect()
}

#[test]
fn before_the_guest_ports_store_and_info_are_as_recorded() {
    let mut session = before();
    let part = "tools before";
    for command in ["lsevtchn 0", "xenstore-ls -f"] {
        assert_eq!(session.line(command), printed(part, command), "{command}");
    }
    assert_eq!(without_time(&session.line("xl list")), without_time(&printed(part, "xl list")));
    let of_xen = |text: &str| -> Vec<String> {
        // The kernel of domain 0 is another one, and the model has the older of the two schedulers.
        let own = ["host", "release", "version", "machine", "xen_scheduler"];
        text.lines()
            .filter(|line| !own.contains(&line.split_whitespace().next().unwrap_or("")))
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(of_xen(&session.line("xl info")), of_xen(&printed(part, "xl info")));
}

#[test]
fn a_new_guest_has_the_recorded_ports() {
    let mut session = connected();
    let ports = session.line("lsevtchn 1");
    let recorded = printed("the guest starts", "lsevtchn 1");
    assert!(ports.starts_with(&recorded), "{ports}");
    assert_eq!(without_time(&session.line("xl list")), without_time(&printed("the guest starts", "xl list")));
}

#[test]
fn connected_frontends_have_the_recorded_ports_and_nodes() {
    let mut session = connected();
    for command in
        ["lsevtchn 1", "lsevtchn 0", "xenstore-ls -f /local/domain/1/device", "xenstore-ls -f /local/domain/0/backend"]
    {
        let own = with_recorded_disk(&session.line(command));
        // When a script of domain 0 is done is a matter of timing.
        let recorded = printed("both frontends connected", command);
        let [own, recorded] = [own, recorded].map(|text| {
            let (done, others): (Vec<&str>, Vec<&str>) =
                text.lines().partition(|line| line.ends_with("hotplug-status = \"connected\""));
            (done.join("\n"), others.join("\n"))
        });
        assert_eq!(own, recorded, "{command}");
    }
}

#[test]
fn when_the_guest_has_gone_nothing_of_it_is_left() {
    let mut session = connected();
    session.line("xl destroy guest1");
    let part = "the guest goes";
    for command in ["lsevtchn 0", "xenstore-ls -f /local/domain"] {
        assert_eq!(session.line(command), printed(part, command), "{command}");
    }
    assert_eq!(without_time(&session.line("xl list")), without_time(&printed(part, "xl list")));
    assert_eq!(session.line("ps -e -o args | grep -c '[x]l create'"), "0\n", "who waited for its end has gone, too");
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
    let mut session = connected();
    session.line("xl dmesg -c");
    session.line("xl debug-keys ge");
    let own = session.line("xl dmesg");
    let recorded = recording("debug-keys.txt");
    let (_, dumps) = recorded.split_once('\n').expect("a title, then the dumps");
    assert_eq!(without_frames(&own), without_frames(dumps));
}

#[test]
fn the_nodes_of_devices_are_written_in_the_recorded_order() {
    let mut session = before();
    session.line("xenstore-watch /local/domain/1/device /local/domain/0/backend > /watched &");
    session.line("xl create /domu.cfg");
    let watched = session.line("cat /watched");
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
    let own: Vec<String> = watched.lines().map(str::to_owned).collect();
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
