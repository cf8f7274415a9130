//! Domain 0 and its guests, as sessions.

use kernel_model::action::Action;
use kernel_model::console::ConsoleId;
use kernel_model::event::{Event, EventKind};
use kernel_model::kernel::Trace;
use kernel_model::step::Running;
use kernel_model::world::Config;

use super::XenHost;
use crate::machine::cost::{Costs, DEFAULT_PRESET};
use crate::machine::measured::Measured;
use crate::machine::xen::KernelRing;

const CONFIG: &str = r#"name="guest1"
type="pv"
kernel="/bin/true"
memory=192
vcpus=1
disk=['format=raw,vdev=xvda,access=rw,script=block-simple,target=/dev/vda']
vif=['mac=00:16:3e:00:00:01,script=vif-simple']
"#;

struct Session {
    running: Running<XenHost>,
    events: Vec<Event>,
}

impl Session {
    fn new() -> Session {
        let costs = Costs::preset(DEFAULT_PRESET).expect("it can be read");
        let mut machine = XenHost::new(KernelRing::Three, costs).expect("there is room");
        Measured::tell(&mut machine);
        let config = Config { terminal: true, ..Config::default() };
        let mut session = Session { running: Running::boot(config, machine), events: Vec::new() };
        assert!(session.running.run(10_000, &mut Trace::silent()));
        session
    }

    fn with_guest() -> Session {
        let mut session = Session::new();
        session.line("ip link add xenbr0 type bridge; ip addr add 10.0.0.1/24 dev xenbr0; ip link set xenbr0 up");
        session.line(&format!("cat > /g.cfg <<'END'\n{CONFIG}END"));
        assert_eq!(session.line("xl create /g.cfg"), "Parsing config from /g.cfg\n");
        session
    }

    /// Types a line; what came out at domain 0's terminal.
    fn line(&mut self, text: &str) -> String {
        let mut trace = Trace::new();
        self.running.inject(&Action::Line { console: ConsoleId(1), text: text.to_owned() }, &mut trace);
        let ended = self.running.run(400_000, &mut trace);
        assert!(ended, "{text} does not come to rest");
        assert_eq!(self.running.world.check(), Ok(()), "after {text}");
        let parts = self.running.machine.parts_of_xen();
        assert_eq!((parts.xen().check(), parts.store().check()), (Ok(()), Ok(())), "after {text}");
        self.events = trace.events;
        let bytes = self.events.iter().filter_map(|e| match &e.kind {
            EventKind::Output { bytes, .. } => Some(String::from_utf8_lossy(bytes).into_owned()),
            _ => None,
        });
        bytes.collect()
    }
}

#[test]
fn a_domain_is_made_listed_attached_to_and_destroyed() {
    let mut session = Session::with_guest();
    let list = session.line("xl list");
    assert!(list.contains("Domain-0                                     0   640     2     r-----"), "{list}");
    assert!(list.contains("guest1                                       1   192     1     -b----"), "{list}");
    session.line("xl console guest1");
    assert_eq!(session.line("hostname; nproc"), "hostname; nproc\nguest1\n1\nroot@guest1:~# ");
    session.line("\u{1d}");
    assert_eq!(session.line("hostname"), "lab\n");
    session.line("xl destroy guest1");
    assert_eq!(session.line("xl list | wc -l"), "2\n");
}
