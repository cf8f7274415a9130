//! The stage as a part of the page: tabs of all views, the main view, and those beside it.

use yew::{Callback, Event, Html, KeyboardEvent, Properties, TargetCast, classes, component, html};

use crate::browser::element;
use crate::browser::key::Key;
use crate::language::translated;
use crate::stage::{MAX_BESIDE, Stage};
use crate::state::Msg;
use crate::view::{Look, Picture, Subject, VIEWS, View};

/// Props of [`StagePane`].
#[derive(Clone, PartialEq, Properties)]
pub struct Props {
    /// Which views are shown.
    pub stage: Stage,
    /// Their pictures.
    pub pictures: Vec<(&'static View, Picture)>,
    /// Views that the step concerns.
    pub concerned: Vec<&'static View>,
    /// What may change while the same moment is looked at.
    pub look: Look,
}

/// The stage.
#[component]
pub fn StagePane(Props { stage, pictures, concerned, look }: &Props) -> Html {
    let dispatch = &look.dispatch;
    let main = stage.main;
    html! {
        <main class="stage" data-main={main.name}>
            <div class="stage__bar">
                { follow_button(stage, dispatch) }
                <div class="stage__tabs" role="tablist" aria-label={t!("Views")} onkeydown={Callback::from(move |event| move_focus(&event, main))}>
                    { for Subject::ALL.map(|subject| tabs(subject, stage, concerned, dispatch)) }
                </div>
                if stage.room > 1 && VIEWS.len() > 1 { { beside_choice(stage, dispatch) } }
            </div>
            <div class="stage__panes" data-count={pictures.len().to_string()}>
                { for pictures.iter().map(|(view, picture)| pane(view, picture, stage, look)) }
            </div>
        </main>
    }
}

fn follow_button(stage: &Stage, dispatch: &Callback<Msg>) -> Html {
    let to = !stage.follows;
    let toggle = dispatch.reform(move |_: web_sys::MouseEvent| Msg::Follow(to));
    html! {
        <button type="button" id="stage-follow" class="quiet stage__follow" aria-pressed={stage.follows.to_string()} onclick={toggle}
            title={t!("Show the view that the step concerns")}>{ t!("follow") }</button>
    }
}

/// The tabs of a subject, after its name. The name is for the eye: to the ear the tabs are one list.
fn tabs(subject: Subject, stage: &Stage, concerned: &[&'static View], dispatch: &Callback<Msg>) -> Html {
    let views = VIEWS.iter().filter(|view| view.subject == subject);
    html! {
        <div class="stage__group" role="presentation">
            <span class="stage__group-name" aria-hidden="true">{ subject.title() }</span>
            { for views.map(|view| tab(view, stage, concerned.contains(view), dispatch)) }
        </div>
    }
}

/// While a view is not shown its tab stands for it: `data-testid=view-NAME` is there exactly once.
fn tab(view: &'static View, stage: &Stage, concerned: bool, dispatch: &Callback<Msg>) -> Html {
    let main = view == stage.main;
    let shown = stage.shows(view);
    let choose = dispatch.reform(move |_: web_sys::MouseEvent| Msg::Choose(view));
    let class = classes!("tab", main.then_some("is-shown"), (shown && !main).then_some("is-beside"));
    html! {
        <button type="button" role="tab" id={format!("tab-{}", view.name)} {class} title={translated(view.about)}
            data-testid={(!shown).then(|| format!("view-{}", view.name))}
            aria-selected={main.to_string()} aria-controls={main.then_some("stage-main")}
            tabindex={if main { "0" } else { "-1" }} onclick={choose}>
            { translated(view.title) }
            if concerned { <span class="stage__concerned" aria-hidden="true"></span> }
        </button>
    }
}

/// Arrow keys, Home and End go from tab to tab; Enter and the space bar, as on every button, choose.
fn move_focus(event: &KeyboardEvent, main: &'static View) {
    let key = Key::from(event);
    let focused = event.target_dyn_into::<web_sys::Element>().map(|e| e.id()).unwrap_or_default();
    let here = VIEWS.iter().position(|view| focused == format!("tab-{}", view.name));
    let here = here.or_else(|| VIEWS.iter().position(|view| *view == main)).unwrap_or(0);
    let to = match key.name.as_str() {
        "ArrowRight" => (here + 1) % VIEWS.len(),
        "ArrowLeft" => (here + VIEWS.len() - 1) % VIEWS.len(),
        "Home" => 0,
        "End" => VIEWS.len() - 1,
        _ => return,
    };
    event.prevent_default();
    element::focus(&format!("tab-{}", VIEWS[to].name));
}

fn beside_choice(stage: &Stage, dispatch: &Callback<Msg>) -> Html {
    let chosen = dispatch.reform(|event: Event| Msg::Beside(element::chosen_value(&event)));
    let others = VIEWS.iter().filter(|view| !stage.shows(view));
    let label = match stage.visible().len() - 1 {
        0 => t!("beside").to_owned(),
        n => t!("beside {n}/{most}", n = n, most = MAX_BESIDE),
    };
    html! {
        <select class="stage__beside" aria-label={t!("Show beside the main view")} onchange={chosen} disabled={others.clone().next().is_none()}>
            <option value="" selected=true>{ label }</option>
            { for others.map(|view| html! { <option value={view.name}>{ translated(view.title) }</option> }) }
        </select>
    }
}

fn pane(view: &'static View, picture: &Picture, stage: &Stage, look: &Look) -> Html {
    if view == stage.main {
        return html! {
            <div key={view.name} class="pane pane--main" id="stage-main" role="tabpanel" aria-labelledby={format!("tab-{}", view.name)}>
                { picture.draw(look) }
            </div>
        };
    }
    let away = look.dispatch.reform(move |_: web_sys::MouseEvent| Msg::PutAway(view));
    html! {
        <div key={view.name} class="pane pane--beside">
            <button type="button" class="quiet pane__away" aria-label={t!("put {view} away", view = translated(view.title))} title={t!("put away")} onclick={away}>{ "×" }</button>
            { picture.draw(look) }
        </div>
    }
}
