//! The prompt of a console's shell, drawn from the world as `PS1='\u@\h:\w\$ '` would draw it.

use crate::console::ConsoleId;
use crate::world::World;

/// What stands before the cursor.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Prompt {
    /// User, host and directory: `root@lab:~`.
    pub place: String,
    /// `#` for root, `$` for others.
    pub sign: char,
}

impl Prompt {
    /// The prompt of a console; `None` when its shell is gone.
    pub fn of(world: &World, console: ConsoleId) -> Option<Prompt> {
        let task = world.tasks.get(world.consoles.get(console)?.shell)?;
        let user_ns = world.user_namespaces.get(task.cred.user_ns)?;
        let uid = user_ns.uid(task.cred.euid);
        let node = world.uts_namespaces.get(task.nsproxy.uts).map_or("?", |ns| ns.nodename.as_str());
        let user = match uid {
            0 => "root".to_owned(),
            1000 => "student".to_owned(),
            1001 => "guest".to_owned(),
            65534 => "nobody".to_owned(),
            other => other.to_string(),
        };
        Some(Prompt {
            place: format!("{user}@{node}:{}", directory(world, console)),
            sign: if uid == 0 { '#' } else { '$' },
        })
    }
}

/// The working directory with the home directory as `~`.
fn directory(world: &World, console: ConsoleId) -> String {
    let path = world.consoles.get(console).and_then(|c| super::changes::cwd(world, c.shell));
    let Some(path) = path else { return "?".to_owned() };
    match path.strip_prefix("/root") {
        Some("") => "~".to_owned(),
        Some(rest) if rest.starts_with('/') => format!("~{rest}"),
        _ => path,
    }
}
