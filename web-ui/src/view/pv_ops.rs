//! The kernel's table of privileged operations: what each points to on the bare machine, on Xen, behind a VMI ROM and on lguest,
//! and what has become of the places from which it is called.

use std::rc::Rc;

use hypervisor_model::machine::Platform;
use hypervisor_model::paravirt::pv_ops::{Becomes, Below};
use hypervisor_model::projection::xen::pv_table::{PvRow, PvTable, hex, how, what};
use kernel_model::event::EventKind;
use kernel_model::projection::Change;
use yew::{Html, Properties, classes, component, html, use_state};

use super::{Picture, Subject, View};
use crate::widget::mark::change_mark;
use crate::widget::twin::{Text, Twin};

/// The view on the stage.
pub const VIEW: View = View {
    name: "pv-ops",
    title: "pv_ops",
    subject: Subject::Xen,
    about: "What each privileged operation of the kernel is on whom, and how its call sites are patched",
    concerns: |_: &EventKind| false,
    looks_back: false,
    picture: |moment| {
        let table = Rc::new(PvTable::of_step(moment.events, Platform::of_code(moment.platform)));
        Picture::new(move |_| html! { <PvOpsView table={table.clone()} /> })
    },
};

/// Props of [`PvOpsView`].
#[derive(Clone, PartialEq, Properties)]
pub struct Props {
    /// What is shown.
    pub table: Rc<PvTable>,
}

/// The view.
#[component]
pub fn PvOpsView(Props { table }: &Props) -> Html {
    let sites = use_state(|| false);
    let toggle = {
        let sites = sites.clone();
        move |_: web_sys::MouseEvent| sites.set(!*sites)
    };
    html! {
        <section class="view pv-ops" data-testid="view-pv-ops" aria-label={t!("The table of privileged operations")}>
            <Twin title={"pv_ops"} text={Text::of(table, PvTable::text)}>
                <p lang="en">{ table.summary() }</p>
                <p><button type="button" aria-pressed={sites.to_string()} onclick={toggle}>{ t!("bytes of the call sites") }</button></p>
                <div class="xen-scroll" tabindex="0" role="group" aria-label={t!("The table of privileged operations")}>
                    <table class="xen-table pv-ops__table">
                        <thead><tr>
                            <th scope="col">{ t!("operation") }</th>
                            { for Below::ALL.iter().map(|below| html! {
                                <th scope="col" class={classes!((table.here == Some(*below)).then_some("is-here"))}>
                                    <span lang="en">{ below.name() }</span>
                                    if table.here == Some(*below) { <small>{ " ◂ " }{ t!("here") }</small> }
                                </th>
                            }) }
                        </tr></thead>
                        <tbody lang="en">{ for table.rows.iter().map(|r| row(r, table.here, *sites)) }</tbody>
                    </table>
                </div>
            </Twin>
        </section>
    }
}

fn row(row: &PvRow, here: Option<Below>, sites: bool) -> Html {
    let op = row.op;
    html! {
        <tr class={(row.used > 0).then_some("is-changed")}>
            <th scope="row">
                <code>{ format!("{}.{}", op.group, op.name) }</code>
                if row.used > 0 { <small class="pv-ops__used">{ change_mark(Change::Changed) }{ format!(" {}×", row.used) }</small> }
                if sites { <code class="pv-ops__site">{ hex(op.site_before().map(Some)) }</code> }
            </th>
            { for Below::ALL.iter().map(|below| {
                let becomes = op.on(*below);
                html! {
                    <td class={classes!("pv-ops__cell", class_of(becomes), (here == Some(*below)).then_some("is-here"))}>
                        <b>{ how(becomes) }</b><span>{ what(becomes) }</span>
                        if sites { <code class="pv-ops__site">{ hex(op.site_after(*below)) }</code> }
                    </td>
                }
            }) }
        </tr>
    }
}

fn class_of(becomes: Becomes) -> &'static str {
    match becomes {
        Becomes::Hypercall(_) | Becomes::Rom(_) => "is-crossing",
        Becomes::Nothing(_) => "is-nothing",
        _ => "is-own",
    }
}
