//! How the page looks, apart from what it shows: theme, and what a phone has below the timeline.

use crate::language::english;

/// Light, dark, or as the system says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Theme {
    /// As the system says.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

/// What a phone shows below the timeline.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Sheet {
    /// The terminal.
    #[default]
    Terminal,
    /// The inspector.
    Inspector,
    /// System calls and logs.
    Tools,
    /// The lesson.
    Lesson,
}

impl Sheet {
    /// All of them.
    pub const ALL: [Sheet; 4] = [Sheet::Terminal, Sheet::Inspector, Sheet::Tools, Sheet::Lesson];

    /// Its name on the tab, to be translated.
    pub fn label(self) -> &'static str {
        match self {
            Sheet::Terminal => english("terminal"),
            Sheet::Inspector => english("inspector"),
            Sheet::Tools => english("calls and logs"),
            Sheet::Lesson => english("lesson"),
        }
    }
}
