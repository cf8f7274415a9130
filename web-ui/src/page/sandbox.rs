//! The sandbox: terminal, stage, timeline and inspector of one world.

use std::rc::Rc;

use hypervisor_model::projection::comparison::Comparison;
use kernel_model::event::{Family, Granularity};
use kernel_model::task::TaskId;
use yew::{Callback, Html, Properties, classes, component, html};

use crate::appearance::{Sheet, Theme};
use crate::calls::CallConsole;
use crate::embed::Embed;
use crate::hypercall_console::HypercallConsole;
use crate::lab::Motion;
use crate::language::translated;
use crate::lesson::pane::{DeskShown, LessonPane};
use crate::notice::Notice;
use crate::recorded::{OpenLog, Progress};
use crate::shown::Shown;
use crate::stage::Stage;
use crate::state::{Msg, Panel, State};
use crate::view::Look;
use crate::widget::divider::Divider;
use crate::widget::embed_head::EmbedHead;
use crate::widget::header::Header;
use crate::widget::help::Help;
use crate::widget::hypercall_console::HypercallPane;
use crate::widget::inspector::Inspector;
use crate::widget::log_import::{LogImport, drop_target};
use crate::widget::notice::NoticeBar;
use crate::widget::seat::Seats;
use crate::widget::share::Share;
use crate::widget::stage::StagePane;
use crate::widget::syscall_console::SyscallConsole;
use crate::widget::terminal::TerminalPane;
use crate::widget::timeline::TimelineBar;
use crate::widget::worlds::Worlds;

/// What the page shows.
#[derive(Clone, PartialEq)]
#[allow(missing_docs)] // as in State
pub struct Page {
    pub shown: Shown,
    pub motion: Motion,
    pub turns: u64,
    pub restoring: bool,
    pub queued: usize,
    pub progress: Option<Progress>,
    pub granularity: Granularity,
    pub family: Family,
    pub draft: String,
    pub candidates: Vec<String>,
    pub call: CallConsole,
    pub caller: Option<TaskId>,
    pub hypercall: HypercallConsole,
    pub machine: u8,
    pub theme: Theme,
    pub stage: Stage,
    pub panel: Option<Panel>,
    pub before: bool,
    pub playing: bool,
    pub picked: Option<TaskId>,
    pub seats: Seats,
    pub compared: Rc<Comparison>,
    pub comparing: Option<u32>,
    pub notice: Option<Notice>,
    pub said: String,
    pub sheet: Sheet,
    pub dock: Option<u32>,
    pub log_draft: String,
    pub log: Option<OpenLog>,
    pub log_shown: bool,
    pub log_error: Option<String>,
    pub desk: Option<DeskShown>,
    pub embed: Embed,
    /// What is after `#s=` in a link, while the session is to be given away.
    pub link: Option<String>,
}

impl Page {
    /// What the page shows of a state.
    pub fn of(state: &State) -> Page {
        Page {
            shown: state.shown.clone(),
            motion: state.lab.motion(),
            turns: state.lab.turns(),
            restoring: state.lab.is_restoring(),
            queued: state.lab.queued(),
            progress: state.logs.progress(),
            granularity: state.lab.granularity(),
            family: state.family,
            draft: state.line.draft.clone(),
            candidates: state.line.candidates.clone(),
            call: state.call.clone(),
            caller: state.caller(),
            hypercall: HypercallConsole { domain: state.caller_of_hypercalls(), ..state.hypercall.clone() },
            machine: state.lab.machine(),
            theme: state.theme,
            stage: state.stage.clone(),
            panel: state.panel,
            before: state.before.is_some(),
            playing: state.playing,
            picked: state.picked,
            seats: Seats { there: state.shown.processes.clone(), chosen: state.stand },
            compared: state.compared.clone(),
            comparing: state.compared_percent(),
            notice: state.notice.clone(),
            said: state.said.clone(),
            sheet: state.sheet,
            dock: state.dock,
            log_draft: state.logs.draft.clone(),
            log: state.logs.open.clone(),
            log_shown: state.logs.shown,
            log_error: state.logs.error.clone(),
            desk: DeskShown::of(state),
            embed: state.embed,
            link: (state.panel == Some(Panel::Share)).then(|| state.link()),
        }
    }
}

impl Page {
    fn has_sheet(&self, sheet: Sheet) -> bool {
        match sheet {
            Sheet::Lesson => self.desk.is_some(),
            Sheet::Tools => self.embed == Embed::No,
            _ => true,
        }
    }
}

/// Props of [`Sandbox`].
#[derive(Clone, PartialEq, Properties)]
pub struct Props {
    /// What is shown.
    pub page: Page,
    /// Where messages go.
    pub dispatch: Callback<Msg>,
}

/// The page.
#[component]
pub fn Sandbox(Props { page, dispatch }: &Props) -> Html {
    let shown = &page.shown;
    let framed = page.embed != Embed::No;
    let (over, dropped) = drop_target(dispatch);
    html! {
        <div class={classes!("sandbox", page.desk.is_some().then_some("has-lesson"), framed.then_some("is-framed"))} data-sheet={page.sheet.label()} style={page.dock.map(|h| format!("--dock: {h}px"))}
            ondragover={over} ondrop={dropped}>
            if framed {
                <EmbedHead dispatch={dispatch.clone()} />
            } else {
                <Header machine={page.machine} theme={page.theme} dispatch={dispatch.clone()} />
            }
            if let Some(desk) = &page.desk { <LessonPane desk={desk.clone()} dispatch={dispatch.clone()} /> }
            <NoticeBar notice={page.notice.clone()} dispatch={dispatch.clone()} />
            <StagePane
                stage={page.stage.clone()}
                pictures={shown.pictures.clone()}
                concerned={shown.concerned.clone()}
                look={Look { seats: page.seats.clone(), picked: page.picked, compared: page.compared.clone(), comparing: page.comparing, dispatch: dispatch.clone() }}
            />
            <TimelineBar
                tape={shown.tape.clone()}
                branches={shown.branches.clone()}
                granularity={page.granularity}
                family={page.family}
                playing={page.playing}
                said={page.said.clone()}
                dispatch={dispatch.clone()}
            />
            <Inspector step={shown.step.clone()} dispatch={dispatch.clone()} />
            <div class="sheets" role="group" aria-label={t!("Below the timeline")}>
                { for Sheet::ALL.into_iter().filter(|sheet| page.has_sheet(*sheet)).map(|sheet| sheet_tab(sheet, page.sheet, dispatch)) }
            </div>
            <Divider height={page.dock} dispatch={dispatch.clone()} />
            <TerminalPane
                terminal={shown.terminal.clone()}
                draft={page.draft.clone()}
                candidates={page.candidates.clone()}
                motion={page.motion}
                turns={page.turns}
                restoring={page.restoring}
                queued={page.queued}
                progress={page.progress}
                log={page.log.clone()}
                log_shown={page.log_shown}
                read_only={page.embed == Embed::Read}
                dispatch={dispatch.clone()}
            />
            if !framed {
                <section class="tools" aria-label={t!("System calls and logs")}>
                    <SyscallConsole
                        console={page.call.clone()}
                        caller={page.caller}
                        processes={shown.processes.clone()}
                        dispatch={dispatch.clone()}
                    />
                    if !shown.domains.is_empty() {
                        <HypercallPane console={page.hypercall.clone()} domains={shown.domains.clone()} dispatch={dispatch.clone()} />
                    }
                    <LogImport draft={page.log_draft.clone()} error={page.log_error.clone()} dispatch={dispatch.clone()} />
                </section>
            }
            { match page.panel {
                Some(Panel::Help) => html! { <Help dispatch={dispatch.clone()} /> },
                Some(Panel::Worlds) => html! { <Worlds before={page.before} dispatch={dispatch.clone()} /> },
                Some(Panel::Share) => html! {
                    <Share session={page.link.clone().unwrap_or_default()} said={page.said.clone()} dispatch={dispatch.clone()} />
                },
                None => Html::default(),
            } }
        </div>
    }
}

fn sheet_tab(own: Sheet, shown: Sheet, dispatch: &Callback<Msg>) -> Html {
    let on = own == shown;
    let choose = dispatch.reform(move |_: web_sys::MouseEvent| Msg::Sheet(own));
    html! {
        <button type="button" class={if on { "tab is-shown" } else { "tab" }} aria-pressed={on.to_string()} onclick={choose}>
            { translated(own.label()) }
        </button>
    }
}
