//! The TLBs: the real table with tags. What the step brought in is marked, and what a flush made the processor forget is
//! struck out, with the cause.

use std::rc::Rc;

use hypervisor_model::projection::tlb_table::{Flushed, Table, TlbTable, Translation};
use kernel_model::event::{EventKind, Family};
use kernel_model::projection::Change;
use yew::{Callback, Html, Properties, classes, component, html};

use super::below::{address, no_machine};
use super::{Picture, Subject, View};
use crate::state::Msg;
use crate::widget::mark::{change_class, change_mark};
use crate::widget::twin::{Text, Twin};

/// The view on the stage.
pub const VIEW: View = View {
    name: "tlb",
    title: "TLB",
    subject: Subject::Processor,
    about: "What the processors remember of their walks, by which tags, and what makes them forget",
    concerns: |kind: &EventKind| kind.family() == Family::Tlb,
    looks_back: false,
    picture: |moment| {
        let (before, after) = moment.machines;
        let parts = before.parts().zip(after.parts());
        let counters = (before.counters(), after.counters());
        let table = parts.map(|parts| TlbTable::of(parts, counters, moment.events));
        let (is_watched, table) = (table.is_some(), Rc::new(table.unwrap_or_default()));
        Picture::new(move |look| {
            html! { <TlbView table={table.clone()} {is_watched} dispatch={look.dispatch.clone()} /> }
        })
    },
};

/// Props of [`TlbView`].
#[derive(Clone, PartialEq, Properties)]
pub struct Props {
    /// What is shown.
    pub table: Rc<TlbTable>,
    /// Somebody looks at the machine.
    pub is_watched: bool,
    /// Where messages go.
    pub dispatch: Callback<Msg>,
}

/// The view.
#[component]
pub fn TlbView(Props { table, is_watched, dispatch }: &Props) -> Html {
    html! {
        <section class="view tlb" data-testid="view-tlb" aria-label={t!("Translation lookaside buffers")}>
            <Twin title={t!("TLB")} text={Text::of(table, TlbTable::text)}>
                if !*is_watched {
                    { no_machine(dispatch) }
                } else {
                    <p lang="en">{ table.summary() }</p>
                    if !table.flushes.is_empty() { <ul class="tlb__flushes">{ for table.flushes.iter().map(flush) }</ul> }
                    { for table.tables.iter().map(processor) }
                }
            </Twin>
        </section>
    }
}

fn flush(flush: &Flushed) -> Html {
    html! {
        <li>
            <b>{ flush.name }</b>
            <span>{ t!("{cause} on processor {cpu}: {n} fell", cause = flush.cause, cpu = flush.cpu, n = flush.dropped) }</span>
        </li>
    }
}

fn processor(table: &Table) -> Html {
    let caption = t!("Processor {cpu}: {n} translations", cpu = table.cpu, n = table.held);
    html! {
        <div class="tlb__scroll" tabindex="0" role="group" aria-label={caption.clone()}>
            <table class="tlb__table">
                <caption>{ caption }</caption>
                <thead><tr>
                    <td></td><th scope="col">{ t!("page") }</th><th scope="col">{ t!("frame") }</th><th scope="col">{ t!("size") }</th>
                    <th scope="col">{ t!("rights") }</th><th scope="col">{ t!("tags") }</th>
                </tr></thead>
                <tbody>{ for table.entries.iter().map(|(entry, change)| row(entry, *change)) }</tbody>
            </table>
            if table.left_out > 0 { <p class="view__more">{ t!("and {n} more", n = table.left_out) }</p> }
        </div>
    }
}

fn row(entry: &Translation, change: Change) -> Html {
    html! {
        <tr class={classes!("tlb__row", change_class(change))}>
            <td>{ change_mark(change) }</td>
            <td>{ address(entry.page) }</td>
            <td>{ format!("{:x}", entry.frame) }</td>
            <td>{ entry.size() }</td>
            <td>{ &entry.rights }</td>
            <td>{ entry.tags() }</td>
        </tr>
    }
}
