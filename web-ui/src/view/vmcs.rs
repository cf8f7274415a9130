//! Control structures: the VMCS of a guest's processor in its groups, field by field, with a mark at what the last exit wrote;
//! or the VMCB that a processor with AMD-V would have.

use std::rc::Rc;

use hypervisor_model::cpu::Vendor;
use hypervisor_model::projection::control_structure::{
    ControlStructure, ControlStructures, FieldRow, Group, NOTHING, UNKNOWN,
};
use kernel_model::event::EventKind;
use yew::{Callback, Event, Html, Properties, classes, component, html, use_state};

use super::below::{address, no_machine};
use super::{Picture, Subject, View};
use crate::browser::element;
use crate::state::Msg;
use crate::widget::twin::{Text, Twin};

/// The view on the stage.
pub const VIEW: View = View {
    name: "vmcs",
    title: "VMCS",
    subject: Subject::Processor,
    about: "What a guest's control structure holds, and which of its fields the last exit wrote",
    concerns: |_: &EventKind| false,
    looks_back: false,
    picture: |moment| {
        let (before, after) = moment.machines;
        let found = ControlStructures::of(&before.virtual_processors(), &after.virtual_processors());
        let (is_watched, found) = (moment.platform != 0 || !found.processors.is_empty(), Rc::new(found));
        Picture::new(move |look| {
            html! { <VmcsView found={found.clone()} {is_watched} dispatch={look.dispatch.clone()} /> }
        })
    },
};

/// Props of [`VmcsView`].
#[derive(Clone, PartialEq, Properties)]
pub struct Props {
    /// What is shown.
    pub found: Rc<ControlStructures>,
    /// Somebody looks at the machine.
    pub is_watched: bool,
    /// Where messages go.
    pub dispatch: Callback<Msg>,
}

/// The view.
#[component]
pub fn VmcsView(Props { found, is_watched, dispatch }: &Props) -> Html {
    let vendor = use_state(|| Vendor::Intel);
    let chosen = use_state(|| None::<usize>);
    let at = chosen.filter(|at| *at < found.processors.len()).unwrap_or(found.first());
    let choose = {
        let chosen = chosen.clone();
        Callback::from(move |event: Event| chosen.set(element::chosen_value(&event).parse().ok()))
    };
    let twin = match *vendor {
        Vendor::Intel => Text::of(found, |found: &ControlStructures| found.text(Vendor::Intel)),
        Vendor::Amd => Text::of(found, |found: &ControlStructures| found.text(Vendor::Amd)),
    };
    let button = |by: Vendor, words: &'static str| {
        let set = vendor.clone();
        let onclick = move |_: web_sys::MouseEvent| set.set(by);
        html! { <button type="button" aria-pressed={(*vendor == by).to_string()} {onclick}>{ words }</button> }
    };
    html! {
        <section class="view vmcs" data-testid="view-vmcs" aria-label={t!("Control structures of guests")}>
            <Twin title={t!("VMCS")} text={twin}>
                if !*is_watched {
                    { no_machine(dispatch) }
                } else if let Some(processor) = found.processors.get(at) {
                    <p class="vmcs__controls">
                        { button(Vendor::Intel, "VMCS (VT-x)") }
                        { button(Vendor::Amd, "VMCB (AMD-V)") }
                        <select aria-label={t!("Virtual processor")} onchange={choose}>
                            { for found.processors.iter().enumerate().map(|(i, processor)| html! {
                                <option value={i.to_string()} selected={i == at}>{ &processor.name }</option>
                            }) }
                        </select>
                    </p>
                    { structure(processor.by(*vendor)) }
                } else {
                    <p lang="en">{ NOTHING }</p>
                }
            </Twin>
        </section>
    }
}

fn structure(structure: &ControlStructure) -> Html {
    let has_unknown = structure.groups.iter().any(|group| group.unknown().next().is_some());
    html! {
        <>
            <p class="view__more">
                <span class="vmcs__mark" aria-hidden="true">{ "\u{25c6}" }</span>{ " " }{ t!("written by the last exit; fields that are 0 are left out") }
            </p>
            { for structure.groups.iter().map(group) }
            if has_unknown { <p class="view__more" lang="en">{ UNKNOWN }</p> }
        </>
    }
}

fn group(group: &Group) -> Html {
    let unknown: Vec<&str> = group.unknown().collect();
    let (is_empty, title) = (!group.fields.iter().any(FieldRow::is_shown), &group.title);
    html! {
        <div class="vmcs__group">
            <h3>{ title }</h3>
            if !is_empty {
                <div class="vmcs__scroll" tabindex="0" role="group" aria-label={title.clone()}>
                    <table class="vmcs__fields">
                        <tbody>{ for group.fields.iter().filter(|row| row.is_shown()).map(field) }</tbody>
                    </table>
                </div>
            }
            if !unknown.is_empty() {
                <details class="vmcs__unknown">
                    <summary>{ t!("not in this model here: {n} fields", n = unknown.len()) }</summary>
                    <p>{ unknown.join(", ") }</p>
                </details>
            }
        </div>
    }
}

fn field(row: &FieldRow) -> Html {
    let mark =
        html! { <span class="vmcs__mark" role="img" aria-label={t!("written by the last exit")}>{ "\u{25c6}" }</span> };
    html! {
        <tr class={classes!("vmcs__field", row.is_written.then_some("is-written"), row.before.map(|_| "is-changed"))}>
            <td>{ if row.is_written { mark } else { Html::default() } }</td>
            <td class="vmcs__place">{ &row.place }</td>
            <th scope="row">{ &row.name }</th>
            <td class="vmcs__value">
                { address(row.value.unwrap_or(0)) }
                if let Some(before) = row.before { <small>{ " " }{ t!("was {value}", value = address(before)) }</small> }
            </td>
            <td class="vmcs__meaning" lang="en">{ &row.meaning }</td>
        </tr>
    }
}
