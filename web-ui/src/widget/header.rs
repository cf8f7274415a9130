//! The head of the page.

use hypervisor_model::machine::Platform;
use yew::{Callback, Event, Html, Properties, component, html};

use crate::appearance::Theme;
use crate::browser::element;
use crate::language::{Language, spoken};
use crate::lesson::act::LessonMsg;
use crate::state::{Msg, Panel};

/// Props of [`Header`].
#[derive(Clone, PartialEq, Properties)]
pub struct Props {
    /// The number of the machine below.
    pub machine: u8,
    /// The theme.
    pub theme: Theme,
    /// Where messages go.
    pub dispatch: Callback<Msg>,
}

/// The head of the page.
#[component]
pub fn Header(Props { machine, theme, dispatch }: &Props) -> Html {
    let (next, name) = match theme {
        Theme::System => (Theme::Light, t!("auto")),
        Theme::Light => (Theme::Dark, t!("light")),
        Theme::Dark => (Theme::System, t!("dark")),
    };
    let send = |msg: Msg| dispatch.reform(move |_: web_sys::MouseEvent| msg.clone());
    html! {
        <header class="head">
            { title() }
            <button type="button" id="worlds-open" class="head__world" aria-haspopup="dialog" onclick={send(Msg::Open(Panel::Worlds, "worlds-open"))}>
                { t!("worlds") }{ " ▾" }
            </button>
            { platforms(*machine, dispatch) }
            <button type="button" id="lessons-open" class="head__world" onclick={send(Msg::Lesson(LessonMsg::Show(true)))} data-testid="lessons-open">
                { t!("lessons") }
            </button>
            <nav class="head__actions" aria-label={t!("Page")}>
                <button type="button" class="quiet" onclick={send(Msg::NewSession)}>{ t!("new") }</button>
                <button type="button" id="share-open" class="quiet" aria-haspopup="dialog" onclick={send(Msg::Share)}>{ t!("share") }</button>
                <button type="button" class="quiet" onclick={send(Msg::Theme(next))} aria-label={t!("theme: {name}", name = name)}>
                    { t!("theme: {name}", name = name) }
                </button>
                <button type="button" id="help-open" class="quiet" onclick={send(Msg::Open(Panel::Help, "help-open"))} aria-label={t!("keys and help")}>{ "?" }</button>
            </nav>
            { languages(dispatch) }
        </header>
    }
}

/// The languages, each by its own name.
fn languages(dispatch: &Callback<Msg>) -> Html {
    let chosen = dispatch
        .reform(|event: Event| Msg::Language(Language::of_tag(&element::chosen_value(&event)).unwrap_or_default()));
    html! {
        <select id="language" class="head__language" data-testid="language" aria-label={t!("Language")} onchange={chosen}>
            { for Language::ALL.into_iter().map(|l| html! {
                <option value={l.tag()} lang={l.tag()} selected={l == spoken()}>{ l.name() }</option>
            }) }
        </select>
    }
}

/// The name of the page.
pub fn title() -> Html {
    html! {
        <h1 class="head__name">
            <svg viewBox="0 0 20 20" width="20" height="20" aria-hidden="true">
                <circle cx="10" cy="10" r="8.5" /><circle cx="10" cy="10" r="5.25" /><circle class="head__dot" cx="10" cy="10" r="2" />
            </svg>
            { "Ringside" }
        </h1>
    }
}

/// What the kernel runs on: the same session is made again on what is chosen, and looked at in the same place.
fn platforms(machine: u8, dispatch: &Callback<Msg>) -> Html {
    let chosen = dispatch.reform(|event: Event| Msg::Platform(element::chosen_value(&event).parse().unwrap_or(0)));
    let about = Platform::of_code(machine).map_or(t!("the kernel alone: nobody looks at the machine"), Platform::about);
    html! {
        <select class="head__platform" data-testid="platform" aria-label={t!("What the kernel runs on")} title={about} onchange={chosen}>
            <option value="0" selected={machine == 0}>{ t!("kernel alone") }</option>
            { for Platform::all().map(|p| html! { <option value={p.code().to_string()} selected={p.code() == machine}>{ p.to_string() }</option> }) }
        </select>
    }
}
