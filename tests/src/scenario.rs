//! Scenarios: what a learner does in the page, as named tests in one browser.
//!
//! ```no_run
//! use ringside_tests::scenario::{self, scenario};
//! # fn main() -> std::process::ExitCode {
//! scenario::run(vec![scenario("the page says its name", |page| {
//!     page.open("")?;
//!     page.wait_for("terminal-input")
//! })])
//! # }
//! ```

use crate::browser;
use crate::page::Page;
use anyhow::{Context, Result, bail};
use headless_chrome::Browser;
use libtest_mimic::{Arguments, Failed, Trial};
use ringside::page::Flavour;
use ringside::server::{Background, files_of};
use std::borrow::Cow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

/// A name, and what is to be done and seen in the page.
pub struct Scenario {
    name: Cow<'static, str>,
    steps: Steps,
}

type Steps = Box<dyn Fn(&Page) -> Result<()> + Send + Sync>;

/// A scenario with this name. It also fails when the page writes an error to the console that the
/// steps have not taken with [`Page::take_errors`].
pub fn scenario(
    name: impl Into<Cow<'static, str>>,
    steps: impl Fn(&Page) -> Result<()> + Send + Sync + 'static,
) -> Scenario {
    Scenario { name: name.into(), steps: Box::new(steps) }
}

/// The page on a server and a browser to open it in.
struct Stage {
    // Before the server, so that the browser goes first.
    browser: Browser,
    server: Background,
    pictures: PathBuf,
}

impl Stage {
    fn set_up() -> Result<Self> {
        let page = ringside::page::build(Flavour::Development)?;
        let pictures = page.folder.with_file_name("failures");
        Ok(Stage { browser: browser::start()?, server: Background::start(files_of(&page.folder))?, pictures })
    }

    fn play(&self, scenario: &Scenario) -> Result<()> {
        let page = Page::new(&self.browser, &self.server.url())?;
        let played = (scenario.steps)(&page).and_then(|()| match page.take_errors() {
            errors if errors.is_empty() => Ok(()),
            errors => bail!("the page wrote errors to the console:\n{}", errors.join("\n")),
        });
        played.with_context(|| {
            let picture = self.pictures.join(format!("{}.png", scenario.name.replace(' ', "-")));
            match page.screenshot(&picture) {
                Ok(()) => format!("picture of the page: {}", picture.display()),
                Err(error) => format!("no picture of the page could be taken: {error:#}"),
            }
        })
    }
}

/// The stage that all scenarios share, set up by the first one.
#[derive(Default)]
struct LazyStage(Mutex<Option<Result<Arc<Stage>, String>>>);

impl LazyStage {
    fn get(&self) -> Result<Arc<Stage>, String> {
        let mut stage = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let set_up = || Stage::set_up().map(Arc::new).map_err(|error| format!("{error:#}"));
        stage.get_or_insert_with(set_up).clone()
    }
}

/// Runs the scenarios as the tests of this program.
pub fn run(scenarios: Vec<Scenario>) -> ExitCode {
    let stage = Arc::new(LazyStage::default());
    let trials = scenarios
        .into_iter()
        .map(|scenario| {
            let stage = Arc::clone(&stage);
            Trial::test(scenario.name.clone(), move || {
                let stage = stage.get().map_err(Failed::from)?;
                stage.play(&scenario).map_err(|error| Failed::from(format!("{error:?}")))
            })
        })
        .collect();
    let conclusion = libtest_mimic::run(&Arguments::from_args(), trials);
    // A browser that is not dropped outlives the tests.
    drop(stage);
    conclusion.exit_code()
}
