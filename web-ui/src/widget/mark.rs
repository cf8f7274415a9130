//! The mark of what a step has changed: a sign with words for those who do not see it, and a class.

use kernel_model::projection::Change;
use yew::{Html, html};

use crate::language::translated;

/// The sign, with its word.
pub fn change_mark(change: Change) -> Html {
    if change == Change::Same {
        return Html::default();
    }
    html! { <span class="mark" role="img" aria-label={translated(change.word())} title={translated(change.word())}>{ change.mark() }</span> }
}

/// The class.
pub fn change_class(change: Change) -> Option<&'static str> {
    match change {
        Change::Same => None,
        Change::New => Some("is-new"),
        Change::Gone => Some("is-gone"),
        Change::Changed => Some("is-changed"),
    }
}
