//! Logs of strace: pasted, dropped, and in every bad shape.

use anyhow::{Result, ensure};
use ringside_tests::page::Page;
use ringside_tests::scenario::{Scenario, scenario};
use std::time::{Duration, Instant};

const LOG: &str = include_str!("../../strace/unshare-uts.strace");

pub fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("a pasted log of strace is replayed line by line", |page| {
            with_a_session(page)?;
            page.focus("strace-import")?;
            page.insert(LOG)?;
            page.wait_for_text("view-strace-log", "in scope")?;
            page.wait_for_text("view-strace-log", " 0 unparsed")?;
            page.click_button("back to the one before")?;
            page.wait_for_text("terminal-log", "\nkept")?;
            Ok(())
        }),
        scenario("a dropped log of strace is replayed", |page| {
            with_a_session(page)?;
            page.drop_file("strace-import", "unshare.strace", &serde_json::to_string(LOG)?)?;
            page.wait_for_text("view-strace-log", "in scope")?;
            Ok(())
        }),
        scenario("a file dropped beside the field is taken too", |page| {
            with_a_session(page)?;
            page.drop_file("view-pid-views", "unshare.strace", &serde_json::to_string(LOG)?)?;
            page.wait_for_text("view-strace-log", "in scope")?;
            Ok(())
        }),
        scenario("a truncated log is replayed as far as it goes", |page| {
            with_a_session(page)?;
            let half: String = LOG.chars().take(LOG.chars().count() / 2).collect();
            page.drop_file("strace-import", "half.strace", &serde_json::to_string(&half)?)?;
            page.wait_for_text("view-strace-log", "in scope")?;
            Ok(())
        }),
        scenario("a garbled log says which lines are none", |page| {
            with_a_session(page)?;
            let garbled: String = LOG
                .lines()
                .enumerate()
                .map(|(i, line)| if i % 3 == 1 { "§§ ???(((\n".into() } else { format!("{line}\n") })
                .collect();
            page.drop_file("strace-import", "garbled.strace", &serde_json::to_string(&garbled)?)?;
            page.wait_for_text("view-strace-log", "unparsed")?;
            ensure!(!page.text("view-strace-log")?.contains(" 0 unparsed"), "no line is said to be unparsed");
            Ok(())
        }),
        scenario("a log of megabytes is replayed while the page answers, and can be given up", |page| {
            with_a_session(page)?;
            let megabytes = format!("{}.repeat({})", serde_json::to_string(LOG)?, (15 << 20) / LOG.len());
            page.drop_file("strace-import", "large.strace", &megabytes)?;
            page.wait_for("log-progress")?;
            let mut slowest = Duration::ZERO;
            for _ in 0..5 {
                let asked = Instant::now();
                page.evaluate::<bool>("new Promise(done => requestAnimationFrame(() => done(true)))")?;
                slowest = slowest.max(asked.elapsed());
            }
            eprintln!("slowest frame with a large log: {slowest:?}");
            page.click_button("cancel")?;
            page.wait_until("document.querySelector('[data-testid=log-progress]') === null")?;
            page.wait_for_text("terminal-log", "\nkept")?;
            page.enter("echo still $((300 + 3))")?;
            page.wait_for_text("terminal-log", "\nstill 303")?;
            Ok(())
        }),
        scenario("what is no log is refused with its reason and loses nothing", |page| {
            with_a_session(page)?;
            for (name, content) in [
                ("binary", "new Uint8Array(4096).map((_, i) => i * 31 & 255)"),
                ("empty", "''"),
                ("large", "new Uint8Array(50 << 20).fill(97)"),
            ] {
                page.drop_file("strace-import", name, content)?;
                page.wait_until("document.getElementById('strace-error').innerText.length > 10")?;
                let why: String = page.evaluate("document.getElementById('strace-error').innerText")?;
                eprintln!("{name}: {why}");
                page.wait_for_text("terminal-log", "\nkept")?;
                page.focus("strace-import")?;
                page.insert(" ")?;
                page.wait_until("document.getElementById('strace-error').innerText === ''")?;
            }
            page.enter("echo still $((300 + 3))")?;
            page.wait_for_text("terminal-log", "\nstill 303")?;
            Ok(())
        }),
    ]
}

fn with_a_session(page: &Page) -> Result<()> {
    page.open("")?;
    page.enter("echo kept")?;
    page.wait_for_text("terminal-log", "\nkept")?;
    Ok(())
}
