//! Back and forward: everything that is shown follows.

use super::TIMELINE;
use anyhow::{Result, ensure};
use ringside_tests::page::Page;
use ringside_tests::scenario::{Scenario, scenario};

pub fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("a step back and a step forward end where they began", |page| {
            page.open("")?;
            page.enter("hostname ringside; hostname")?;
            page.wait_for_text("terminal-log", "\nringside")?;
            let (here, shown) = (page.value("timeline")?, everything(page)?);
            page.click("step-back")?;
            page.wait_until(&format!("{TIMELINE}.value !== '{here}'"))?;
            page.click("step-forward")?;
            page.wait_until(&format!("{TIMELINE}.value === '{here}'"))?;
            ensure!(everything(page)? == shown, "the page shows something else than before");
            Ok(())
        }),
        scenario("terminal, views and inspector follow the timeline", |page| {
            page.open("")?;
            page.enter("sleep 100 & echo $((1000 + 1))")?;
            page.wait_for_text("terminal-log", "\n1001")?;
            for view in VIEWS {
                page.wait_for_text(view, "sleep")?;
            }
            let said = page.text("inspector")?;
            page.focus("timeline")?;
            page.press("Home")?;
            page.wait_until(&format!("{TIMELINE}.value === '0'"))?;
            ensure!(!page.text("terminal-log")?.contains("1001"), "the terminal did not go back");
            for view in VIEWS {
                ensure!(!page.text(view)?.contains("sleep"), "{view} did not go back");
            }
            ensure!(page.text("inspector")? != said, "the inspector did not go back");
            page.press("End")?;
            page.wait_for_text("terminal-log", "\n1001")?;
            for view in VIEWS {
                page.wait_for_text(view, "sleep")?;
            }
            ensure!(page.text("inspector")? == said, "the inspector did not come back");
            Ok(())
        }),
        scenario("acting in the past makes a branch and keeps the old one", |page| {
            page.open("")?;
            page.enter("echo $((10 + 1))")?;
            page.wait_for_text("terminal-log", "\n11")?;
            page.focus("timeline")?;
            page.press("Home")?;
            page.wait_until(&format!("{TIMELINE}.value === '0'"))?;
            page.enter("echo $((20 + 2))")?;
            let log = page.wait_for_text("terminal-log", "\n22")?;
            ensure!(!log.contains("\n11"), "the other future is shown in this one");
            page.wait_until("document.querySelector('[aria-label=\"Other futures\"]')?.length === 2")
        }),
        scenario("a single system call is made for a process", |page| {
            page.open("")?;
            page.focus("syscall-input")?;
            page.insert("unshare(CLONE_NEWUTS)")?;
            page.press("Enter")?;
            page.wait_until(&format!("Number({TIMELINE}.max) > 0"))?;
            page.wait_for_text("inspector", "unshare(CLONE_NEWUTS)")?;
            page.focus("syscall-input")?;
            page.evaluate::<()>("document.activeElement.select()")?;
            page.insert("unshare(CLONE_NEWTIME")?;
            page.press("Enter")?;
            page.wait_until("document.querySelector('#syscall-hint [role=alert]')?.innerText")
        }),
    ]
}

const VIEWS: [&str; 2] = ["view-pid-views", "view-process-tree"];

fn everything(page: &Page) -> Result<Vec<String>> {
    ["terminal-log", "inspector", VIEWS[0], VIEWS[1]].map(|shown| page.text(shown)).into_iter().collect()
}
