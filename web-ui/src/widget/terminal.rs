//! The terminal: lines of the shown console, a prompt drawn from the world, and a field to type in.

use std::rc::Rc;

use kernel_model::projection::prompt::Prompt;
use kernel_model::shell::{Complete, is_complete};
use kernel_model::timeline::Direction;
use yew::{
    Callback, Html, InputEvent, KeyboardEvent, NodeRef, Properties, TargetCast, classes, component, html,
    use_effect_with, use_node_ref,
};

use crate::browser::element;
use crate::browser::key::Key;
use crate::lab::Motion;
use crate::recorded::{OpenLog, Progress};
use crate::shown::{ConsoleTab, Terminal};
use crate::state::Msg;
use crate::transcript::Line;
use crate::view::strace_log::StraceLogView;
use crate::widget::namespace::{ns_class, ns_letter};
use crate::widget::welcome::Welcome;

/// How many completions are listed.
const MAX_CANDIDATES: usize = 60;

/// Props of [`TerminalPane`].
#[derive(Clone, PartialEq, Properties)]
pub struct Props {
    /// What is shown.
    pub terminal: Rc<Terminal>,
    /// What is typed.
    pub draft: String,
    /// What could stand at the cursor.
    pub candidates: Vec<String>,
    /// What the newest state is doing.
    pub motion: Motion,
    /// For how many turns.
    pub turns: u64,
    /// A session is being restored.
    pub restoring: bool,
    /// What was typed meanwhile and waits.
    pub queued: usize,
    /// A log is being read or run.
    pub progress: Option<Progress>,
    /// The log that is looked at.
    pub log: Option<OpenLog>,
    /// It is shown in the place of the console.
    pub log_shown: bool,
    /// Nothing can be typed.
    pub read_only: bool,
    /// Where messages go.
    pub dispatch: Callback<Msg>,
}

/// The terminal.
#[component]
pub fn TerminalPane(
    Props {
        terminal,
        draft,
        candidates,
        motion,
        turns,
        restoring,
        queued,
        progress,
        log,
        log_shown,
        read_only,
        dispatch,
    }: &Props,
) -> Html {
    let screen: NodeRef = use_node_ref();
    {
        let screen = screen.clone();
        let last = terminal.lines.last().map(|l| (l.event, l.part, l.text.len()));
        use_effect_with((last, terminal.prompt.is_some(), draft.lines().count()), move |_| {
            element::scroll_to_end(&screen)
        });
    }
    let send = |msg: Msg| dispatch.reform(move |_: web_sys::MouseEvent| msg.clone());
    let last = terminal.lines.iter().rev().find(|l| l.prompt.is_some()).map(|l| l.event);
    html! {
        <section class={classes!("terminal", terminal.past.then_some("is-past"))} aria-label={t!("Terminal")}>
            <div class="terminal__bar">
                <div class="terminal__tabs">
                    { for terminal.consoles.iter().map(|c| console_tab(c, c.id.0 == terminal.console && !log_shown, dispatch)) }
                    if !read_only {
                        <button type="button" class="tab" aria-label={t!("open another console")} onclick={send(Msg::OpenConsole)}>{ "+" }</button>
                    }
                    if log.is_some() {
                        <button type="button" class={classes!("tab", log_shown.then_some("is-shown"))} aria-pressed={log_shown.to_string()}
                            onclick={send(Msg::LogShow(true))}>{ t!("strace log") }</button>
                    }
                </div>
                { match progress {
                    Some(progress) => working(*progress, dispatch),
                    None => status(*motion, *turns, restoring.then_some(*queued), terminal, dispatch),
                } }
            </div>
            { for log.iter().filter(|_| *log_shown).map(|log| html! { <StraceLogView log={log.clone()} dispatch={dispatch.clone()} /> }) }
            <div class="terminal__screen" hidden={*log_shown} ref={screen} onclick={Callback::from(|_| if !element::has_selection() { element::focus("terminal-input") })}>
                if terminal.fresh && !read_only { <Welcome dispatch={dispatch.clone()} /> }
                <div class="terminal__log" role="log" lang="en" aria-label={t!("Output of console {n}", n = terminal.console)} data-testid="terminal-log" tabindex="0">
                    if terminal.more {
                        <div class="terminal__more">{ t!("earlier lines: step back to see them") }</div>
                    }
                    { for terminal.lines.iter().map(|l| line(l, last == Some(l.event), dispatch)) }
                </div>
                if !candidates.is_empty() {
                    <div class="terminal__candidates" role="status" aria-label={t!("Completions")}>
                        { for candidates.iter().take(MAX_CANDIDATES).map(|c| html! { <span>{ c }</span> }) }
                        if candidates.len() > MAX_CANDIDATES { <span>{ t!("and {n} more", n = candidates.len() - MAX_CANDIDATES) }</span> }
                    </div>
                }
                if !read_only {
                    <div class="terminal__entry">
                        <div class="terminal__prompts" aria-hidden="true">
                            { for terminal.prompt.iter().map(prompt) }
                            { for (1..draft.split('\n').count()).map(|_| html! { <span class="prompt prompt--more">{ "> " }</span> }) }
                        </div>
                        { field(terminal, draft, *motion, dispatch) }
                    </div>
                }
            </div>
        </section>
    }
}

/// A console's name, who is in the foreground there, and the namespaces in which it is not with the first shell.
fn console_tab(tab: &ConsoleTab, shown: bool, dispatch: &Callback<Msg>) -> Html {
    let id = tab.id;
    let show = dispatch.reform(move |_: web_sys::MouseEvent| Msg::ShowConsole(id));
    html! {
        <button type="button" class={classes!("tab", shown.then_some("is-shown"))} aria-pressed={shown.to_string()} onclick={show}>
            { t!("console {n}", n = id) }
            if let Some(place) = &tab.place { <span class="terminal__place">{ place }</span> }
            { for tab.apart.iter().map(|(kind, instance)| html! {
                <span class={ns_class(*kind, *instance)} title={t!("in a {kind} namespace of its own", kind = kind.name())}>{ ns_letter(*kind, *instance) }</span>
            }) }
        </button>
    }
}

/// A log is being read or run.
fn working(progress: Progress, dispatch: &Callback<Msg>) -> Html {
    let cancel = dispatch.reform(|_: web_sys::MouseEvent| Msg::LogCancel);
    html! {
        <div class="terminal__status" data-testid="log-progress">
            <span>{ format!("{} · {} %", progress.what, progress.percent) }</span>
            <progress max="100" value={progress.percent.to_string()} aria-label={progress.what}></progress>
            <button type="button" onclick={cancel}>{ t!("cancel") }</button>
        </div>
    }
}

fn status(motion: Motion, turns: u64, restoring: Option<usize>, terminal: &Terminal, dispatch: &Callback<Msg>) -> Html {
    let send = |msg: Msg| dispatch.reform(move |_: web_sys::MouseEvent| msg.clone());
    let text = match motion {
        _ if restoring == Some(0) => t!("restoring the session").to_owned(),
        _ if restoring.is_some() => t!("restoring the session; what you have typed follows").to_owned(),
        Motion::Running => t!("running").to_owned(),
        Motion::Paused => t!("paused after {n} calls without a rest", n = turns),
        Motion::AtRest if terminal.closed => t!("the shell of this console has exited").to_owned(),
        Motion::AtRest if terminal.reads => t!("a program reads what you type; Ctrl-D ends its input").to_owned(),
        Motion::AtRest if terminal.past => t!("in the past: a new branch will start here").to_owned(),
        Motion::AtRest => String::new(),
    };
    html! {
        <div class="terminal__status" role="status" data-testid="terminal-status">
            <span>{ text }</span>
            // Not said aloud: it never stands still.
            if motion == Motion::Running && restoring.is_none() { <span aria-hidden="true">{ t!("{n} calls", n = turns) }</span> }
            if motion == Motion::Paused {
                <button type="button" onclick={send(Msg::GoOn)}>{ t!("continue") }</button>
            }
            if motion != Motion::AtRest && restoring.is_none() {
                <button type="button" onclick={send(Msg::Interrupt)}>{ t!("interrupt") }</button>
            }
            if motion == Motion::Paused {
                <button type="button" onclick={send(Msg::Rewind)}>{ t!("rewind") }</button>
            }
        </div>
    }
}

/// A line; at one that was typed a button copies what came out. Of these only the last is reached with the tabulator.
fn line(line: &Line, last: bool, dispatch: &Callback<Msg>) -> Html {
    let event = line.event;
    let copy = dispatch.reform(move |_: web_sys::MouseEvent| Msg::CopyOutput(event));
    html! {
        <div key={format!("{}.{}", line.event, line.part)} class="terminal__line">
            { for line.prompt.iter().map(prompt) }{ &line.text }
            if line.prompt.is_some() && line.part == 0 {
                <button type="button" class="terminal__copy" tabindex={if last { "0" } else { "-1" }} aria-label={t!("copy output")} onclick={copy}></button>
            }
        </div>
    }
}

fn prompt(prompt: &Prompt) -> Html {
    html! { <span class="prompt"><span class="prompt__place">{ &prompt.place }</span>{ format!("{} ", prompt.sign) }</span> }
}

fn field(terminal: &Terminal, draft: &str, motion: Motion, dispatch: &Callback<Msg>) -> Html {
    let typed = dispatch.reform(|event: InputEvent| {
        Msg::Draft(event.target_dyn_into::<web_sys::HtmlTextAreaElement>().map(|f| f.value()).unwrap_or_default())
    });
    let pressed = {
        let dispatch = dispatch.clone();
        let (empty, lines) = (draft.is_empty(), draft.lines().count());
        let at_prompt = terminal.prompt.is_some();
        let reads = terminal.reads;
        Callback::from(move |event: KeyboardEvent| {
            let key = Key::from(&event);
            let field = event.target_dyn_into::<web_sys::HtmlTextAreaElement>();
            let text = field.as_ref().map(|f| f.value()).unwrap_or_default();
            let unfinished = at_prompt && is_complete(&text) == Complete::Incomplete;
            let msg = match key.name.as_str() {
                // The browser puts the newline where the cursor is.
                "Enter" if unfinished => return,
                "Tab" if !key.shift && !key.command && !text.trim().is_empty() => {
                    Msg::Complete(field.as_ref().map_or(0, element::cursor_of_lines))
                }
                "Enter" if !key.shift && !key.command && !event.is_composing() => Msg::Enter,
                "ArrowUp" if lines <= 1 && !key.command => Msg::Recall(Direction::Back),
                "ArrowDown" if lines <= 1 && !key.command => Msg::Recall(Direction::Forward),
                "c" if key.ctrl && !element::has_selection() => Msg::Interrupt,
                "d" if key.ctrl && empty => Msg::EndOfInput,
                // What begins a command to QEMU goes to the program with what is typed after it.
                // It ends `xl console` at once, whatever is typed.
                "]" if key.ctrl && reads => Msg::Try("\u{1d}"),
                "a" if key.ctrl && reads => Msg::Draft(format!("{text}\u{1}")),
                _ => return,
            };
            event.prevent_default();
            dispatch.emit(msg);
        })
    };
    let rows = draft.split('\n').count().to_string();
    let label = match (&terminal.prompt, motion) {
        (Some(p), _) => t!("Command line, {prompt}", prompt = format!("{}{}", p.place, p.sign)),
        (None, Motion::AtRest) => t!("Input").to_owned(),
        (None, _) => t!("Input; a command is running").to_owned(),
    };
    html! {
        <textarea id="terminal-input" class="terminal__input" data-testid="terminal-input" {rows} value={draft.to_owned()}
            aria-label={label} spellcheck="false" autocomplete="off" autocapitalize="off" wrap="off"
            oninput={typed} onkeydown={pressed} />
    }
}
