//! What axe finds: nothing, in every state that looks different.

use anyhow::{Result, ensure};
use ringside_tests::page::{Page, Screen, Theme};
use ringside_tests::scenario::{Scenario, scenario};

pub fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("both views are accessible in both themes, wide and narrow", |page| {
            page.open("")?;
            page.enter("unshare --pid --fork sh -c 'ps; echo done'")?;
            page.wait_for_text("terminal-log", "\ndone")?;
            everywhere(page)
        }),
        scenario("every view is accessible as the main one", |page| {
            page.open("")?;
            page.enter("unshare --pid --fork sh -c 'ps; echo done'")?;
            page.wait_for_text("terminal-log", "\ndone")?;
            let tabs: Vec<String> =
                page.evaluate("[...document.querySelectorAll('[role=tablist] [role=tab]')].map(tab => tab.id)")?;
            for tab in tabs {
                page.evaluate::<()>(&format!("document.getElementById('{tab}').click()"))?;
                page.wait_until(&format!("document.getElementById('{tab}').ariaSelected === 'true'"))?;
                for theme in [Theme::Light, Theme::Dark] {
                    page.prefer(theme)?;
                    page.must_be_accessible(&format!("{tab}, {theme:?}"))?;
                }
            }
            Ok(())
        }),
        scenario("a first visit is accessible", |page| {
            page.open("")?;
            page.wait_for("welcome")?;
            everywhere(page)
        }),
        scenario("each sheet of a telephone is accessible", |page| {
            page.open("")?;
            page.resize(Screen::Narrow)?;
            page.enter("unshare --pid --fork sh -c 'ps; echo done'")?;
            page.wait_for_text("terminal-log", "\ndone")?;
            for sheet in ["inspector", "calls and logs", "terminal"] {
                page.click_button(sheet)?;
                everywhere_narrow(page, sheet)?;
            }
            Ok(())
        }),
        scenario("a step in the past with its refusal is accessible", |page| {
            page.open("")?;
            page.focus("syscall-input")?;
            page.insert("setns(99, CLONE_NEWPID)")?;
            page.press("Enter")?;
            page.wait_for_text("inspector", "EBADF")?;
            page.focus("syscall-input")?;
            page.evaluate::<()>("document.activeElement.select()")?;
            page.insert("unsh")?;
            page.wait_until("document.querySelector('.calls__candidates')")?;
            everywhere(page)
        }),
        scenario("a log of strace is accessible", |page| {
            page.open("")?;
            page.focus("strace-import")?;
            page.insert(include_str!("../../strace/unshare-uts.strace"))?;
            page.wait_for_text("view-strace-log", "in scope")?;
            everywhere(page)
        }),
        scenario("the list of keys is accessible", |page| {
            page.open("")?;
            page.click_button("keys and help")?;
            page.wait_until("document.querySelector('[role=dialog]')")?;
            everywhere(page)
        }),
        scenario("a notice and a running machine are accessible", |page| {
            page.open("#s=damaged")?;
            page.wait_for_text("notice", "cannot be opened")?;
            page.enter("while :; do :; done")?;
            page.wait_for_text("terminal-status", "running")?;
            everywhere(page)
        }),
    ]
}

/// Asks axe in both sizes and both themes.
fn everywhere(page: &Page) -> Result<()> {
    for screen in [Screen::Wide, Screen::Narrow] {
        page.resize(screen)?;
        for theme in [Theme::Light, Theme::Dark] {
            page.prefer(theme)?;
            page.must_be_accessible(&format!("{screen:?}, {theme:?}"))?;
        }
        ensure!(page.overflow()? <= 0, "the page is {} pixels too wide for {screen:?}", page.overflow()?);
    }
    Ok(())
}

fn everywhere_narrow(page: &Page, sheet: &str) -> Result<()> {
    for theme in [Theme::Light, Theme::Dark] {
        page.prefer(theme)?;
        page.must_be_accessible(&format!("{sheet}, {theme:?}"))?;
    }
    Ok(())
}
