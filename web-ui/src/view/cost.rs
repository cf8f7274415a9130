//! Cost: modelled cycles by cause, of the step and of everything since the kernel booted.

use std::rc::Rc;

use hypervisor_model::projection::cost_bars::CostBars;
use kernel_model::event::EventKind;
use yew::{Callback, Html, Properties, component, html};

use super::below::{bars, no_machine};
use super::{Picture, Subject, View};
use crate::state::Msg;
use crate::widget::twin::{Text, Twin};

/// The view on the stage.
pub const VIEW: View = View {
    name: "cost",
    title: "Cost",
    subject: Subject::Processor,
    about: "Modelled cycles by what they were spent on, and what was counted beside them",
    concerns: |_: &EventKind| false,
    looks_back: false,
    picture: |moment| {
        let (before, after) = moment.machines;
        let costs = Rc::new(CostBars::of(before.counters(), after.counters()));
        let is_watched = moment.platform != 0;
        Picture::new(move |look| {
            html! { <CostView costs={costs.clone()} {is_watched} dispatch={look.dispatch.clone()} /> }
        })
    },
};

/// Props of [`CostView`].
#[derive(Clone, PartialEq, Properties)]
pub struct Props {
    /// What is shown.
    pub costs: Rc<CostBars>,
    /// Somebody looks at the machine.
    pub is_watched: bool,
    /// Where messages go.
    pub dispatch: Callback<Msg>,
}

/// The view.
#[component]
pub fn CostView(Props { costs, is_watched, dispatch }: &Props) -> Html {
    html! {
        <section class="view cost" data-testid="view-cost" aria-label={t!("Modelled cycles by cause")}>
            <Twin title={t!("Cost")} text={Text::of(costs, CostBars::text)}>
                if !*is_watched {
                    { no_machine(dispatch) }
                } else {
                    <p lang="en">{ costs.summary() }</p>
                    { bars(t!("cycles for"), &costs.causes) }
                    { bars(t!("counted"), &costs.counts) }
                }
            </Twin>
        </section>
    }
}
