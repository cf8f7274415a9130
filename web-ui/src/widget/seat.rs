//! The process in whose place one looks at the world, in the views that show it from somewhere.

use std::rc::Rc;

use kernel_model::task::TaskId;
use yew::{Callback, Event, Html, html};

use crate::browser::element::chosen_value;
use crate::state::Msg;

/// Where one can stand.
#[derive(Clone, PartialEq, Default)]
pub struct Seats {
    /// Processes: task and name.
    pub there: Rc<Vec<(TaskId, String)>>,
    /// The one that was chosen; else one stands with whoever takes the step.
    pub chosen: Option<TaskId>,
}

/// A field to choose from; `now` is where one stands.
pub fn seat(seats: &Seats, now: Option<TaskId>, dispatch: &Callback<Msg>) -> Html {
    let chosen = dispatch.reform(|event: Event| Msg::Stand(chosen_value(&event).parse().ok().map(TaskId)));
    let name = now.and_then(|task| seats.there.iter().find(|(there, _)| *there == task)).map(|(_, name)| name.as_str());
    let follows = seats.chosen.is_none() || seats.chosen != now;
    let follow = match name {
        Some(name) if follows => t!("{name}, as the step", name = name),
        _ => t!("whoever takes the step").to_owned(),
    };
    html! {
        <select class="seat" aria-label={t!("Process where you stand")} onchange={chosen}>
            <option value="" selected={follows}>{ follow }</option>
            { for seats.there.iter().map(|(task, name)| html! {
                <option value={task.0.to_string()} selected={!follows && Some(*task) == now}>{ name }</option>
            }) }
        </select>
    }
}
