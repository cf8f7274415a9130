//! Slides of a lecture on the lecturer's screen: the one that is shown, all of them to choose from, and all of them on paper.
//! What keys do is in [`remote`](super::remote), what the second window shows in [`presenter`](super::presenter).

use lessons::lesson::text::{Block, plain, plain_blocks};
use lessons::lesson::{Lesson, Slide};
use yew::{Callback, Html, html};

use super::act::LessonMsg;
use super::pane::Shown;
use super::text::blocks;
use crate::appearance::Type;
use crate::state::Msg;

/// The slide that is shown, or all of them.
pub fn slides(shown: &Shown, dispatch: &Callback<Msg>) -> Html {
    let all = &shown.lesson.slides;
    let at = shown.notes.slide.min(all.len().saturating_sub(1));
    let go = |to: usize| dispatch.reform(move |_: web_sys::MouseEvent| Msg::Lesson(LessonMsg::Slide(to)));
    html! {
        <div class="slides" data-testid="slides">
            if shown.notes.overview {
                <ol class="slides__overview" lang={shown.lesson.language.clone()}>
                    { for all.iter().enumerate().map(|(i, slide)| html! {
                        <li><button type="button" id={(i == at).then_some("slides-here")} onclick={go(i)} aria-current={(i == at).then_some("true")}>{ title(slide, i) }</button></li>
                    }) }
                </ol>
            } else if let Some(slide) = all.get(at) {
                <article class="slide" aria-label={t!("Slide {n} of {all}", n = at + 1, all = all.len())} data-testid="slide" tabindex="0">
                    <div lang={shown.lesson.language.clone()}>{ blocks(&slide.text, dispatch) }</div>
                </article>
            }
            { bar(shown, at, dispatch) }
            if let Some(slide) = all.get(at).filter(|slide| !slide.notes.is_empty()) {
                <details class="slides__notes">
                    <summary>{ t!("notes") }</summary>
                    <div lang={shown.lesson.language.clone()}>{ blocks(&slide.notes, dispatch) }</div>
                </details>
            }
            if shown.notes.blank {
                <button type="button" id="slides-blank" class="slides__blank" data-testid="slides-blank"
                    onclick={dispatch.reform(|_: web_sys::MouseEvent| Msg::Lesson(LessonMsg::Blank))}>{ t!("blank: press b to go on") }</button>
            }
            { paper(&shown.lesson, dispatch) }
        </div>
    }
}

fn bar(shown: &Shown, at: usize, dispatch: &Callback<Msg>) -> Html {
    let send = |msg: LessonMsg| dispatch.reform(move |_: web_sys::MouseEvent| Msg::Lesson(msg.clone()));
    let size = |size: Type| dispatch.reform(move |_: web_sys::MouseEvent| Msg::Type(size));
    let (count, overview) = (shown.lesson.slides.len(), shown.notes.overview);
    html! {
        <>
            <div class="slides__bar" role="group" aria-label={t!("Slides")}>
                <button type="button" class="slides__turn" disabled={at == 0} onclick={send(LessonMsg::Slide(at.saturating_sub(1)))} data-testid="slide-back">{ t!("back") }</button>
                <span aria-live="polite" data-testid="slide-place">{ t!("{n} of {all}", n = at + 1, all = count) }</span>
                <button type="button" class="slides__turn" disabled={at + 1 >= count} onclick={send(LessonMsg::Slide(at + 1))} data-testid="slide-next">{ t!("next") }</button>
                <button type="button" class="quiet" aria-pressed={overview.to_string()} onclick={send(LessonMsg::Overview(!overview))}>{ t!("all slides") }</button>
                <button type="button" class="quiet" onclick={send(LessonMsg::Blank)}>{ t!("blank") }</button>
                <button type="button" class="quiet" title={t!("A second window with notes, the next slide and the time")} onclick={send(LessonMsg::Present)} data-testid="presenter-open">{ t!("presenter") }</button>
                <button type="button" class="quiet" onclick={send(LessonMsg::Print)}>{ t!("print") }</button>
                <span class="slides__type" role="group" aria-label={t!("Size of type")}>{ t!("type") }
                    <button type="button" class="quiet" disabled={shown.size == Type::ALL[0]} onclick={size(shown.size.smaller())}>{ t!("smaller") }</button>
                    <button type="button" class="quiet" disabled={shown.size.larger() == shown.size} onclick={size(shown.size.larger())}>{ t!("larger") }</button>
                </span>
            </div>
            <p class={yew::classes!("slides__path", shown.strayed.then_some("is-strayed"))} data-testid="slides-path">
                <span role="status">{ if shown.strayed { t!("What if: you have left the prepared path.") } else { "" } }</span>
                <button type="button" class="quiet" onclick={send(LessonMsg::Prepared)}>{ t!("machine as prepared") }</button>
            </p>
        </>
    }
}

/// All slides with their notes, one a page: seen on paper only.
fn paper(lesson: &Lesson, dispatch: &Callback<Msg>) -> Html {
    let count = lesson.slides.len();
    let page = |(i, slide): (usize, &Slide)| {
        html! {
            <section class="paper">
                <div class="paper__slide">{ blocks(&slide.text, dispatch) }</div>
                { does(lesson, slide) }
                <div class="paper__notes">{ blocks(&slide.notes, dispatch) }</div>
                <footer>{ &lesson.title }{ ", " }{ t!("{n} of {all}", n = i + 1, all = count) }</footer>
            </section>
        }
    };
    html! { <div class="slides__paper" lang={lesson.language.clone()}>{ for lesson.slides.iter().enumerate().map(page) }</div> }
}

/// What the machine does when a slide comes, in the words in which it was prepared.
pub fn does(lesson: &Lesson, slide: &Slide) -> Html {
    let Some(scene) = slide.scene.and_then(|scene| lesson.scenes.get(scene)) else { return Html::default() };
    html! {
        <p class="paper__does">
            { t!("The machine:") }{ " " }{ for scene.steps.iter().map(|step| html! { <><code>{ crate::shown::action_text(&step.action()) }</code>{ " " }</> }) }
        </p>
    }
}

/// The first heading of a slide, or its first words.
pub fn title(slide: &Slide, index: usize) -> String {
    let heading = slide.text.iter().find_map(|block| match block {
        Block::Heading { text, .. } => Some(plain(text)),
        _ => None,
    });
    let words = || plain_blocks(&slide.text).split_whitespace().take(8).collect::<Vec<_>>().join(" ");
    format!("{}. {}", index + 1, heading.unwrap_or_else(words))
}
