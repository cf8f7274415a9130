//! How a thing in a picture differs from the picture before: said by a mark, never by colour alone.

/// What a step did to a thing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Change {
    /// Nothing.
    #[default]
    Same,
    /// It was not there before.
    New,
    /// It is not there any more.
    Gone,
    /// It is there and looks different.
    Changed,
}

impl Change {
    /// The mark beside the thing; empty for [`Change::Same`].
    pub fn mark(self) -> &'static str {
        match self {
            Change::Same => "",
            Change::New => "●",
            Change::Gone => "✕",
            Change::Changed => "Δ",
        }
    }

    /// The mark in words.
    pub fn word(self) -> &'static str {
        match self {
            Change::Same => "",
            Change::New => "new",
            Change::Gone => "gone",
            Change::Changed => "changed",
        }
    }

    /// From what was there before and what is there now.
    pub fn between<T: PartialEq>(before: Option<&T>, after: Option<&T>) -> Change {
        match (before, after) {
            (None, Some(_)) => Change::New,
            (Some(_), None) => Change::Gone,
            (Some(a), Some(b)) if a != b => Change::Changed,
            _ => Change::Same,
        }
    }
}
