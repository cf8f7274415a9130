//! Slides of a lecture, with keys as remote controls send them: PageDown and PageUp, `b` or `.` for blank.

use lessons::lesson::Slide;
use lessons::lesson::text::{Block, plain, plain_blocks};
use yew::{Callback, Html, KeyboardEvent, html};

use super::act::LessonMsg;
use super::pane::Shown;
use super::text::blocks;
use crate::state::Msg;

/// The slide that is shown, or all of them.
pub fn slides(shown: &Shown, dispatch: &Callback<Msg>) -> Html {
    let all = &shown.lesson.slides;
    let at = shown.notes.slide.min(all.len().saturating_sub(1));
    let go = |to: usize| dispatch.reform(move |_: web_sys::MouseEvent| Msg::Lesson(LessonMsg::Slide(to)));
    let send = |msg: LessonMsg| dispatch.reform(move |_: web_sys::MouseEvent| Msg::Lesson(msg.clone()));
    let overview = shown.notes.overview;
    html! {
        <div class="slides" onkeydown={keys(shown, dispatch)} data-testid="slides">
            if overview {
                <ol class="slides__overview" lang={shown.lesson.language.clone()}>
                    { for all.iter().enumerate().map(|(i, slide)| html! {
                        <li><button type="button" onclick={go(i)} aria-current={(i == at).then_some("true")}>{ title(slide, i) }</button></li>
                    }) }
                </ol>
            } else if shown.notes.blank {
                <p class="slides__blank" role="status">{ t!("blank") }</p>
            } else if let Some(slide) = all.get(at) {
                <article class="slide" aria-label={t!("Slide {n} of {all}", n = at + 1, all = all.len())} data-testid="slide" tabindex="0">
                    <div lang={shown.lesson.language.clone()}>{ blocks(&slide.text, dispatch) }</div>
                </article>
            }
            <div class="slides__bar">
                <button type="button" disabled={at == 0} onclick={go(at.saturating_sub(1))} data-testid="slide-back">{ t!("back") }</button>
                <span aria-live="polite">{ t!("{n} of {all}", n = at + 1, all = all.len()) }</span>
                <button type="button" disabled={at + 1 >= all.len()} onclick={go(at + 1)} data-testid="slide-next">{ t!("next") }</button>
                <button type="button" class="quiet" aria-pressed={overview.to_string()} onclick={send(LessonMsg::Overview(!overview))}>{ t!("all slides") }</button>
                <button type="button" class="quiet" aria-pressed={shown.notes.blank.to_string()} onclick={send(LessonMsg::Blank)}>{ t!("blank") }</button>
                <button type="button" class="quiet" onclick={go(at)}>{ t!("machine as prepared") }</button>
            </div>
            if let Some(slide) = all.get(at).filter(|slide| !slide.notes.is_empty()) {
                <details class="slides__notes">
                    <summary>{ t!("notes") }</summary>
                    <div lang={shown.lesson.language.clone()}>{ blocks(&slide.notes, dispatch) }</div>
                </details>
            }
        </div>
    }
}

/// The first heading of a slide, or its first words.
fn title(slide: &Slide, index: usize) -> String {
    let heading = slide.text.iter().find_map(|block| match block {
        Block::Heading { text, .. } => Some(plain(text)),
        _ => None,
    });
    let words = || plain_blocks(&slide.text).split_whitespace().take(8).collect::<Vec<_>>().join(" ");
    format!("{}. {}", index + 1, heading.unwrap_or_else(words))
}

fn keys(shown: &Shown, dispatch: &Callback<Msg>) -> Callback<KeyboardEvent> {
    let at = shown.notes.slide;
    let overview = shown.notes.overview;
    let dispatch = dispatch.clone();
    Callback::from(move |event: KeyboardEvent| {
        let msg = match event.key().as_str() {
            "PageDown" => LessonMsg::Slide(at + 1),
            "PageUp" => LessonMsg::Slide(at.saturating_sub(1)),
            "Home" => LessonMsg::Slide(0),
            "b" | "." => LessonMsg::Blank,
            "o" => LessonMsg::Overview(!overview),
            _ => return,
        };
        event.prevent_default();
        dispatch.emit(Msg::Lesson(msg));
    })
}
