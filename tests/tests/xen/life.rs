//! A domain's life, as sessions of `xl`.

use super::session::{GUEST, Session};

/// The line of `xl list` about a domain, without the seconds.
fn listed(session: &mut Session, name: &str) -> String {
    let list = session.line("xl list");
    let line = list.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.split_whitespace().take(5).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_domain_that_is_asked_to_shut_down_powers_off_and_whoever_watches_over_it_destroys_it() {
    let mut session = Session::with_guest(GUEST);
    assert_eq!(session.line("ps -e -o args | grep '[x]l create'"), "xl create /g.cfg\n");
    let said = session.line("xl shutdown -w guest1");
    assert_eq!(said, "Shutting down domain 1\nWaiting for 1 domains\nDomain 1 has been destroyed\n");
    assert_eq!(session.line("xl list | wc -l; ps -e -o args | grep -c '[x]l create'"), "2\n0\n");
    assert_eq!(session.line("xenstore-exists /local/domain/1; echo $?; ls /sys/class/net"), "1\nlo\nxenbr0\n");
}

#[test]
fn a_reboot_is_another_domain_of_the_same_name_with_the_same_devices() {
    let mut session = Session::with_guest(GUEST);
    assert_eq!(session.line("xl reboot guest1"), "Rebooting domain 1\n");
    session.line("sleep 1");
    assert_eq!(listed(&mut session, "guest1"), "guest1 2 192 1 -b----");
    let disks = session.line("xl block-list guest1");
    assert_eq!(
        disks,
        "Vdev  BE  handle state evt-ch ring-ref BE-path                       \n\
         51712 0   2      4     8      8        /local/domain/0/backend/vbd/2/51712\n"
    );
    let cards = session.line("xl network-list guest1");
    assert_eq!(
        cards,
        "Idx BE Mac Addr.         handle state evt-ch   tx-/rx-ring-ref BE-path                       \n\
         0   0  00:16:3e:00:00:01      0     4     -1   522/523         /local/domain/0/backend/vif/2/0\n"
    );
    session.line("xl console guest1");
    assert_eq!(session.guest_line("hostname"), "guest1\n");
}

#[test]
fn what_is_done_with_a_domain_that_has_ended_is_in_its_configuration() {
    let mut session = Session::with_guest(&format!("{GUEST}on_poweroff='preserve'\n"));
    session.line("xl shutdown guest1");
    assert_eq!(listed(&mut session, "guest1"), "guest1 1 192 1 ---s--");
    assert_eq!(session.line("ps -e -o args | grep -c '[x]l create'"), "0\n");
    session.line("xl destroy guest1");
    assert_eq!(listed(&mut session, "guest1"), "");
}

#[test]
fn a_balloon_gives_memory_back_which_others_can_have_then() {
    let mut session = Session::with_guest(GUEST);
    let free = |session: &mut Session| session.line("xl info | grep free_memory");
    assert_eq!(free(&mut session), "free_memory            : 684\n");
    session.line("xl mem-set guest1 160");
    assert_eq!(listed(&mut session, "guest1"), "guest1 1 160 1 -b----");
    assert_eq!(free(&mut session), "free_memory            : 716\n");
    session.line("xl mem-set guest1 192m");
    assert_eq!(
        (listed(&mut session, "guest1").as_str(), free(&mut session).as_str()),
        ("guest1 1 192 1 -b----", "free_memory            : 684\n")
    );
    assert!(session.line("xl mem-set guest1 300").contains("must be less than or equal to memory_static_max"));
    session.line("xl mem-set guest1 160; sleep 1; xl console guest1");
    assert_eq!(session.guest_line("free -m | awk '/Mem/ { print $2 }'"), "160\n");
}

#[test]
fn a_paused_domain_stands_still_and_hears_of_everything_later() {
    let mut session = Session::with_guest(GUEST);
    session.line("xl pause guest1");
    assert_eq!(listed(&mut session, "guest1"), "guest1 1 192 1 -bp---");
    // What xenstored has to say wakes its processor, which does not run for all that.
    session.line("xl shutdown guest1");
    assert_eq!(listed(&mut session, "guest1"), "guest1 1 192 1 --p---");
    session.line("xl unpause guest1; sleep 1");
    assert_eq!(listed(&mut session, "guest1"), "");
}

#[test]
fn what_cannot_be_made_leaves_nothing_behind() {
    let mut session = Session::with_guest(GUEST);
    let mut create = |changed: &str, to: &str| {
        session.file("/other.cfg", &GUEST.replace("guest1", "other").replace(changed, to));
        session.line("xl create /other.cfg; xl list | wc -l; xenstore-ls /local/domain | grep -c '^ *name'")
    };
    let parsing = "Parsing config from /other.cfg\n";
    let before = "3\n2\n";
    assert_eq!(
        create("other", "guest1"),
        format!("{parsing}libxl: error: libxl_create.c: Domain with name \"guest1\" already exists.\n{before}")
    );
    let text = create("memory=192", "memory=4000");
    assert!(text.contains("xc_dom_boot_mem_init failed: Cannot allocate memory") && text.ends_with(before), "{text}");
    let text = create("memory=192", "memory=36028797018963968");
    assert!(text.contains("xc_dom_boot_mem_init failed: Cannot allocate memory") && text.ends_with(before), "{text}");
    let text = create("\"pv\"", "\"hvm\"");
    assert!(text.contains("domains of type \"hvm\" are not modelled here") && text.ends_with(before), "{text}");
    let text = create("/dev/vda", "/dev/nothing");
    assert!(text.contains("failed to stat: /dev/nothing") && text.ends_with(before), "{text}");
}

#[test]
fn a_kernel_with_too_little_memory_crashes_alone_and_xen_says_why() {
    let mut session = Session::new(2);
    let config = GUEST.replace("memory=192", "memory=64").replace("vif=", "on_crash='preserve'\nvif=");
    session.file("/small.cfg", &config.replace("vif-bridge", "vif-simple"));
    session.line("xl create /small.cfg");
    assert_eq!(listed(&mut session, "guest1"), "guest1 1 64 1 ----c-");
    assert!(session.line("xl dmesg | tail -2").contains("its kernel finds too little memory"));
    assert_eq!(session.line("hostname"), "lab\n");
}
