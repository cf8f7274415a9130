//! A session that is given away: as a link, as a file, and in a frame of another page that speaks with it.

use super::lesson::everywhere;
use anyhow::{Context, ensure};
use ringside_tests::scenario::{Scenario, scenario};

/// The frame of the example page, looked into.
const INSIDE: &str = "document.getElementById('frame').contentDocument";

pub fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("a session is downloaded as a file and opened again", |page| {
            page.open("")?;
            page.enter("hostname given; hostname")?;
            page.wait_for_text("terminal-log", "\ngiven")?;
            page.click_button("share")?;
            page.wait_until("document.querySelector('[role=dialog]')")?;
            everywhere(page, "share")?;
            // What would be saved is caught.
            page.evaluate::<()>(
                "(() => { const make = URL.createObjectURL; \
                   URL.createObjectURL = blob => { window.saved = blob.text(); return make.call(URL, blob); }; })()",
            )?;
            page.click("session-download")?;
            let file: String = page.evaluate("window.saved")?;
            ensure!(file.starts_with("ringside session 1\n"), "{file}");
            page.click_button("close")?;
            page.click_button("new")?;
            page.wait_for("welcome")?;
            // Dropped anywhere, and chosen.
            page.drop_file("view-pid-views", "session.txt", &serde_json::to_string(&file)?)?;
            page.wait_for_text("terminal-log", "\ngiven")?;
            page.click_button("new")?;
            page.wait_for("welcome")?;
            let path = std::env::temp_dir().join(format!("ringside-session-{}.txt", std::process::id()));
            std::fs::write(&path, &file)?;
            page.click_button("share")?;
            page.choose_file("session-file", &path)?;
            page.wait_for_text("terminal-log", "\ngiven")?;
            std::fs::write(&path, "no session")?;
            page.click_button("share")?;
            page.choose_file("session-file", &path)?;
            page.wait_for_text("notice", "holds no session")?;
            page.wait_for_text("terminal-log", "\ngiven")?;
            std::fs::remove_file(&path).context("the file that was written")
        }),
        scenario("a page steps through a live frame, types into it, and is told where it is", |page| {
            page.open("embed.html")?;
            page.wait_until(&format!("{INSIDE}?.querySelector('[data-testid=terminal-input]')"))?;
            page.wait_until("/Step (\\d+) of \\1:/.test(document.getElementById('said').innerText)")?;
            page.click_button("type a command")?;
            page.wait_until(&format!(
                "{INSIDE}.querySelector('[data-testid=terminal-log]').innerText.includes('PID')"
            ))?;
            page.wait_until("/Step (\\d+) of \\1:/.test(document.getElementById('said').innerText)")?;
            page.click_button("the namespace before")?;
            page.wait_until("!/Step (\\d+) of \\1:/.test(document.getElementById('said').innerText)")?;
            page.click_button("show the namespaces")?;
            page.wait_until(&format!("{INSIDE}.querySelector('.stage').dataset.main === 'ns-graph'"))?;
            let kept: String = page
                .evaluate("JSON.stringify(Object.keys(localStorage).filter(k => /session|stage|history/.test(k)))")?;
            ensure!(kept == "[]", "the frame keeps {kept}");
            page.must_be_accessible("the example page")
        }),
        scenario("a frame to be looked at cannot be typed into, by hand or by message", |page| {
            page.open("")?;
            page.enter("hostname looked; hostname")?;
            page.wait_for_text("terminal-log", "\nlooked")?;
            page.click_button("share")?;
            page.wait_until("location.hash.startsWith('#s=')")?;
            let session: String = page.evaluate("location.hash.slice(1)")?;
            page.open("embed.html")?;
            page.evaluate::<()>(&format!(
                "(() => {{ window.told = []; addEventListener('message', e => told.push(JSON.parse(e.data))); \
                   document.getElementById('frame').src = './index.html?again#embed=read&{session}'; }})()"
            ))?;
            page.wait_until(&format!(
                "{INSIDE}?.querySelector('[data-testid=terminal-log]')?.innerText.includes('looked')"
            ))?;
            ensure!(
                page.evaluate::<bool>(&format!("!{INSIDE}.querySelector('[data-testid=terminal-input]')"))?,
                "a field"
            );
            page.evaluate::<()>(
                "(order({ ringside: 'type', text: 'hostname typed' }), order({ ringside: 'nonsense' }), null)",
            )?;
            page.evaluate::<()>("(order({ ringside: 'seek', to: 3 }), order({ ringside: 'session' }), null)")?;
            page.wait_until("told.some(t => t.type === 'ringside-state' && t.step === 3 && t.session)")?;
            ensure!(
                page.evaluate::<bool>(&format!(
                    "!{INSIDE}.querySelector('[data-testid=terminal-log]').innerText.includes('typed')"
                ))?,
                "it was typed into"
            );
            Ok(())
        }),
        scenario("a frame hears nobody but the page around it, and only from where it is to be", |page| {
            page.open("embed.html")?;
            page.evaluate::<()>(
                "(() => { window.told = []; addEventListener('message', e => told.push(JSON.parse(e.data))); \
                   document.getElementById('frame').src = './index.html?other#embed=live&origin=https://example.org'; })()",
            )?;
            page.wait_until(&format!("{INSIDE}?.querySelector('[data-testid=welcome]')"))?;
            page.evaluate::<()>("(order({ ringside: 'type', text: 'echo heard' }), null)")?;
            // From inside, another window than the one around it.
            page.evaluate::<()>(
                "document.getElementById('frame').contentWindow.eval(\"postMessage({ ringside: 'type', text: 'echo heard' }, '*')\")",
            )?;
            page.evaluate::<bool>("new Promise(done => setTimeout(() => done(true), 500))")?;
            ensure!(
                page.evaluate::<bool>(&format!("!!{INSIDE}.querySelector('[data-testid=welcome]')"))?,
                "it was obeyed"
            );
            ensure!(page.evaluate::<bool>("!told.some(t => t.type === 'ringside-state')")?, "it was answered");
            page.take_errors();
            Ok(())
        }),
        scenario("frames are accessible, wide and narrow", |page| {
            for (i, embed) in ["live", "read", "live&lesson=202-pid-namespace"].into_iter().enumerate() {
                page.open(&format!("?{i}#embed={embed}"))?;
                page.wait_for("timeline")?;
                ensure!(
                    page.evaluate::<bool>("!document.querySelector('[data-testid=syscall-input]')")?,
                    "{embed}: a console"
                );
                everywhere(page, embed)?;
            }
            Ok(())
        }),
    ]
}
