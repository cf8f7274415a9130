//! How the page looks, apart from what it shows: theme, size of type, and what a phone has below the timeline.

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

/// How large the type of the whole page is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Type {
    /// For a desk.
    #[default]
    Desk,
    /// For a room.
    Room,
    /// For a hall.
    Hall,
}

impl Type {
    /// All of them, the smallest first.
    pub const ALL: [Type; 3] = [Type::Desk, Type::Room, Type::Hall];

    /// Its name, as it is kept and as style sheets know it.
    pub fn name(self) -> &'static str {
        match self {
            Type::Desk => "",
            Type::Room => "room",
            Type::Hall => "hall",
        }
    }

    /// The one with a name.
    pub fn named(name: &str) -> Option<Type> {
        Type::ALL.into_iter().find(|size| size.name() == name)
    }

    /// The next larger one; the largest stays.
    pub fn larger(self) -> Type {
        match self {
            Type::Desk => Type::Room,
            _ => Type::Hall,
        }
    }

    /// The next smaller one; the smallest stays.
    pub fn smaller(self) -> Type {
        match self {
            Type::Hall => Type::Room,
            _ => Type::Desk,
        }
    }
}
