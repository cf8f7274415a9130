//! A large world in the page: ten thousand processes in a thousand containers, nested three deep. Every view
//! summarises it, and a step is a step.

use anyhow::ensure;
use ringside_tests::large_world::{FULL, open};
use ringside_tests::scenario::{Scenario, scenario};

/// Most elements that a view may have: what is more cannot be read anyway.
const MAX_ELEMENTS: usize = 6000;

pub fn scenarios() -> Vec<Scenario> {
    vec![scenario("ten thousand processes are summarised in every view and can be stepped through", |page| {
        page.prefer_reduced_motion()?;
        open(page, FULL)?;
        for view in page.views()? {
            page.show_view(&view)?;
            let elements: usize = page.evaluate("document.querySelectorAll('#stage-main *').length")?;
            ensure!(elements <= MAX_ELEMENTS, "{view} has {elements} elements");
        }
        page.show_view("mounts")?;
        eprintln!("ten thousand processes: steps back and forward take {:?}", page.step_times(4)?);
        page.show_view("process-tree")?;
        page.wait_for_text("view-process-tree", "more like this")?;
        Ok(())
    })]
}
