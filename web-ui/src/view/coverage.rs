//! Coverage: every system call of the table with what is modelled of it, and every program. The same list as
//! `docs/coverage.md`.

use std::rc::Rc;

use kernel_model::event::EventKind;
use kernel_model::projection::coverage::{CallRow, Coverage, Extent, ProgramRow};
use yew::{Callback, Html, InputEvent, Properties, TargetCast, classes, component, html, use_state};

use super::{Picture, Subject, View};
use crate::language::translated;
use crate::widget::twin::{Text, Twin};

/// The view on the stage.
pub const VIEW: View = View {
    name: "coverage",
    title: "Coverage",
    subject: Subject::Model,
    about: "What is modelled of Linux and what is not, call by call",
    concerns: |kind: &EventKind| matches!(kind, EventKind::NotModelled { .. }),
    looks_back: false,
    picture: |_| {
        let coverage = Rc::new(Coverage::of_records());
        Picture::new(move |_| html! { <CoverageView coverage={coverage.clone()} /> })
    },
};

/// Props of [`CoverageView`].
#[derive(Clone, PartialEq, Properties)]
pub struct Props {
    /// What is shown.
    pub coverage: Rc<Coverage>,
}

/// The view.
#[component]
pub fn CoverageView(Props { coverage }: &Props) -> Html {
    let wanted = use_state(String::new);
    let only = use_state(|| None::<Extent>);
    let typed = {
        let wanted = wanted.clone();
        Callback::from(move |event: InputEvent| {
            let field: web_sys::HtmlInputElement = event.target_unchecked_into();
            wanted.set(field.value());
        })
    };
    let fits = |row: &&CallRow| {
        let text = wanted.trim().to_lowercase();
        only.is_none_or(|extent| row.extent == extent)
            && (text.is_empty() || row.name.contains(&text) || row.sentence.to_lowercase().contains(&text))
    };
    let rows: Vec<&CallRow> = coverage.calls.iter().filter(fits).collect();
    let choice = |extent: Option<Extent>, label: String| {
        let on = *only == extent;
        let only = only.clone();
        let choose = Callback::from(move |_: web_sys::MouseEvent| only.set(extent));
        html! { <button type="button" class={classes!("tab", on.then_some("is-shown"))} aria-pressed={on.to_string()} onclick={choose}>{ label }</button> }
    };
    html! {
        <section class="view coverage" data-testid="view-coverage" aria-label={t!("What is modelled and what is not")}>
            <Twin title={t!("Coverage")} text={Text::of(coverage, |coverage| coverage.markdown("See docs/coverage.md."))}>
                <p class="coverage__summary" lang="en">{ coverage.summary() }</p>
                <div class="coverage__choice" role="group" aria-label={t!("Calls to list")}>
                    { choice(None, t!("all {n}", n = coverage.calls.len())) }
                    { for Extent::ALL.into_iter().map(|extent| choice(Some(extent), format!("{} {} {}", extent.sign(), translated(extent.label()), coverage.count(extent)))) }
                    <input type="search" aria-label={t!("Find a call")} placeholder={t!("find a call")} value={(*wanted).clone()} oninput={typed} />
                </div>
                <div class="coverage__scroll" tabindex="0" role="region" aria-label={t!("System calls")}>
                    <table>
                        <thead><tr><th scope="col">{ t!("nr") }</th><th scope="col">{ t!("call") }</th><th scope="col">{ t!("what there is of it") }</th></tr></thead>
                        <tbody>{ for rows.iter().map(|row| call_row(row)) }</tbody>
                    </table>
                    if rows.is_empty() { <p class="view__more">{ t!("No call is like that.") }</p> }
                </div>
                <div class="coverage__programs" lang="en">
                    { for coverage.areas.iter().map(|(area, rows)| html! {
                        <section aria-label={*area}>
                            <h3>{ *area }</h3>
                            <ul>{ for rows.iter().map(program_row) }</ul>
                        </section>
                    }) }
                </div>
            </Twin>
        </section>
    }
}

fn call_row(row: &CallRow) -> Html {
    let flags = row.flags.iter().map(|(arg, names)| format!("{arg}: {}", names.join(" ")));
    html! {
        <tr key={row.nr} class={classes!("coverage__call", (row.extent == Extent::Absent).then_some("is-absent"))}>
            <td>{ row.nr }</td>
            <th scope="row"><span role="img" aria-label={translated(row.extent.label())}>{ row.extent.sign() }</span>{ " " }{ row.name }</th>
            <td>
                <span>{ translated(row.extent.label()) }</span>
                if !row.sentence.is_empty() { <span lang="en">{ format!(": {}", row.sentence) }</span> }
                { for flags.map(|line| html! { <code>{ line }</code> }) }
                if !row.errors.is_empty() { <code>{ t!("errors:") }{ " " }{ row.errors.join(" ") }</code> }
            </td>
        </tr>
    }
}

fn program_row(row: &ProgramRow) -> Html {
    html! {
        <li>
            <details>
                <summary><b>{ row.name }</b>{ " " }{ row.summary }</summary>
                <pre>{ row.usage }</pre>
            </details>
        </li>
    }
}
