//! A plain folder: on a server, without a network, beside another one, and opened as a file.

use super::{LESSON, Stage, Test, done, enter, no_errors};
use anyhow::{Result, ensure};
use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::middleware::{Next, from_fn};
use ringside::server::{Background, files_of};
use ringside_tests::page::Page;

pub const TESTS: &[Test] = &[
    ("after one visit the folder works without a network", without_a_network),
    ("two folders on one host keep their own files", two_on_one_host),
    ("a server that sends the wasm with a wrong type is no problem", wrong_type),
    ("the folder can be opened as a file", as_a_file),
];

/// Waits until everything is kept for later.
fn kept(page: &Page) -> Result<()> {
    page.wait_until_within("navigator.serviceWorker.controller !== null", 60)
}

/// Does the first task of the lesson, which is loaded for it.
fn lesson(page: &Page) -> Result<()> {
    page.wait_until(&done("document", "one").replace("=== 'true'", "=== 'false'"))?;
    enter(page, "document", "unshare --pid --fork sh")?;
    page.wait_until(&done("document", "one"))
}

fn without_a_network(stage: &Stage) -> Result<()> {
    let server = Background::start(files_of(&stage.folder("site")))?;
    let page = stage.page(&server.url())?;
    page.open("")?;
    page.wait_for("terminal-input")?;
    kept(&page)?;
    no_errors(&page)?;
    drop(server);
    page.reload()?;
    page.wait_for("terminal-input")?;
    page.click("lessons-open")?;
    page.click(&format!("lesson-{LESSON}"))?;
    lesson(&page)?;
    no_errors(&page)
}

fn two_on_one_host(stage: &Stage) -> Result<()> {
    let site = stage.folder("site");
    let app = Router::new().nest_service("/one", files_of(&site)).nest_service("/two", files_of(&site));
    let server = Background::start(app)?;
    let page = stage.page(&server.url())?;
    for name in ["one/", "two/"] {
        page.open(name)?;
        page.wait_for("terminal-input")?;
        kept(&page)?;
    }
    let caches: Vec<String> = page.evaluate("caches.keys()")?;
    ensure!(caches.len() == 2 && caches[0].starts_with("ringside /one/ "), "{caches:?}");
    drop(server);
    page.open("one/")?;
    page.wait_for("terminal-input")?;
    no_errors(&page)
}

fn wrong_type(stage: &Stage) -> Result<()> {
    let wrong = from_fn(|request: Request, next: Next| async move {
        let is_wasm = request.uri().path().ends_with(".wasm");
        let mut response = next.run(request).await;
        if is_wasm {
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        }
        response
    });
    let server = Background::start(files_of(&stage.folder("site")).layer(wrong))?;
    let page = stage.page(&server.url())?;
    page.open(&format!("#lesson={LESSON}"))?;
    lesson(&page)
}

fn as_a_file(stage: &Stage) -> Result<()> {
    let page = stage.page(&format!("file://{}", stage.folder("site").join("index.html").display()))?;
    page.open("")?;
    page.wait_for("terminal-input")?;
    page.click("lessons-open")?;
    page.click(&format!("lesson-{LESSON}"))?;
    lesson(&page)?;
    page.evaluate::<()>("history.replaceState(null, '', '#')")?;
    page.reload()?;
    page.wait_until(&done("document", "one"))?;
    // What the browser says of the modules that it does not load from files.
    page.take_errors();
    Ok(())
}
