//! Links that releases have made stay readable: a file of `links/` for each release, which is never changed.
//!
//! A file has the links as they were made, each followed by what it held, as text. When a release has no file yet, the test says
//! what to put there.

use kernel_model::action::{Action, Stamped, When};
use kernel_model::console::ConsoleId;
use kernel_model::security::lsm::LsmChoice;
use kernel_model::syscall::{Call, Sysno, Value};
use kernel_model::task::TaskId;
use kernel_model::time::Nanos;
use kernel_model::timeline::Session;
use kernel_model::world::Config;
use lessons::permalink::Permalink;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Sessions with everything that a session can have.
fn sessions() -> Vec<Permalink> {
    let console = ConsoleId(1);
    let line = |text: &str| Action::Line { console, text: text.to_owned() };
    let at_rest = |action| Stamped { when: When::AtRest, action };
    let call = Call { nr: Sysno::KILL, args: vec![Value::Int(7), Value::Int(9)] };
    let one = vec![
        at_rest(line("unshare --pid --fork --mount-proc sh -c 'echo $$'")),
        Stamped { when: When::AtTurn(77), action: Action::Interrupt { console } },
        at_rest(Action::Line { console: ConsoleId(2), text: "cat <<E\nä\nE".to_owned() }),
    ];
    let two = vec![
        at_rest(Action::OpenConsole),
        at_rest(Action::Wait { span: Nanos(1_500_000_000) }),
        at_rest(Action::EndOfInput { console: ConsoleId(2) }),
        at_rest(Action::Syscall { task: TaskId(2), call }),
    ];
    let plain = Config { terminal: true, ..Config::default() };
    let other = Config { cgroup_v2: true, terminal: true, lsm: LsmChoice::Selinux, machine: 3 };
    let link = |config, actions, cursor| Permalink { session: Session { config, actions }, cursor };
    vec![
        link(Config::default(), Vec::new(), None),
        link(plain, one, Some(12)),
        link(other, two, None),
        link(Config { lsm: LsmChoice::AppArmor, machine: 11, ..plain }, vec![at_rest(line("id"))], Some(0)),
    ]
}

/// What a link holds, as text.
fn held(link: &Permalink) -> String {
    let Permalink { session: Session { config, actions }, cursor } = link;
    let mut text = format!("  {config:?} cursor {cursor:?}\n");
    for Stamped { when, action } in actions {
        let _ = writeln!(text, "  {when:?} {action:?}");
    }
    text
}

#[test]
fn links_of_every_release_hold_what_they_held() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/links");
    let mut releases: Vec<_> = fs::read_dir(&folder).expect("the folder").flatten().map(|entry| entry.path()).collect();
    releases.sort();
    for release in &releases {
        let all = fs::read_to_string(release).expect("a file");
        for part in all.split("#s=").skip(1) {
            let (text, expected) = part.split_once('\n').expect("a link and what it holds");
            let link = Permalink::from_text(text).unwrap_or_else(|why| panic!("{}: {text}: {why}", release.display()));
            assert_eq!(held(&link), expected, "{}: {text}", release.display());
        }
    }
    let own = folder.join(concat!(env!("CARGO_PKG_VERSION"), ".txt"));
    let made: String = sessions().iter().map(|link| format!("#s={}\n{}", link.to_text(), held(link))).collect();
    assert!(releases.contains(&own), "{} is not there yet; this release makes these links:\n{made}", own.display());
}
