//! Keys as remote controls of lecturers send them: PageDown and PageUp, `b` or `.`; and a few more for those who have a keyboard.

use crate::browser::key::{Key, Place};

/// What a key asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Remote {
    /// The next slide.
    Next,
    /// The slide before.
    Back,
    /// The first slide.
    First,
    /// The last slide.
    Last,
    /// Show nothing, or go on.
    Blank,
    /// All slides to choose from.
    Overview,
}

impl Remote {
    /// What a key asks for that was pressed in some place. What a remote control sends is obeyed wherever nobody would type
    /// it; the rest only where the slides have the keyboard.
    pub fn of(key: &Key, place: Place) -> Option<Remote> {
        if key.command {
            return None;
        }
        let asked = match key.name.as_str() {
            "PageDown" => return Some(Remote::Next),
            "PageUp" => return Some(Remote::Back),
            "b" | "." => Remote::Blank,
            "Home" => Remote::First,
            "End" => Remote::Last,
            "o" => Remote::Overview,
            _ => return None,
        };
        match place {
            Place::Field => None,
            Place::Elsewhere => (asked == Remote::Blank).then_some(asked),
            Place::Lesson => Some(asked),
        }
    }

    /// Its name, between windows.
    pub fn name(self) -> &'static str {
        match self {
            Remote::Next => "next",
            Remote::Back => "back",
            Remote::First => "first",
            Remote::Last => "last",
            Remote::Blank => "blank",
            Remote::Overview => "overview",
        }
    }

    /// The one with a name.
    pub fn named(name: &str) -> Option<Remote> {
        let all = [Remote::Next, Remote::Back, Remote::First, Remote::Last, Remote::Blank, Remote::Overview];
        all.into_iter().find(|remote| remote.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str, command: bool) -> Key {
        Key { name: name.to_owned(), shift: false, command, ctrl: command }
    }

    #[test]
    fn a_remote_control_is_obeyed_everywhere_and_letters_are_typed() {
        for place in [Place::Field, Place::Lesson, Place::Elsewhere] {
            assert_eq!(Remote::of(&key("PageDown", false), place), Some(Remote::Next));
            assert_eq!(Remote::of(&key("PageDown", true), place), None, "another tab of the browser");
        }
        assert_eq!(Remote::of(&key("b", false), Place::Field), None);
        assert_eq!(Remote::of(&key("b", false), Place::Elsewhere), Some(Remote::Blank));
        assert_eq!(Remote::of(&key("b", true), Place::Lesson), None, "a command of the browser");
        assert_eq!(Remote::of(&key("o", false), Place::Elsewhere), None, "the timeline has it");
        assert_eq!(Remote::of(&key("o", false), Place::Lesson), Some(Remote::Overview));
    }
}
