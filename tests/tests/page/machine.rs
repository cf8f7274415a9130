//! The machine below: another platform under the same session, and the views of it.

use super::TIMELINE;
use anyhow::{Result, ensure};
use ringside_tests::page::Page;
use ringside_tests::scenario::{Scenario, scenario};

pub fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("another platform shows the same system call of the same session", |page| {
            page.open("")?;
            page.enter("cat /proc/version; echo $((70 + 7))")?;
            let log = page.wait_for_text("terminal-log", "\n77")?;
            for _ in 0..6 {
                page.click("step-back")?;
            }
            page.wait_until(&format!("{TIMELINE}.value !== {TIMELINE}.max"))?;
            let said = page.text("inspector")?;
            let alone: u64 = page.evaluate(&format!("Number({TIMELINE}.max)"))?;
            for platform in ["kvm-ept", "kvm-shadow", "uml"] {
                choose(page, "platform", platform)?;
                // What the machine tells is in the history too.
                page.wait_until(&format!("Number({TIMELINE}.max) > {alone}"))?;
                page.wait_until(&format!(
                    "document.querySelector('[data-testid=inspector]').innerText.includes({:?})",
                    first_sentence(&said)
                ))?;
            }
            choose(page, "platform", "kernel alone")?;
            page.wait_until(&format!("Number({TIMELINE}.max) === {alone}"))?;
            page.focus("timeline")?;
            page.press("End")?;
            page.wait_until("document.querySelector('[data-testid=terminal-log]').innerText.includes('77')")?;
            ensure!(page.text("terminal-log")? == log, "the terminal shows something else");
            Ok(())
        }),
        scenario("one runs from exit to exit, and every view of the machine has something to show", |page| {
            page.open("")?;
            choose(page, "platform", "kvm-shadow")?;
            page.enter("/bin/true; echo $((80 + 8))")?;
            page.wait_for_text("terminal-log", "\n88")?;
            page.show_view("exits")?;
            page.wait_for_text("view-exits", "CR_ACCESS")?;
            page.focus("timeline")?;
            page.press("Home")?;
            page.wait_until(&format!("{TIMELINE}.value === '0'"))?;
            page.click_button("run to next exit")?;
            page.wait_until(&format!("{TIMELINE}.value !== '0'"))?;
            page.wait_for_text("view-exits", "hypervisor")?;
            page.press("End")?;
            page.focus("timeline")?;
            page.press("End")?;
            for (view, part) in [
                ("walks", "references"),
                ("tlb", "VPID 1"),
                ("rings", "non-root mode"),
                ("frames", "shadow tables for guest 1"),
                ("cost", "VM exits"),
            ] {
                page.show_view(view)?;
                page.wait_for_text(&format!("view-{view}"), part)?;
            }
            Ok(())
        }),
        scenario("the last command is compared on several machines", |page| {
            page.open("")?;
            page.enter("/bin/true; echo $((90 + 9))")?;
            page.wait_for_text("terminal-log", "\n99")?;
            page.show_view("compare")?;
            page.click("compare-run")?;
            page.wait_for_text("view-compare", "execve")?;
            Ok(())
        }),
        scenario("popf outside ring 0 silently does the wrong thing", |page| {
            page.open("")?;
            page.show_view("instructions")?;
            page.wait_for_text("view-instructions", "popf")?;
            choose(page, "[aria-label=Ring]", "ring 3")?;
            page.wait_for_text("view-instructions", "ignored")?;
            Ok(())
        }),
    ]
}

/// The first line of the inspector's sentence that is long enough to be one.
fn first_sentence(text: &str) -> &str {
    text.lines().find(|line| line.len() > 20).unwrap_or(text)
}

/// Chooses from a select, by its test id or a selector, the option with this text.
pub fn choose(page: &Page, select: &str, option: &str) -> Result<()> {
    let selector = if select.starts_with('[') { select.to_owned() } else { format!("[data-testid={select}]") };
    page.evaluate::<()>(&format!(
        "(() => {{ const s = document.querySelector('{selector}'); \
         s.value = [...s.options].find(o => o.text === '{option}').value; \
         s.dispatchEvent(new Event('change', {{ bubbles: true }})); }})()"
    ))
}
