//! Consoles are terminals: programs read what is typed, and what was typed is remembered.

use anyhow::{Result, ensure};
use ringside_tests::page::{ModifierKey, Page};
use ringside_tests::scenario::{Scenario, scenario};

pub fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("cat reads lines until Ctrl-D", |page| {
            page.open("")?;
            page.enter("cat; echo $((50 + 5))")?;
            page.wait_for_text("terminal-status", "reads what you type")?;
            page.enter("typed")?;
            page.wait_for_text("terminal-log", "\ntyped\ntyped")?;
            page.press_with(&[ModifierKey::Ctrl], "d")?;
            page.wait_for_text("terminal-log", "\n55")?;
            Ok(())
        }),
        scenario("read takes a line into a variable", |page| {
            page.open("")?;
            page.enter("read answer; echo \"it is $answer\"")?;
            page.wait_for_text("terminal-status", "reads what you type")?;
            page.enter("blue")?;
            page.wait_for_text("terminal-log", "\nit is blue")?;
            Ok(())
        }),
        scenario("Ctrl-C ends what reads the terminal", |page| {
            page.open("")?;
            page.enter("cat")?;
            page.wait_for_text("terminal-status", "reads what you type")?;
            page.press_with(&[ModifierKey::Ctrl], "c")?;
            page.enter("echo $((60 + 6))")?;
            page.wait_for_text("terminal-log", "\n66")?;
            Ok(())
        }),
        scenario("several lines are pasted as several commands", |page| {
            page.open("")?;
            page.focus("terminal-input")?;
            page.insert("echo $((1 + 1))0\nfor i in 7 8\ndo echo $i$i$i\ndone\n")?;
            page.press("Enter")?;
            page.wait_for_text("terminal-log", "\n20")?;
            page.wait_for_text("terminal-log", "\n777\n888")?;
            Ok(())
        }),
        scenario("what was typed is recalled after a reload", |page| {
            page.open("")?;
            page.enter("echo remembered")?;
            page.wait_for_text("terminal-log", "\nremembered")?;
            page.reload()?;
            page.focus("terminal-input")?;
            page.press("ArrowUp")?;
            page.wait_until("document.activeElement.value === 'echo remembered'")
        }),
        scenario("output without end stays bounded in the page", |page| {
            page.open("")?;
            page.enter("yes | head -n 5000; echo $((70 + 7))")?;
            page.wait_for_text("terminal-log", "\n77")?;
            let rows: usize = page.evaluate("document.querySelectorAll('.terminal__line').length")?;
            ensure!(rows <= 600, "there are {rows} rows");
            Ok(())
        }),
        scenario("a first visit offers commands to try", |page| {
            page.open("")?;
            page.wait_for("welcome")?;
            click_first_example(page)?;
            page.wait_for_text("terminal-log", "I am 1")?;
            page.wait_until("document.querySelector('[data-testid=welcome]') === null")
        }),
    ]
}

fn click_first_example(page: &Page) -> Result<()> {
    page.evaluate::<()>("document.querySelector('.welcome__example').click()")
}
