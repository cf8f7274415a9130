//! A session at the console of domain 0, for tests.

use kernel_model::action::Action;
use kernel_model::console::ConsoleId;
use kernel_model::event::{Event, EventKind};
use kernel_model::kernel::Trace;
use kernel_model::machine::report::Report;
use kernel_model::step::Running;
use kernel_model::world::Config;

use super::XenHost;
use crate::machine::cost::{Costs, DEFAULT_PRESET};
use crate::machine::measured::Measured;
use crate::machine::xen::KernelRing;

/// A guest with a disk and an interface.
pub const CONFIG: &str = r#"name="guest1"
type="pv"
kernel="/bin/true"
memory=192
vcpus=1
disk=['format=raw,vdev=xvda,access=rw,script=block-simple,target=/dev/vda']
vif=['mac=00:16:3e:00:00:01,script=vif-simple']
"#;

/// A session.
pub struct Session {
    /// Domain 0's world, and the machine.
    pub running: Running<XenHost>,
    /// What happened in the last action.
    pub events: Vec<Event>,
}

impl Session {
    /// A machine on which domain 0 has booted.
    pub fn new() -> Session {
        let costs = Costs::preset(DEFAULT_PRESET).expect("it can be read");
        let mut machine = XenHost::new(KernelRing::Three, costs).expect("there is room");
        Measured::tell(&mut machine);
        let config = Config { terminal: true, ..Config::default() };
        let mut session = Session { running: Running::boot(config, machine), events: Vec::new() };
        assert!(session.running.run(10_000, &mut Trace::silent()));
        session
    }

    /// The same with a bridge, and with the guest of [`CONFIG`].
    pub fn with_guest() -> Session {
        let mut session = Session::new();
        session.line("ip link add xenbr0 type bridge; ip addr add 10.0.0.1/24 dev xenbr0; ip link set xenbr0 up");
        session.line(&format!("cat > /g.cfg <<'END'\n{CONFIG}END"));
        assert_eq!(session.line("xl create /g.cfg"), "Parsing config from /g.cfg\n");
        session
    }

    /// Does something until everything is at rest.
    pub fn act(&mut self, action: &Action) {
        let mut trace = Trace::new();
        self.running.inject(action, &mut trace);
        let (ended, text) = (self.running.run(400_000, &mut trace), format!("{action:?}"));
        assert!(ended, "{text} does not come to rest");
        assert_eq!(self.running.world.check(), Ok(()), "after {text}");
        let parts = self.running.machine.parts_of_xen();
        assert_eq!((parts.xen().check(), parts.store().check()), (Ok(()), Ok(())), "after {text}");
        self.events = trace.events;
    }

    /// Makes a hypercall in the name of a domain; what was told of it, until it came back.
    pub fn hypercall(&mut self, who: u32, text: &str) -> String {
        self.act(&Action::CallBelow { who, text: text.to_owned() });
        let told = self.events.iter().filter_map(|e| match &e.kind {
            EventKind::Machine(Report::Did(deed)) => Some(deed),
            _ => None,
        });
        let mut lines = Vec::new();
        for deed in told {
            lines.push(format!("{}: {}", deed.name, deed.text()));
            if deed.name == "returns" {
                break;
            }
        }
        lines.join("\n")
    }

    /// Types a line; what came out at domain 0's terminal.
    pub fn line(&mut self, text: &str) -> String {
        self.act(&Action::Line { console: ConsoleId(1), text: text.to_owned() });
        let bytes = self.events.iter().filter_map(|e| match &e.kind {
            EventKind::Output { bytes, .. } => Some(String::from_utf8_lossy(bytes).into_owned()),
            _ => None,
        });
        bytes.collect()
    }
}
