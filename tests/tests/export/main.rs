//! What `ringside export` writes, as those see it who host it and who learn with it: on a web server, without a network, with a
//! wrong type for the wasm, opened as a file, and in learning management systems.

mod cmi5;
mod preview;
mod scorm;
mod site;

use anyhow::{Context, Result, bail};
use headless_chrome::Browser;
use lessons::catalog::Catalog;
use libtest_mimic::{Arguments, Failed, Trial};
use ringside::export::{self, Standard};
use ringside::page::Flavour;
use ringside_tests::browser;
use ringside_tests::page::Page;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

/// The lesson that is done in these tests.
const LESSON: &str = "202-pid-namespace";

/// The exports, and a browser to open them in.
struct Stage {
    browser: Browser,
    folder: PathBuf,
}

impl Stage {
    fn set_up() -> Result<Stage> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("export");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder)?;
        let mut catalog = Catalog::built_in()?;
        catalog.entries.retain(|entry| [LESSON, "201-uts"].contains(&entry.lesson.id.as_str()));
        export::site(&catalog, Flavour::Development, &folder.join("site"))?;
        for (name, standard) in
            [("scorm12", Standard::Scorm12), ("scorm2004", Standard::Scorm2004), ("cmi5", Standard::Cmi5)]
        {
            let file = folder.join(format!("{name}.zip"));
            export::package(&catalog, Flavour::Development, standard, &file)?;
            zip::ZipArchive::new(fs::File::open(&file)?)?.extract(folder.join(name))?;
        }
        Ok(Stage { browser: browser::start()?, folder })
    }

    /// A folder of an export.
    fn folder(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn page(&self, address: &str) -> Result<Page> {
        Page::new(&self.browser, address)
    }
}

/// The stage that all tests share, or why there is none.
type SetUp = Result<Arc<Stage>, String>;
/// A test with a name.
type Test = (&'static str, fn(&Stage) -> Result<()>);

fn main() -> ExitCode {
    let tests: Vec<Test> = [site::TESTS, scorm::TESTS, cmi5::TESTS, preview::TESTS].concat();
    let stage: Arc<Mutex<Option<SetUp>>> = Arc::default();
    let trial = |(name, test): Test| {
        let stage = Arc::clone(&stage);
        Trial::test(name, move || {
            let stage = {
                let mut stage = stage.lock().unwrap_or_else(PoisonError::into_inner);
                let set_up = || Stage::set_up().map(Arc::new).map_err(|error| format!("{error:#}"));
                stage.get_or_insert_with(set_up).clone()
            };
            let stage: Arc<Stage> = stage.map_err(Failed::from)?;
            test(&stage).map_err(|error| Failed::from(format!("{error:?}")))
        })
    };
    let trials = tests.into_iter().map(trial).collect();
    let conclusion = libtest_mimic::run(&Arguments::from_args(), trials);
    // A browser that is not dropped outlives the tests.
    drop(stage);
    conclusion.exit_code()
}

/// Says what the page has written to the console as an error.
fn no_errors(page: &Page) -> Result<()> {
    match page.take_errors() {
        errors if errors.is_empty() => Ok(()),
        errors => bail!("the page wrote errors to the console:\n{}", errors.join("\n")),
    }
}

/// Where the document of the lesson is: that of a frame when a system shows it in one.
const FRAMED: &str = "document.querySelector('iframe').contentDocument";

/// Types a command into the terminal of the document, once the lesson has begun.
fn enter(page: &Page, document: &str, command: &str) -> Result<()> {
    // What is typed before the lesson has begun belongs to another session.
    for part in ["task-one", "terminal-input"] {
        page.wait_until(&format!("{document}?.querySelector('[data-testid={part}]')"))?;
    }
    page.evaluate::<()>(&format!("({document}.querySelector('[data-testid=terminal-input]').focus(), null)"))?;
    page.insert(command)?;
    page.press("Enter")
}

/// Whether a task of the lesson is done, as JavaScript.
fn done(document: &str, task: &str) -> String {
    format!("{document}?.querySelector('[data-testid=task-{task}]')?.dataset.done === 'true'")
}

/// Answers the question of the lesson rightly.
fn answer(page: &Page, document: &str) -> Result<()> {
    page.evaluate::<()>(&format!(
        "(() => {{ const quiz = {document}.querySelector('[data-testid^=quiz-]'); \
         quiz.querySelectorAll('input')[{RIGHT}].click(); }})()"
    ))?;
    let button = format!("{document}.querySelector('[data-testid^=quiz-] button')");
    page.wait_until(&format!("{button} && !{button}.disabled"))?;
    page.evaluate::<()>(&format!("({button}.click(), null)"))
}

/// The right answer to the only question of the lesson, counted from 0.
const RIGHT: usize = 2;

/// A file of the runtime of a system.
fn runtime(name: &str) -> Result<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/scorm-again").join(name);
    fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))
}
