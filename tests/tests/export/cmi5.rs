//! A cmi5 package and a small record store: the statements that the standard asks for, and resuming.

use super::{LESSON, Stage, Test, answer, done, enter, no_errors};
use anyhow::{Context, Result, ensure};
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use ringside::server::{Background, files_of};
use ringside_tests::page::Page;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Mutex, PoisonError};

pub const TESTS: &[Test] = &[
    ("a cmi5 package reports and resumes", reports_and_resumes),
    ("a cmi5 package without a system is the page", without_a_system),
];

/// What a record store holds.
#[derive(Default)]
struct Records {
    documents: BTreeMap<String, String>,
    statements: Vec<Value>,
}

type Store = Arc<Mutex<Records>>;

fn locked(store: &Store) -> std::sync::MutexGuard<'_, Records> {
    store.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_allowed(headers: &HeaderMap) -> bool {
    let said = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    said("authorization") == "Basic dG9rZW4=" && said("x-experience-api-version") == "1.0.3"
}

fn records(store: &Store) -> axum::Router {
    let read = |State(store): State<Store>, RawQuery(query): RawQuery, headers: HeaderMap| async move {
        let known = locked(&store).documents.get(&query.unwrap_or_default()).cloned();
        match known {
            _ if !is_allowed(&headers) => (StatusCode::UNAUTHORIZED, String::new()),
            Some(text) => (StatusCode::OK, text),
            None => (StatusCode::NOT_FOUND, String::new()),
        }
    };
    let write = |State(store): State<Store>, RawQuery(query): RawQuery, headers: HeaderMap, text: String| async move {
        if !is_allowed(&headers) {
            return StatusCode::UNAUTHORIZED;
        }
        locked(&store).documents.insert(query.unwrap_or_default(), text);
        StatusCode::NO_CONTENT
    };
    let add = |State(store): State<Store>, headers: HeaderMap, text: String| async move {
        match serde_json::from_str(&text) {
            Ok(statement) if is_allowed(&headers) => locked(&store).statements.push(statement),
            _ => return StatusCode::BAD_REQUEST,
        }
        StatusCode::OK
    };
    axum::Router::new()
        .route("/fetch", post(|| async { r#"{"auth-token":"dG9rZW4="}"# }))
        .route("/lrs/activities/state", get(read).put(write))
        .route("/lrs/agents/profile", get(read))
        .route("/lrs/statements", post(add))
        .with_state(Arc::clone(store))
}

/// The last words of the verbs of all statements.
fn verbs(store: &Store) -> Vec<String> {
    let all = locked(store).statements.clone();
    let verb = |s: &Value| s["verb"]["id"].as_str().and_then(|id| id.rsplit('/').next()).unwrap_or_default().to_owned();
    all.iter().map(verb).collect()
}

/// How the system opens the lesson.
fn launch() -> String {
    format!(
        "index.html?lesson={LESSON}&endpoint=/lrs&fetch=/fetch&registration=7f1c2f0e-0b7c-4e0a-9a33-0a8f5c9d1a01\
         &activityId=urn:lms:1&actor={{\"objectType\":\"Agent\",\"account\":{{\"homePage\":\"https://lms.example\",\"name\":\"s1\"}}}}"
    )
}

fn wait_for_verb(page: &Page, store: &Store, verb: &str) -> Result<()> {
    for _ in 0..400 {
        if verbs(store).iter().any(|known| known == verb) {
            return Ok(());
        }
        page.evaluate::<()>("new Promise(next => setTimeout(next, 50))")?;
    }
    anyhow::bail!("no statement `{verb}`: {:?}", verbs(store))
}

fn reports_and_resumes(stage: &Stage) -> Result<()> {
    let course = fs::read_to_string(stage.folder("cmi5").join("cmi5.xml"))?;
    ensure!(course.contains(&format!("<url>index.html?lesson={LESSON}</url>")), "{course}");
    let store = Store::default();
    let server = Background::start(records(&store).fallback_service(files_of(&stage.folder("cmi5"))))?;
    let page = stage.page(&server.url())?;
    page.open(&launch())?;
    enter(&page, "document", "unshare --pid --fork sh")?;
    page.wait_until(&done("document", "one"))?;
    wait_for_verb(&page, &store, "progressed")?;
    // Documents that are not there yet are asked for, too.
    page.take_errors();
    page.open("ringside.css")?;
    wait_for_verb(&page, &store, "terminated")?;
    page.evaluate::<()>("localStorage.clear()")?;

    page.open(&launch())?;
    page.wait_until(&done("document", "one"))?;
    enter(&page, "document", "sleep 500 &")?;
    page.wait_until(&done("document", "child"))?;
    answer(&page, "document")?;
    wait_for_verb(&page, &store, "passed")?;
    let verbs = verbs(&store);
    ensure!(verbs.first().is_some_and(|verb| verb == "initialized"), "{verbs:?}");
    ensure!(verbs.iter().filter(|verb| *verb == "completed").count() == 1, "{verbs:?}");
    let statements = locked(&store).statements.clone();
    let passed = statements.iter().rfind(|s| s["verb"]["id"].as_str().is_some_and(|id| id.ends_with("passed")));
    let passed = passed.context("no statement")?;
    ensure!(passed["result"]["score"]["scaled"] == 1.0 || passed["result"]["score"]["scaled"] == 1, "{passed:#}");
    let categories = passed["context"]["contextActivities"]["category"].to_string();
    ensure!(categories.contains("categories/cmi5") && categories.contains("categories/moveon"), "{passed:#}");
    ensure!(passed["context"]["registration"] == "7f1c2f0e-0b7c-4e0a-9a33-0a8f5c9d1a01", "{passed:#}");
    page.take_errors();
    Ok(())
}

fn without_a_system(stage: &Stage) -> Result<()> {
    let server = Background::start(files_of(&stage.folder("cmi5")))?;
    let page = stage.page(&server.url())?;
    page.open(&format!("?lesson={LESSON}"))?;
    page.wait_until("document.querySelector('[data-testid=task-one]')")?;
    no_errors(&page)
}
