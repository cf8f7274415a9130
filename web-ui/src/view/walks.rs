//! Page walks: a ladder, a rung an entry of the kernel's own tables; under a hypervisor with nested paging each rung first
//! climbs the nested tables, from left to right. One reference a step.

use std::rc::Rc;

use hypervisor_model::machine::Platform;
use hypervisor_model::projection::page_walks::{PageWalks, Reference, Rung, Walk};
use kernel_model::event::{EventKind, Family};
use yew::{Callback, Event, Html, Properties, classes, component, html, use_state};

use super::below::{address, grouped, no_machine};
use super::{Picture, Subject, View};
use crate::browser::element;
use crate::state::Msg;
use crate::widget::twin::{Text, Twin};

/// The view on the stage.
pub const VIEW: View = View {
    name: "walks",
    title: "Page walk",
    subject: Subject::Processor,
    about: "How an address is translated, one reference to a page table after the other",
    concerns: |kind: &EventKind| kind.family() == Family::Walk,
    looks_back: false,
    picture: |moment| {
        let tables = Platform::of_code(moment.platform).map_or("", Platform::tables);
        let walks = Rc::new(PageWalks::of(moment.events, tables));
        let platform = moment.platform;
        Picture::new(move |look| {
            // What was chosen there is of no other platform.
            html! { <WalksView key={platform} walks={walks.clone()} is_watched={platform != 0} dispatch={look.dispatch.clone()} /> }
        })
    },
};

/// Props of [`WalksView`].
#[derive(Clone, PartialEq, Properties)]
pub struct Props {
    /// What is shown.
    pub walks: Rc<PageWalks>,
    /// Somebody looks at the machine.
    pub is_watched: bool,
    /// Where messages go.
    pub dispatch: Callback<Msg>,
}

/// The view.
#[component]
pub fn WalksView(Props { walks, is_watched, dispatch }: &Props) -> Html {
    // The walk that was chosen, and how many of its references have been made.
    let chosen = use_state(|| None::<usize>);
    let made = use_state(|| None::<usize>);
    let at = chosen.filter(|i| *i < walks.walks.len()).unwrap_or(walks.walks.len().saturating_sub(1));
    let choose = {
        let (chosen, made) = (chosen.clone(), made.clone());
        Callback::from(move |event: Event| {
            chosen.set(element::chosen_value(&event).parse().ok());
            made.set(None);
        })
    };
    let walk = walks.walks.get(at);
    let all = walk.map_or(0, Walk::references);
    let shown = made.unwrap_or(all).min(all);
    let to = |n: Option<usize>| {
        let made = made.clone();
        Callback::from(move |_: web_sys::MouseEvent| made.set(n))
    };
    html! {
        <section class="view walks" data-testid="view-walks" aria-label={t!("Page walks")}>
            <Twin title={t!("Page walk")} text={Text::of(walks, PageWalks::text)}>
                if !*is_watched {
                    { no_machine(dispatch) }
                } else {
                    <p lang="en">{ walks.tables }{ " " }{ walks.summary() }</p>
                    if let Some(walk) = walk {
                        <div class="walks__controls">
                            <select aria-label={t!("Walk")} onchange={choose}>
                                { for walks.walks.iter().enumerate().map(|(i, w)| html! {
                                    <option value={i.to_string()} selected={i == at}>{ format!("{}: ", i + 1 + walks.left_out) + &t!("{kind} of {address}", kind = w.kind, address = address(w.linear)) }</option>
                                }) }
                            </select>
                            <button type="button" disabled={shown == 0} onclick={to(Some(shown.saturating_sub(1)))}>{ t!("one back") }</button>
                            <button type="button" disabled={shown == all} onclick={to(Some(shown + 1))}>{ t!("one reference") }</button>
                            <button type="button" disabled={shown == all} onclick={to(None)}>{ t!("to its end") }</button>
                            <span role="status">{ t!("{n} of {all} references", n = shown, all = all) }</span>
                        </div>
                        { ladder(walk, shown) }
                        if shown == all { <p class={classes!("walks__ending", (!walk.is_done).then_some("is-refused"))}><span lang="en">{ walk.ending.to_string() }</span>{ " " }{ t!("{n} cycles.", n = grouped(walk.cycles)) }</p> }
                        { detail(walk, shown) }
                    }
                }
            </Twin>
        </section>
    }
}

fn ladder(walk: &Walk, shown: usize) -> Html {
    let columns = walk.rungs.iter().map(|rung| rung.nested.len()).max().unwrap_or(0);
    html! {
        <div class="walks__scroll" tabindex="0" role="group" aria-label={t!("The ladder")}>
            <table class="walks__ladder">
                if walk.is_nested() {
                    <thead><tr>
                        <th scope="colgroup" colspan={columns.to_string()}>{ t!("through the nested tables") }</th>
                        <th scope="col">{ t!("to the guest's") }</th>
                    </tr></thead>
                }
                <tbody>{ for walk.rungs.iter().map(|r| rung(r, columns, shown)) }</tbody>
            </table>
        </div>
    }
}

fn rung(rung: &Rung, columns: usize, shown: usize) -> Html {
    let missing = columns - rung.nested.len();
    html! {
        <tr>
            { for (0..missing).map(|_| html! { <td></td> }) }
            { for rung.nested.iter().map(|r| square(r, shown, false)) }
            { match &rung.own {
                Some(own) => square(own, shown, true),
                None => html! { <td class="walks__page">{ t!("the page") }</td> },
            } }
        </tr>
    }
}

fn square(reference: &Reference, shown: usize, is_own: bool) -> Html {
    let class = classes!(
        "walks__reference",
        is_own.then_some("is-own"),
        (reference.number > shown).then_some("is-future"),
        (reference.number == shown).then_some("is-now")
    );
    html! {
        <td {class} title={t!("entry at {at} holds {value}", at = format!("{:#x}", reference.at), value = format!("{:#x}", reference.entry))}>
            <b>{ reference.number }</b><span>{ reference.name }</span>
        </td>
    }
}

/// The reference that was made last: where the entry is, and what it holds.
fn detail(walk: &Walk, shown: usize) -> Html {
    let Some(reference) = walk.all().find(|r| r.number == shown) else { return Html::default() };
    html! {
        <p class="walks__detail">
            <span>{ t!("{entry} at {address}", entry = reference.name, address = address(reference.at)) }</span>
            <span>{ t!("chosen by {address}", address = address(reference.of)) }</span>
            <code>{ address(reference.entry) }</code>
            { for bits(reference.name).into_iter().filter(|(bit, _)| reference.entry >> bit & 1 == 1).map(|(_, name)| html! { <span class="chip">{ name }</span> }) }
        </p>
    }
}

/// The bits of an entry that are shown, with their names, by its own name. SDM 4.5 and 28.2.2: what says in bit 7 elsewhere
/// that the entry maps a page chooses a memory type (PAT) in the last level, and means nothing in that of EPT.
fn bits(name: &str) -> Vec<(u32, &'static str)> {
    let is_ept = name.starts_with("EPT");
    let mut bits = if is_ept {
        vec![(0, "read"), (1, "write"), (2, "execute"), (8, "accessed"), (9, "dirty")]
    } else {
        vec![
            (0, "present"),
            (1, "write"),
            (2, "user"),
            (5, "accessed"),
            (6, "dirty"),
            (8, "global"),
            (63, "no execute"),
        ]
    };
    match name {
        "PTE" => bits.push((7, "PAT")),
        "EPT PTE" => {}
        _ => bits.push((7, "page")),
    }
    bits.sort_unstable();
    bits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bit_7_of_the_last_level_is_no_size() {
        let seventh = |name| bits(name).into_iter().find(|(bit, _)| *bit == 7).map(|(_, name)| name);
        assert_eq!(seventh("PDE"), Some("page"));
        assert_eq!(seventh("EPT PDE"), Some("page"));
        assert_eq!(seventh("PTE"), Some("PAT"));
        assert_eq!(seventh("EPT PTE"), None);
    }
}
