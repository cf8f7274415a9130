//! `ringside lesson preview`: what is saved is shown, and what is wrong with it is said.

use super::{Stage, Test, no_errors};
use anyhow::Result;
use ringside::page::{self, Flavour};
use ringside::preview::{State, router, watch};
use ringside::server::Background;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

pub const TESTS: &[Test] = &[("a lesson that is saved is shown anew, with what its check finds", saved)];

fn saved(stage: &Stage) -> Result<()> {
    let folder = stage.folder("course").join("25-draft");
    fs::create_dir_all(&folder)?;
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../lessons/tests/20-pid-namespace/lesson.md");
    let text = fs::read_to_string(example)?;
    let file = folder.join("lesson.md");
    fs::write(&file, &text)?;
    let state = Arc::new(Mutex::new(State::default()));
    let app = router(&page::build(Flavour::Development)?.folder, folder.clone(), Arc::clone(&state))?;
    // It ends with the test's process.
    std::thread::spawn(move || watch(&folder, &state, |_| {}));
    let server = Background::start(app)?;
    let page = stage.page(&server.url())?;
    page.open("")?;
    page.wait_for_text("preview", "nothing is wrong")?;
    page.wait_for("task-init")?;
    fs::write(&file, text.replace("own_pid == 1", "own_pid == 2"))?;
    page.wait_for_text("preview", "does not pass task")?;
    page.wait_for("task-init")?;
    fs::write(&file, text.replacen("title = \"", "title = \"Anew: ", 1))?;
    page.wait_for_text("preview", "nothing is wrong")?;
    page.wait_for_text("lesson-pane", "Anew: ")?;
    no_errors(&page)
}
