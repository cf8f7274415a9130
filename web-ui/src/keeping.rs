//! What is kept when the page is closed: the session that is shown, and its other futures.
//!
//! The kept text has a line for each: the shown session first, each as the text of a link. A line that cannot
//! be read costs that line only. The text is bounded, because browsers give a page a few megabytes: when it
//! would grow too large the oldest of the other futures are left out, and that is said.

use kernel_model::action::Stamped;
use kernel_model::timeline::Session;
use kernel_model::world::Config;
use lessons::permalink::{BadLink, Permalink};

/// Most characters that are kept. Browsers allow about five million for all that a page keeps.
const MAX_KEPT: usize = 2_000_000;

/// Most actions that are kept: making the text of more would be felt.
const MAX_ACTIONS: usize = 50_000;

/// The text that was made last, and of what.
#[derive(Default)]
pub struct Keeping {
    text: String,
    revision: Option<u64>,
    /// The texts of other futures, by their actions' number and last one: they do not change.
    branches: Vec<(Vec<Stamped>, String)>,
    /// How many other futures were left out.
    pub left_out: usize,
    /// The session is too large to be kept at all.
    pub too_large: bool,
}

impl Keeping {
    /// The text to keep of a session at this revision, with its other futures, oldest first.
    pub fn text(&mut self, revision: u64, session: impl FnOnce() -> Session, branches: &[Vec<Stamped>]) -> &str {
        if self.revision == Some(revision) {
            return &self.text;
        }
        let session = session();
        let config = session.config;
        let too_many = session.actions.len() > MAX_ACTIONS;
        let shown = if too_many { String::new() } else { text_of(session) };
        self.too_large = too_many || shown.len() > MAX_KEPT;
        let mut lines = vec![shown];
        let mut size = lines[0].len();
        self.left_out = 0;
        let known = std::mem::take(&mut self.branches);
        for actions in branches.iter().rev() {
            let text = known.iter().find(|(of, _)| of == actions).map(|(_, text)| text.clone());
            let text = text.unwrap_or_else(|| text_of(Session { config, actions: actions.clone() }));
            size += text.len() + 1;
            if size > MAX_KEPT {
                self.left_out += 1;
            } else {
                lines.push(text.clone());
            }
            self.branches.push((actions.clone(), text));
        }
        // Oldest first after the shown one.
        lines[1..].reverse();
        self.text = lines.join("\n");
        self.revision = Some(revision);
        &self.text
    }
}

fn text_of(session: Session) -> String {
    Permalink { session, cursor: None }.to_text()
}

/// What was kept.
#[derive(Debug, PartialEq)]
pub struct Kept {
    /// The session that was shown.
    pub session: Option<Session>,
    /// Its other futures.
    pub branches: Vec<Vec<Stamped>>,
    /// The lines that could not be read.
    pub damaged: String,
    /// What is wrong with the first of them.
    pub why: Option<BadLink>,
}

impl Kept {
    /// Reads what was kept. When the shown session is damaged, the newest future that is not takes its place.
    pub fn read(text: &str) -> Kept {
        let mut kept = Kept { session: None, branches: Vec::new(), damaged: String::new(), why: None };
        let mut config = Config::default();
        for (i, line) in text.lines().enumerate() {
            match Permalink::from_text(line) {
                Ok(link) if i == 0 => {
                    config = link.session.config;
                    kept.session = Some(link.session);
                }
                Ok(link) => {
                    config = link.session.config;
                    kept.branches.push(link.session.actions);
                }
                Err(why) => {
                    if !kept.damaged.is_empty() {
                        kept.damaged.push('\n');
                    }
                    kept.damaged += line;
                    kept.why.get_or_insert(why);
                }
            }
        }
        if kept.session.is_none() {
            kept.session = kept.branches.pop().map(|actions| Session { config, actions });
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel_model::action::{Action, When};
    use kernel_model::console::ConsoleId;

    fn actions(text: &str) -> Vec<Stamped> {
        let action = Action::Line { console: ConsoleId(1), text: text.to_owned() };
        vec![Stamped { when: When::AtRest, action }]
    }

    fn session(text: &str) -> Session {
        Session { config: Config { terminal: true, ..Config::default() }, actions: actions(text) }
    }

    #[test]
    fn all_futures_are_kept() {
        let branches = [actions("one"), actions("two")];
        let mut keeping = Keeping::default();
        let text = keeping.text(1, || session("shown"), &branches).to_owned();
        let kept = Kept::read(&text);
        assert_eq!((kept.session, kept.branches.as_slice()), (Some(session("shown")), branches.as_slice()));
        assert_eq!(kept.damaged, "");
        assert_eq!(keeping.text(1, || panic!("nothing has changed"), &branches), text);
    }

    #[test]
    fn one_damaged_line_costs_that_line_only() {
        let text = Keeping::default().text(1, || session("shown"), &[actions("one"), actions("two")]).to_owned();
        let mut lines: Vec<&str> = text.lines().collect();
        lines[1] = "%";
        let kept = Kept::read(&lines.join("\n"));
        assert_eq!((kept.session, kept.branches), (Some(session("shown")), vec![actions("two")]));
        assert_eq!(kept.damaged, "%");
        lines[0] = "";
        let kept = Kept::read(&lines.join("\n"));
        assert_eq!((kept.session, kept.branches), (Some(session("two")), vec![]));
        assert_eq!(Kept::read("damaged").session, None);
    }

    #[test]
    fn the_oldest_futures_give_way() {
        // What does not compress: every line another hash.
        let large = |seed: u64| {
            let mut at = seed;
            let mut next = || {
                at = at.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                at
            };
            actions(&(0..60_000).map(|_| format!("{:016x}", next())).collect::<String>())
        };
        let mut keeping = Keeping::default();
        let branches = [large(1), large(2), large(3), large(4)];
        let text = keeping.text(1, || session("shown"), &branches);
        assert!(text.len() <= MAX_KEPT);
        let kept = Kept::read(text);
        assert_eq!(kept.branches.last(), branches.last());
        assert!(keeping.left_out > 0 && !keeping.too_large);
    }
}
