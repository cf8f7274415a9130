//! Packages in an existing SCORM run-time, which plays the learning management system: progress, score, completion, resuming.

use super::{FRAMED, LESSON, Stage, Test, answer, done, enter, no_errors, runtime};
use anyhow::{Result, ensure};
use axum::http::header;
use axum::response::Html;
use axum::routing::get;
use ringside::server::{Background, files_of};
use ringside_tests::page::Page;

pub const TESTS: &[Test] = &[
    ("a SCORM 1.2 package reports and resumes", |stage| reports_and_resumes(stage, &OLD)),
    ("a SCORM 2004 package reports and resumes", |stage| reports_and_resumes(stage, &NEW)),
    ("a session that SCORM 1.2 has no room for is kept by the browser", too_long),
];

/// What differs between the versions.
struct Version {
    folder: &'static str,
    runtime: &'static str,
    class: &'static str,
    api: &'static str,
    commit: &'static str,
    status: &'static str,
    raw: &'static str,
    exit: &'static str,
}

const OLD: Version = Version {
    folder: "scorm12",
    runtime: "scorm12.min.js",
    class: "Scorm12API",
    api: "API",
    commit: "LMSCommit",
    status: "core.lesson_status",
    raw: "core.score.raw",
    exit: "core.exit",
};

const NEW: Version = Version {
    folder: "scorm2004",
    runtime: "scorm2004.min.js",
    class: "Scorm2004API",
    api: "API_1484_11",
    commit: "Commit",
    status: "completion_status",
    raw: "score.raw",
    exit: "exit",
};

/// A system: what is committed is in `saved.cmi`; `launch` opens the lesson, `leave` ends it.
fn system(version: &Version) -> String {
    let Version { class, api, commit, .. } = version;
    format!(
        "<!doctype html><meta charset=utf-8><title>System</title><link rel=icon href=data:,><script src=./runtime.js></script>\
         <iframe style='width: 1300px; height: 800px'></iframe><script>\
         let saved = null; const frame = document.querySelector('iframe');\
         function launch() {{ const api = new {class}({{ logLevel: 5 }});\
           if (saved) api.loadFromJSON(structuredClone(saved.cmi), '');\
           api.on('{commit}', () => {{ saved = JSON.parse(JSON.stringify(api.renderCMIToJSONObject())); }});\
           window.{api} = api; frame.src = './sco/index.html?lesson={LESSON}'; }}\
         function leave() {{ frame.src = 'about:blank'; }}</script>"
    )
}

fn begin(stage: &Stage, version: &Version) -> Result<(Background, Page)> {
    let (page, script) = (system(version), runtime(version.runtime)?);
    let app = axum::Router::new()
        .route("/", get(move || async move { Html(page) }))
        .route("/runtime.js", get(move || async move { ([(header::CONTENT_TYPE, "text/javascript")], script) }))
        .nest_service("/sco", files_of(&stage.folder(version.folder)));
    let server = Background::start(app)?;
    let page = stage.page(&server.url())?;
    page.open("")?;
    page.wait_until("document.querySelector('iframe')")?;
    page.evaluate::<()>("launch()")?;
    Ok((server, page))
}

/// Waits for a value that the system has been told.
fn told(page: &Page, name: &str, value: &str) -> Result<()> {
    let path = format!("saved?.cmi.{}", name.replace('.', "?."));
    page.wait_until(&format!("String({path}) === '{value}'"))
        .map_err(|error| error.context(page.evaluate::<String>("JSON.stringify(saved)").unwrap_or_default()))
}

fn leave(page: &Page) -> Result<()> {
    page.evaluate::<()>("leave()")?;
    page.wait_until(&format!("{FRAMED}.URL === 'about:blank'"))?;
    // Nothing of it is in the browser: what comes back comes from the system.
    page.evaluate::<()>("localStorage.clear()")
}

fn reports_and_resumes(stage: &Stage, version: &Version) -> Result<()> {
    let (_server, page) = begin(stage, version)?;
    enter(&page, FRAMED, "unshare --pid --fork sh")?;
    page.wait_until(&done(FRAMED, "one"))?;
    told(&page, version.raw, "33")?;
    told(&page, version.status, "incomplete")?;
    leave(&page)?;
    told(&page, version.exit, "suspend")?;
    let kept: String = page.evaluate("saved.cmi.suspend_data")?;
    ensure!(kept.len() < 4096 && kept.starts_with('['), "{kept}");

    page.evaluate::<()>("launch()")?;
    page.wait_until(&done(FRAMED, "one"))?;
    enter(&page, FRAMED, "sleep 500 &")?;
    page.wait_until(&done(FRAMED, "child"))?;
    told(&page, version.raw, "67")?;
    answer(&page, FRAMED)?;
    told(&page, version.raw, "100")?;
    told(&page, version.status, "completed")?;
    leave(&page)?;

    // Whoever looks at it again and starts anew loses nothing.
    page.evaluate::<()>("launch()")?;
    page.wait_until(&done(FRAMED, "child"))?;
    page.evaluate::<()>(&format!(
        "([...{FRAMED}.querySelectorAll('button')].find(b => b.innerText === 'from the beginning').click(), null)"
    ))?;
    page.wait_until(&done(FRAMED, "one").replace("=== 'true'", "=== 'false'"))?;
    leave(&page)?;
    told(&page, version.raw, "100")?;
    told(&page, version.status, "completed")?;
    no_errors(&page)
}

fn too_long(stage: &Stage) -> Result<()> {
    let (_server, page) = begin(stage, &OLD)?;
    enter(&page, FRAMED, "unshare --pid --fork sh")?;
    page.wait_until(&done(FRAMED, "one"))?;
    // What does not compress: 6,000 letters that no rule makes.
    let random: String = page.evaluate(
        "Array.from(crypto.getRandomValues(new Uint8Array(6000)), n => 'abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ'[n % 62]).join('')",
    )?;
    enter(&page, FRAMED, &format!("true {random}"))?;
    enter(&page, FRAMED, "sleep 500 &")?;
    page.wait_until(&done(FRAMED, "child"))?;
    told(&page, "suspend_data", "beside")?;
    page.evaluate::<()>("leave()")?;
    page.wait_until(&format!("{FRAMED}.URL === 'about:blank'"))?;
    // Another lesson was opened in between.
    page.evaluate::<()>(
        "['session', 'lesson', 'cursor'].forEach(name => localStorage.removeItem('ringside.' + name))",
    )?;
    page.evaluate::<()>("launch()")?;
    page.wait_until(&done(FRAMED, "child"))?;
    no_errors(&page)
}
