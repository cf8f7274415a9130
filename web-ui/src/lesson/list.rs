//! The list of lessons.

use lessons::lesson::Kind;
use lessons::lesson::listing::{Listing, ListingEntry};
use yew::{Callback, Html, html};

use super::act::LessonMsg;
use crate::language::{Language, english, spoken, translated};
use crate::state::Msg;

/// Lessons by the parts of the course.
pub fn list(listing: &Listing, dispatch: &Callback<Msg>) -> Html {
    let entry = |entry: &ListingEntry| {
        let id = entry.id.clone();
        let open = dispatch.reform(move |_: web_sys::MouseEvent| Msg::Lesson(LessonMsg::Choose(id.clone())));
        html! {
            <li>
                <button type="button" class="lessons__entry" onclick={open} data-testid={format!("lesson-{}", entry.id)}>
                    <b lang={entry.language.clone()}>{ &entry.title }</b>
                    <span lang={entry.language.clone()}>{ &entry.summary }</span>
                    <small>{ about(entry) }</small>
                </button>
            </li>
        }
    };
    html! {
        <div class="lessons">
            { for listing.by_part().into_iter().map(|(part, entries)| html! {
                <section>
                    <h3 lang={listing.language.clone()}>{ part }</h3>
                    <ul>{ for entries.into_iter().map(entry) }</ul>
                </section>
            }) }
        </div>
    }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Lesson => english("lesson"),
        Kind::Lab => english("lab"),
        Kind::Lecture => english("lecture"),
    }
}

/// A language as a sentence names it: by its name where it is known, else by its tag.
pub(super) fn tongue(tag: &str) -> &str {
    match Language::of_tag(tag) {
        Some(Language::English) => t!("English"),
        Some(Language::German) => t!("German"),
        None => tag,
    }
}

fn about(entry: &ListingEntry) -> String {
    let points = match entry.points {
        0 => String::new(),
        1 => t!(", 1 point").to_owned(),
        n => t!(", {n} points", n = n),
    };
    let language = if entry.language == spoken().tag() {
        String::new()
    } else {
        t!(", in {language}", language = tongue(&entry.language))
    };
    format!("{}, {} min{points}{language}", translated(kind(entry.kind)), entry.minutes)
}
