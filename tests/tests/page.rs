//! The page in a real browser, as a learner uses it.

use ringside_tests::scenario::{self, scenario};
use std::process::ExitCode;

fn main() -> ExitCode {
    scenario::run(vec![scenario("the page loads and says its name", |page| {
        page.open("")?;
        page.wait_until("document.body.innerText.includes('Ringside')")?;
        page.wait_until("document.getElementById('boot') === null")?;
        page.must_be_accessible("the page")
    })])
}
