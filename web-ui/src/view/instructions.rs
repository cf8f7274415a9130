//! The instruction console: what becomes of each instruction of a program in a ring of a platform, a row an instruction with
//! where it is written down. The same as `ringside insn`.

use hypervisor_model::cpu::Vendor;
use hypervisor_model::cpu::instruction::parse::parse;
use hypervisor_model::machine::console::platform::{ConsolePlatform, PLATFORMS};
use hypervisor_model::machine::console::{Outcome, Row, Setting, run};
use kernel_model::event::EventKind;
use std::rc::Rc;
use yew::{Callback, Event, Html, InputEvent, TargetCast, classes, component, html, use_state};

use super::{Picture, Subject, View};
use crate::browser::element;
use crate::widget::twin::{Text, Twin};

/// The view on the stage.
pub const VIEW: View = View {
    name: "instructions",
    title: "Instructions",
    subject: Subject::Processor,
    about: "What becomes of an instruction in a ring of a platform: runs, faults, exits, or silently does the wrong thing",
    concerns: |_: &EventKind| false,
    looks_back: false,
    picture: |_| Picture::new(|_| html! { <InstructionsView /> }),
};

/// What stands there at first: the case that kept x86 from being virtualizable is among it.
const EXAMPLE: &str = "cli; popf; smsw ax; mov cr3, rax; cpuid; hlt";

/// What the console has to say.
#[derive(Clone, PartialEq, Debug, Default)]
struct Answer {
    rows: Vec<Row>,
    error: Option<String>,
}

impl Answer {
    fn to(program: &str, setting: &Setting) -> Answer {
        let failed = |error: String| Answer { error: Some(error), ..Answer::default() };
        match parse(program) {
            Err(error) => failed(error.to_string()),
            Ok(program) => match run(&program.lines, setting) {
                Err(error) => failed(error.to_string()),
                Ok(rows) => Answer { rows, error: None },
            },
        }
    }

    fn text(&self) -> String {
        let mut text = self.error.clone().map_or_else(String::new, |error| error + "\n");
        for row in &self.rows {
            text += &format!("{:<24} ring {}  {}", row.instruction, row.ring, row.verdict());
            text += &format!("\n    {} ({})\n", row.note, row.citation);
        }
        text
    }
}

/// The view.
#[component]
pub fn InstructionsView() -> Html {
    let program = use_state(|| EXAMPLE.to_owned());
    let platform = use_state(|| ConsolePlatform::Native);
    let ring = use_state(|| None::<u8>);
    let vendor = use_state(|| Vendor::Intel);
    let setting = Setting { vendor: *vendor, ring: ring.unwrap_or(platform.default_ring()), ..Setting::of(*platform) };
    let answer = Rc::new(Answer::to(&program, &setting));
    let typed = {
        let program = program.clone();
        Callback::from(move |event: InputEvent| {
            let field: web_sys::HtmlInputElement = event.target_unchecked_into();
            program.set(field.value());
        })
    };
    let platform_chosen = {
        let (platform, ring) = (platform.clone(), ring.clone());
        Callback::from(move |event: Event| {
            let value = element::chosen_value(&event);
            if let Some((found, _)) = PLATFORMS.iter().find(|(_, name)| *name == value) {
                platform.set(*found);
                ring.set(None);
            }
        })
    };
    let ring_chosen = {
        let ring = ring.clone();
        Callback::from(move |event: Event| ring.set(element::chosen_value(&event).parse().ok()))
    };
    let vendor_chosen = {
        let vendor = vendor.clone();
        Callback::from(move |event: Event| {
            vendor.set(if element::chosen_value(&event) == "amd" { Vendor::Amd } else { Vendor::Intel });
        })
    };
    html! {
        <section class="view insn" data-testid="view-instructions" aria-label={t!("Instruction console")}>
            <Twin title={t!("Instructions")} text={Text::of(&answer, Answer::text)}>
                <div class="insn__controls">
                    <input class="insn__program" data-testid="insn-program" aria-label={t!("Instructions, separated by semicolons")} spellcheck="false" autocomplete="off"
                        value={(*program).clone()} oninput={typed} />
                    <select aria-label={t!("Platform")} onchange={platform_chosen}>
                        { for PLATFORMS.iter().map(|(p, name)| html! { <option value={*name} selected={*p == *platform}>{ *name }</option> }) }
                    </select>
                    <select aria-label={t!("Ring")} onchange={ring_chosen}>
                        { for (0..4u8).map(|r| html! { <option value={r.to_string()} selected={r == setting.ring}>{ t!("ring {ring}", ring = r) }</option> }) }
                    </select>
                    <select aria-label={t!("Vendor")} onchange={vendor_chosen}>
                        <option value="intel" selected={*vendor == Vendor::Intel}>{ "Intel" }</option>
                        <option value="amd" selected={*vendor == Vendor::Amd}>{ "AMD" }</option>
                    </select>
                </div>
                if let Some(error) = &answer.error { <p class="insn__error" role="alert" lang="en">{ error }</p> }
                if !answer.rows.is_empty() {
                    <div class="insn__scroll" tabindex="0" role="group" aria-label={t!("What became of each instruction")}>
                        <table class="insn__rows">
                            <thead><tr><th scope="col">{ t!("instruction") }</th><th scope="col">{ t!("what became of it") }</th><th scope="col">{ t!("why, and where it is written") }</th></tr></thead>
                            <tbody>{ for answer.rows.iter().map(row) }</tbody>
                        </table>
                    </div>
                }
            </Twin>
        </section>
    }
}

fn row(row: &Row) -> Html {
    let class = match row.outcome {
        Outcome::Executed => None,
        Outcome::Fault => Some("is-fault"),
        Outcome::Ignored => Some("is-ignored"),
        Outcome::NotModelled => Some("is-unknown"),
        _ => Some("is-exit"),
    };
    html! {
        <tr class={classes!("insn__row", class)}>
            <th scope="row" style={format!("--depth: {}", row.depth)}>{ &row.instruction }</th>
            <td lang="en"><b>{ row.verdict() }</b></td>
            <td lang="en">{ &row.note }{ " " }<cite>{ row.citation }</cite></td>
        </tr>
    }
}
