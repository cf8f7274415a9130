//! What the tools print where there is no Xen.

use crate::kernel::Trace;
use crate::pv_ops::NoMachine;
use crate::step::Running;
use crate::world::Config;

#[test]
fn where_there_is_no_xen_the_tools_say_so() {
    let mut running = Running::boot(Config::default(), NoMachine);
    let console = running.world.consoles.ids().next().expect("there is a console");
    let text = "xl list; echo $?; xenstore-ls; lsevtchn".to_owned();
    let mut trace = Trace::new();
    running.inject(&crate::action::Action::Line { console, text }, &mut trace);
    assert!(running.run(100_000, &mut trace));
    let bytes = trace.events.iter().filter_map(|e| match &e.kind {
        crate::event::EventKind::Output { bytes, .. } => Some(String::from_utf8_lossy(bytes).into_owned()),
        _ => None,
    });
    let missing = "No such file or directory";
    let privcmd = format!("xencall: error: Could not obtain handle on privileged command interface: {missing}\n");
    let libxl = format!("libxl: error: libxl_ctx_alloc: cannot open libxc handle: {missing}\ncannot init xl context\n");
    assert_eq!(bytes.collect::<String>(), format!("{privcmd}{libxl}1\nxenstore-ls: xs_open: {missing}\n{privcmd}"));
}
