//! The page in a real browser, as a learner uses it.

mod access;
mod busy;
mod consoles;
mod course;
mod keyboard;
mod language;
mod large;
mod lecture;
mod lesson;
mod logs;
mod machine;
mod session;
mod sharing;
mod stage;
mod stepping;
mod without_mouse;
mod xen;

use ringside_tests::scenario;
use std::process::ExitCode;

fn main() -> ExitCode {
    let parts = [
        session::scenarios(),
        sharing::scenarios(),
        stepping::scenarios(),
        stage::scenarios(),
        consoles::scenarios(),
        keyboard::scenarios(),
        without_mouse::scenarios(),
        busy::scenarios(),
        logs::scenarios(),
        machine::scenarios(),
        xen::scenarios(),
        access::scenarios(),
        lesson::scenarios(),
        course::scenarios(),
        language::scenarios(),
        lecture::scenarios(),
        large::scenarios(),
    ];
    scenario::run(parts.into_iter().flatten().collect())
}

/// A JavaScript expression for the timeline's slider.
const TIMELINE: &str = "document.querySelector('[data-testid=timeline]')";
