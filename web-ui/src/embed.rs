//! The page as a part of another page, in a frame: to be looked at and stepped through, or to be typed into as well. It keeps
//! nothing in the browser then, and the other page may talk with it by messages: a few orders come in, and where the machine is
//! looked at goes out.
//!
//! An order is an object with `ringside` and what belongs to it:
//!
//! | `ringside` | and | |
//! | --- | --- | --- |
//! | `ask` | | to be told the state, now and whenever it changes |
//! | `step` | `direction`: `forward`, `back`; `size`: `command`, `call`, `kernel` | one step |
//! | `seek` | `to`: a number of events, or `end` | to this place |
//! | `next` | `family`: such as `exit`, `namespace`; `direction` | to the next event of a kind |
//! | `view` | `name` | another view |
//! | `type` | `text` | a line is typed; of a frame that is only to be looked at it is not obeyed |
//! | `open` | `session`: what is after `#s=` in a link | another session |
//! | `session` | | to be told the session once |

use kernel_model::action::Action;
use kernel_model::event::{Family, Granularity};
use kernel_model::timeline::Direction;

use crate::lab::Motion;
use crate::state::{Effect, Msg, State};
use crate::view::{self, View};

/// Whether the page is part of another one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Embed {
    /// It is not.
    #[default]
    No,
    /// To be looked at and stepped through.
    Read,
    /// To be typed into as well.
    Live,
}

impl Embed {
    /// As addresses name it.
    pub fn named(name: &str) -> Embed {
        match name {
            "read" => Embed::Read,
            "live" => Embed::Live,
            _ => Embed::No,
        }
    }

    /// Its name in an address.
    pub fn name(self) -> &'static str {
        match self {
            Embed::No => "",
            Embed::Read => "read",
            Embed::Live => "live",
        }
    }

    /// HTML that puts a session into a page; `page` is the address of this one without what is after `#`.
    pub fn frame(self, page: &str, session: &str) -> String {
        let address = format!("{page}#embed={}&s={session}", self.name());
        format!(r#"<iframe src="{address}" title="Ringside" width="100%" height="600" style="border: 0"></iframe>"#)
    }
}

/// What the page around a frame wants.
#[derive(Clone, PartialEq, Debug)]
pub enum Order {
    /// To be told the state.
    Ask,
    /// One step.
    Step(Granularity, Direction),
    /// To a place; the end when there is none.
    Seek(Option<u64>),
    /// To the next event of a family.
    Next(Family, Direction),
    /// Another view.
    View(&'static View),
    /// A line is typed.
    Type(String),
    /// Another session.
    Open(String),
    /// To be told the session.
    Session,
}

impl Order {
    /// Reads an order by the fields of its object.
    pub fn read(field: impl Fn(&str) -> Option<String>) -> Option<Order> {
        let direction = || match field("direction").as_deref() {
            Some("back") => Direction::Back,
            _ => Direction::Forward,
        };
        Some(match field("ringside")?.as_str() {
            "ask" => Order::Ask,
            "session" => Order::Session,
            "step" => Order::Step(
                match field("size").as_deref() {
                    Some("command") => Granularity::Command,
                    Some("kernel") => Granularity::Micro,
                    _ => Granularity::Syscall,
                },
                direction(),
            ),
            "seek" => match field("to")?.as_str() {
                "end" => Order::Seek(None),
                to => Order::Seek(Some(to.parse().ok()?)),
            },
            "next" => {
                let wanted = field("family")?;
                Order::Next(Family::ALL.into_iter().find(|family| family.label() == wanted)?, direction())
            }
            "view" => Order::View(view::named(&field("name")?)?),
            "type" => Order::Type(field("text")?),
            "open" => Order::Open(field("session")?),
            _ => return None,
        })
    }
}

/// What the page around a frame is told.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Told {
    /// Where the machine is looked at, in events.
    pub step: u64,
    /// How many events there are.
    pub steps: u64,
    /// Nothing moves by itself.
    pub at_rest: bool,
    /// What happened at the step, in one sentence.
    pub sentence: String,
    /// The main view, by name.
    pub view: &'static str,
    /// The session, when it was asked for.
    pub session: Option<String>,
}

impl State {
    /// Does what the page around the frame wants.
    pub(crate) fn order(&mut self, order: Order) -> Vec<Effect> {
        match order {
            Order::Ask => {
                self.embedder = Some(Told::default());
                Vec::new()
            }
            Order::Session => {
                let told = Told { session: Some(self.link()), ..self.told() };
                vec![Effect::TellEmbedder(told)]
            }
            Order::Step(granularity, direction) => self.update(Msg::StepBy(granularity, direction)),
            Order::Seek(to) => self.update(Msg::Seek(to.unwrap_or(self.lab.len()))),
            Order::Next(family, direction) => self.update(Msg::Until(family, direction)),
            Order::View(view) => self.update(Msg::Choose(view)),
            Order::Type(text) => {
                self.act(Action::Line { console: self.console, text });
                vec![Effect::NextFrame]
            }
            Order::Open(session) => self.update(Msg::Link(session)),
        }
    }

    fn told(&self) -> Told {
        Told {
            step: self.lab.position(),
            steps: self.lab.len(),
            at_rest: self.lab.motion() != Motion::Running,
            sentence: self.shown.step.sentence.clone(),
            view: self.stage.main.name,
            session: None,
        }
    }

    /// What is to be told to the page around the frame, when it wants to know and that has changed.
    pub(crate) fn news_for_embedder(&mut self) -> Option<Told> {
        self.embedder.as_ref()?;
        let told = self.told();
        let is_new = self.embedder.as_ref() != Some(&told);
        self.embedder = Some(told.clone());
        is_new.then_some(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(fields: &[(&str, &str)]) -> Option<Order> {
        Order::read(|name| fields.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn orders_are_read_and_nonsense_is_none() {
        let back = Order::Step(Granularity::Micro, Direction::Back);
        assert_eq!(order(&[("ringside", "step"), ("direction", "back"), ("size", "kernel")]), Some(back));
        assert_eq!(order(&[("ringside", "seek"), ("to", "12")]), Some(Order::Seek(Some(12))));
        assert_eq!(order(&[("ringside", "seek"), ("to", "x")]), None);
        assert_eq!(order(&[("ringside", "view"), ("name", "no-such-view")]), None);
        assert_eq!(order(&[("ringside", "format")]), None);
        assert_eq!(order(&[("type", "ls")]), None);
    }

    #[test]
    fn a_frame_to_be_looked_at_takes_no_commands() {
        let mut state = State::new();
        state.embed = Embed::Read;
        state.order(Order::Type("hostname x".to_owned()));
        state.update(Msg::Draft("hostname x".to_owned()));
        state.update(Msg::Enter);
        assert_eq!(state.lab.actions(), 0);
        state.embed = Embed::Live;
        state.order(Order::Type("hostname x".to_owned()));
        assert_eq!(state.lab.actions(), 1);
    }

    #[test]
    fn who_asks_is_told_what_changes() {
        let mut state = State::new();
        assert_eq!(state.news_for_embedder(), None, "nobody has asked");
        state.order(Order::Ask);
        assert!(state.news_for_embedder().is_some());
        assert_eq!(state.news_for_embedder(), None, "nothing has changed");
    }
}
