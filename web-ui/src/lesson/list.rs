//! The list of lessons.

use lessons::lesson::listing::{Listing, ListingEntry};
use yew::{Callback, Html, html};

use super::act::LessonMsg;
use crate::state::Msg;

/// Lessons by the parts of the course.
pub fn list(listing: &Listing, dispatch: &Callback<Msg>) -> Html {
    let entry = |entry: &ListingEntry| {
        let id = entry.id.clone();
        let open = dispatch.reform(move |_: web_sys::MouseEvent| Msg::Lesson(LessonMsg::Choose(id.clone())));
        html! {
            <li>
                <button type="button" class="lessons__entry" onclick={open} data-testid={format!("lesson-{}", entry.id)}>
                    <b>{ &entry.title }</b>
                    <span>{ &entry.summary }</span>
                    <small>{ about(entry) }</small>
                </button>
            </li>
        }
    };
    html! {
        <div class="lessons">
            { for listing.by_part().into_iter().map(|(part, entries)| html! {
                <section>
                    <h3>{ part }</h3>
                    <ul>{ for entries.into_iter().map(entry) }</ul>
                </section>
            }) }
        </div>
    }
}

fn about(entry: &ListingEntry) -> String {
    let points = match entry.points {
        0 => String::new(),
        1 => ", 1 point".to_owned(),
        n => format!(", {n} points"),
    };
    format!("{}, {} min{points}", entry.kind.name(), entry.minutes)
}
