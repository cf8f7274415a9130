//! Sessions at the console of domain 0, on a machine with Xen.

use std::path::Path;

use expect_test::expect_file;
use hypervisor_model::machine::cost::{Costs, DEFAULT_PRESET};
use hypervisor_model::machine::measured::Measured;
use hypervisor_model::machine::xen::KernelRing;
use hypervisor_model::machine::xen::host::XenHost;
use kernel_model::action::Action;
use kernel_model::console::ConsoleId;
use kernel_model::event::{Event, EventKind};
use kernel_model::kernel::Trace;
use kernel_model::step::Running;
use kernel_model::world::Config;

/// A disk of domain 0 and an interface in its bridge.
pub const GUEST: &str = r#"name="guest1"
type="pv"
kernel="/bin/true"
memory=192
vcpus=1
disk=['format=raw,vdev=xvda,access=rw,script=block-simple,target=/dev/vda']
vif=['mac=00:16:3e:00:00:01,script=vif-bridge']
"#;

/// Turns after which a line must have come to rest.
const TURNS: u64 = 2_000_000;

/// A session.
pub struct Session {
    /// Domain 0's world, and the machine.
    pub running: Running<XenHost>,
    /// What happened in the last line.
    pub events: Vec<Event>,
}

impl Session {
    /// A machine with so many processors, on which domain 0 has booted.
    pub fn new(processors: u32) -> Session {
        let costs = Costs::preset(DEFAULT_PRESET).expect("it can be read");
        let mut machine = XenHost::with_processors(KernelRing::Three, costs, processors).expect("there is room");
        Measured::tell(&mut machine);
        let mut running = Running::boot(Config { terminal: true, ..Config::default() }, machine);
        running.world.limit_processors(processors);
        let mut session = Session { running, events: Vec::new() };
        assert!(session.running.run(TURNS, &mut Trace::silent()));
        session
    }

    /// The same, with a bridge in domain 0 and a guest of this configuration.
    pub fn with_guest(config: &str) -> Session {
        let mut session = Session::new(2);
        session.line("ip link add xenbr0 type bridge; ip addr add 10.0.0.1/24 dev xenbr0; ip link set xenbr0 up");
        session.file("/g.cfg", config);
        assert_eq!(session.line("xl create /g.cfg"), "Parsing config from /g.cfg\n");
        session
    }

    /// A file in domain 0.
    pub fn file(&mut self, path: &str, text: &str) {
        self.line(&format!("cat > {path} <<'END'\n{text}END"));
    }

    /// Types a line; what came out at domain 0's terminal.
    pub fn line(&mut self, text: &str) -> String {
        let mut trace = Trace::new();
        self.running.inject(&Action::Line { console: ConsoleId(1), text: text.to_owned() }, &mut trace);
        assert!(self.running.run(TURNS, &mut trace), "{text} does not come to rest");
        assert_eq!(self.running.world.check(), Ok(()), "after {text}");
        let parts = self.running.machine.parts_of_xen();
        assert_eq!((parts.xen().check(), parts.store().check()), (Ok(()), Ok(())), "after {text}");
        self.events = trace.events;
        let bytes = self.events.iter().filter_map(|event| match &event.kind {
            EventKind::Output { bytes, .. } => Some(String::from_utf8_lossy(bytes).into_owned()),
            _ => None,
        });
        bytes.collect()
    }

    /// Types a line at the console of a guest to which `xl console` has attached the terminal; what came out after the line
    /// that is echoed, up to the next prompt.
    pub fn guest_line(&mut self, text: &str) -> String {
        let out = self.line(text);
        let out = out.strip_prefix(&format!("{text}\n")).unwrap_or(&out);
        out.rsplit_once("root@guest1:").map_or(out, |(before, _)| before).to_owned()
    }
}

/// Compares with what is kept; `UPDATE_EXPECT=1` keeps it.
pub fn must_be_kept(name: &str, text: &str) {
    expect_file![Path::new(env!("CARGO_MANIFEST_DIR")).join("xen").join(name)].assert_eq(text);
}
