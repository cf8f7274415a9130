//! Which session the page shows: kept ones, those of links, those of logs, and how each is given away.

use std::rc::Rc;

use kernel_model::action::{Action, Stamped, When};
use kernel_model::console::ConsoleId;
use kernel_model::strace::replay::Replay;
use kernel_model::timeline::Session;
use kernel_model::world::Config;
use lessons::permalink::Permalink;

use crate::appearance::Sheet;
use crate::keeping::Kept;
use crate::lab::Lab;
use crate::language::translated;
use crate::notice::{Notice, Offer};
use crate::recorded::OpenLog;
use crate::state::{Effect, State};
use crate::view;
use crate::worlds::PreparedWorld;

/// The first line of a file that holds a session.
const FILE_HEAD: &str = "ringside session 1";

/// The text of the link in a file that holds a session.
pub(crate) fn session_of_file(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?.strip_prefix(FILE_HEAD)?;
    Some(text.trim().to_owned())
}

impl State {
    /// The text after `#s=` that makes this session again, at this place.
    pub fn link(&self) -> String {
        let (session, cursor) = self.lab.session();
        Permalink { session, cursor }.to_text()
    }

    /// The session as a file.
    pub(crate) fn download(&self) -> Effect {
        Effect::Download("ringside-session.txt".to_owned(), format!("{FILE_HEAD}\n{}\n", self.link()))
    }

    /// Opens a session that is in a file.
    pub(crate) fn open_file(&mut self, bytes: &[u8]) {
        match session_of_file(bytes) {
            Some(text) => self.visit(&text),
            None => {
                self.notice =
                    Some(Notice::problem(t!("This file holds no session. Nothing of your own session is lost.")))
            }
        }
    }

    /// What is to be kept: all futures without the place, and the place. `None` when it is too large to be kept.
    pub fn to_keep(&mut self) -> Option<(&str, Option<u64>)> {
        let cursor = self.lab.session_cursor();
        self.keeping.text(self.revision, || self.lab.session().0, self.lab.other_futures());
        if self.keeping.too_large {
            self.warn(t!(
                "This session has become too large for what a browser keeps. It is lost when the page is closed, unless \
                 you download it."
            ));
            return None;
        }
        if self.keeping.left_out > 0 {
            self.warn(t!("There are more branches than a browser keeps: the oldest are lost when the page is closed."));
        }
        Some((self.keeping.text(self.revision, || self.lab.session().0, self.lab.other_futures()), cursor))
    }

    /// Says once what will not be kept.
    pub(crate) fn warn(&mut self, text: &str) {
        if !std::mem::replace(&mut self.warned, true) {
            match &mut self.notice {
                // The way back to another session is worth more than a download of this one.
                Some(notice) if notice.offer == Offer::GoBack => notice.text = format!("{} {text}", notice.text),
                _ => self.notice = Some(Notice::problem(text).offering(Offer::DownloadSession)),
            }
        }
    }

    /// Opens a link that somebody has followed; a damaged one changes nothing.
    pub fn visit(&mut self, text: &str) {
        let (link, before) = (self.link(), self.before.clone());
        let had = self.put_aside();
        self.open_link(text);
        if self.notice.is_some() || link == text {
            self.before = before;
        } else {
            self.offer_way_back(had, t!("This is the session of a link."));
        }
    }

    /// Puts the session that is shown aside with all its futures. False when there is nothing in it.
    pub(crate) fn put_aside(&mut self) -> bool {
        let had = self.lab.actions() > 0 || self.lab.is_restoring();
        if had {
            let cursor = self.lab.session_cursor();
            let text = self.keeping.text(self.revision, || self.lab.session().0, self.lab.other_futures()).to_owned();
            self.before = Some((if self.keeping.too_large { self.link() } else { text }, cursor));
        }
        had
    }

    /// Says that this is another session, and how to get back.
    pub(crate) fn offer_way_back(&mut self, had: bool, said: &str) {
        if had {
            self.notice = Some(Notice::remark(said).offering(Offer::GoBack));
        }
    }

    /// Changes places with the session before.
    pub(crate) fn go_back(&mut self) {
        let Some((text, cursor)) = self.before.take() else { return };
        self.put_aside();
        self.open_kept(&text, cursor);
    }

    pub(crate) fn open_world(&mut self, world: &PreparedWorld) {
        let had = self.put_aside();
        self.notice = None;
        if let Some(view) = view::named(world.view) {
            self.stage.main = view;
        }
        self.start(Lab::restore(world.session(), None).opening_at(world.opens_at));
        self.offer_way_back(had, &t!("{world}. Step back to see how it was made.", world = translated(world.name)));
    }

    pub(crate) fn open_link(&mut self, text: &str) {
        match Permalink::from_text(text) {
            Ok(link) => {
                self.notice = None;
                self.start(Lab::restore(link.session, link.cursor));
            }
            Err(why) => {
                let said = t!("This session cannot be opened: {why}. Nothing of your own session is lost.", why = why);
                let offer = Offer::Download("ringside-damaged-link.txt", text.to_owned());
                self.notice = Some(Notice::problem(said).offering(offer));
            }
        }
    }

    /// Opens what was kept. What of it is damaged is returned, to be kept aside, and offered as a download.
    pub fn open_kept(&mut self, text: &str, cursor: Option<u64>) -> Option<String> {
        let kept = Kept::read(text);
        let begins_afresh = kept.session.is_none();
        let cursor = cursor.filter(|_| kept.damaged.is_empty());
        if let Some(session) = kept.session {
            self.start(Lab::restore(session, cursor).with_branches(kept.branches));
        }
        let why = kept.why?.to_string().replace("the link", "it").replace("; copy it again as a whole", "");
        let rest = if begins_afresh { t!("the page starts afresh") } else { t!("the rest of it is here") };
        let said = t!(
            "Your last session could not be restored ({why}). What is damaged is kept and can be downloaded; {rest}.",
            why = why,
            rest = rest
        );
        let offer = Offer::Download("ringside-damaged-session.txt", kept.damaged.clone());
        self.notice = Some(Notice::problem(said).offering(offer));
        Some(kept.damaged)
    }

    /// Looks at another history.
    pub(crate) fn start(&mut self, lab: Lab) {
        let granularity = self.lab.granularity();
        self.lab = lab;
        self.lab.set_granularity(granularity);
        self.console = ConsoleId(1);
        self.playing = false;
        self.logs.open = None;
        self.logs.shown = false;
        self.logs.cancel();
        self.warned = false;
        self.stand = None;
        self.revision += 1;
        self.refresh();
    }

    /// A log has been run: its replay becomes a session of its own.
    pub(crate) fn show_replay(&mut self, replay: Replay) -> Vec<Effect> {
        let stamp = |action: &Action| Stamped { when: When::AtRest, action: action.clone() };
        let had = self.put_aside();
        let session = Session { config: Config::default(), actions: replay.actions.iter().map(stamp).collect() };
        self.start(Lab::restore(session, None));
        self.offer_way_back(had, t!("The log is replayed in a session of its own."));
        let line = replay.lines.len().saturating_sub(1);
        self.logs.open = Some(OpenLog { replay: Rc::new(replay), line, only: None });
        self.logs.shown = true;
        self.sheet = Sheet::Terminal;
        vec![Effect::Save]
    }
}
