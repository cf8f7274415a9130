//! The stage: tabs, following the step, views beside each other, and remembering all that.

use anyhow::{Result, ensure};
use ringside_tests::page::{Page, Screen};
use ringside_tests::scenario::{Scenario, scenario};

pub fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("every view is reached by its tab and has its name once", |page| {
            page.open("")?;
            let views: Vec<String> = page.evaluate(
                "[...document.querySelectorAll('[role=tablist] [role=tab]')].map(tab => tab.id.replace('tab-', ''))",
            )?;
            ensure!(views.len() > 1, "there are only {views:?}");
            for view in &views {
                page.evaluate::<()>(&format!("document.getElementById('tab-{view}').click()"))?;
                page.wait_until(&format!("document.querySelector('.stage').dataset.main === '{view}'"))?;
                page.wait_until(&format!("document.querySelector('#stage-main [data-testid=view-{view}]')"))?;
                for other in &views {
                    let count: usize =
                        page.evaluate(&format!("document.querySelectorAll('[data-testid=view-{other}]').length"))?;
                    ensure!(count == 1, "view-{other} is there {count} times");
                }
            }
            Ok(())
        }),
        scenario("views are chosen, put beside and away with the keyboard, and remembered", |page| {
            page.open("")?;
            page.evaluate::<()>("document.getElementById('tab-pid-views').focus()")?;
            page.press("ArrowRight")?;
            page.press("ArrowLeft")?;
            page.wait_until("document.activeElement.id === 'tab-pid-views'")?;
            page.press("End")?;
            page.press("Home")?;
            page.press("Enter")?;
            page.wait_until("document.querySelector('#stage-follow').ariaPressed === 'false'")?;
            page.click_button("put Process tree away")?;
            page.wait_until("document.querySelectorAll('.pane').length === 1")?;
            page.reload()?;
            page.wait_until("document.querySelectorAll('.pane').length === 1")?;
            page.wait_until("document.querySelector('#stage-follow').ariaPressed === 'false'")
        }),
        scenario("on a telephone the one view follows the step", |page| {
            page.open("")?;
            page.resize(Screen::Narrow)?;
            page.wait_until("document.querySelectorAll('.pane').length === 1")?;
            page.enter("sleep 100 & echo $((40 + 2))")?;
            page.wait_for_text("terminal-log", "\n42")?;
            page.click_button("follow")?;
            let here = main_view(page)?;
            page.focus("timeline")?;
            page.press("Home")?;
            page.press("n")?;
            ensure!(main_view(page)? == here, "it follows although it is to stay");
            page.click_button("follow")?;
            page.wait_until("document.querySelector('#stage-follow').ariaPressed === 'true'")
        }),
    ]
}

fn main_view(page: &Page) -> Result<String> {
    page.evaluate("document.querySelector('.stage').dataset.main")
}
