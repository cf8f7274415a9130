//! Text of lessons as elements. Nothing of it is HTML: what a lesson says is shown, never run.

use lessons::lesson::text::{Block, Inline};
use yew::{Callback, Html, classes, html};

use super::act::LessonMsg;
use crate::state::Msg;

/// Blocks of text.
pub fn blocks(blocks: &[Block], dispatch: &Callback<Msg>) -> Html {
    blocks.iter().map(|b| block(b, dispatch)).collect()
}

fn block(block: &Block, dispatch: &Callback<Msg>) -> Html {
    match block {
        Block::Heading { level, anchor, text } => {
            let (id, text) = (format!("h-{anchor}"), line(text));
            // The lesson's title is above all of them.
            match level {
                1 | 2 => html! { <h3 {id}>{ text }</h3> },
                _ => html! { <h4 {id}>{ text }</h4> },
            }
        }
        Block::Paragraph(text) => html! { <p>{ line(text) }</p> },
        Block::List { start, items } => {
            let items = items.iter().map(|item| html! { <li>{ blocks(item, dispatch) }</li> });
            match start {
                Some(start) => html! { <ol start={start.to_string()}>{ for items }</ol> },
                None => html! { <ul>{ for items }</ul> },
            }
        }
        Block::Code { language: _, run, text } => code(text, *run, dispatch),
        Block::Quote(inner) => html! { <blockquote>{ blocks(inner, dispatch) }</blockquote> },
        Block::Table { head, rows } => html! {
            <div class="lesson__table" tabindex="0" role="region" aria-label={t!("Table")}>
                <table>
                    <thead><tr>{ for head.iter().map(|cell| html! { <th scope="col">{ line(cell) }</th> }) }</tr></thead>
                    <tbody>{ for rows.iter().map(|row| html! {
                        <tr>{ for row.iter().map(|cell| html! { <td>{ line(cell) }</td> }) }</tr>
                    }) }</tbody>
                </table>
            </div>
        },
        Block::Rule => html! { <hr /> },
    }
}

fn code(text: &str, run: bool, dispatch: &Callback<Msg>) -> Html {
    let command = text.to_owned();
    let type_it = dispatch.reform(move |_: web_sys::MouseEvent| Msg::Lesson(LessonMsg::Run(command.clone())));
    html! {
        // A command may be broken, a drawing not.
        <div class={classes!("lesson__code", (!run).then_some("lesson__code--drawn"))}>
            <pre tabindex="0">{ text }</pre>
            if run {
                <button type="button" onclick={type_it} aria-label={t!("type it: {text}", text = text)} data-testid="lesson-run">{ t!("type it") }</button>
            }
        </div>
    }
}

/// A line of text.
pub fn line(inline: &[Inline]) -> Html {
    inline.iter().map(piece).collect()
}

fn piece(inline: &Inline) -> Html {
    match inline {
        Inline::Text(text) => html! { text },
        Inline::Code(text) => html! { <code>{ text }</code> },
        Inline::Emphasis(inner) => html! { <em>{ line(inner) }</em> },
        Inline::Strong(inner) => html! { <strong>{ line(inner) }</strong> },
        Inline::Break => html! { <br /> },
        Inline::Link { to, text } => link(to, line(text)),
    }
}

/// A link: within the lesson, to another lesson, or out of the page. Anything else is no link.
fn link(to: &str, text: Html) -> Html {
    if let Some(anchor) = to.strip_prefix('#') {
        return html! { <a href={format!("#h-{anchor}")}>{ text }</a> };
    }
    if let Some(lesson) = to.strip_prefix("../") {
        let id = lesson.split('#').next().unwrap_or_default().trim_end_matches('/');
        return html! { <a href={format!("#lesson={id}")}>{ text }</a> };
    }
    if to.starts_with("https://") || to.starts_with("http://") {
        return html! { <a href={to.to_owned()} target="_blank" rel="noopener noreferrer">{ text }</a> };
    }
    text
}
