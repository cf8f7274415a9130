//! Xen below: domain 0 with a guest, its views, and the hypercall console.

use super::lesson::everywhere;
use anyhow::{Result, ensure};
use ringside_tests::page::{Page, Screen};
use ringside_tests::scenario::{Scenario, scenario};

/// The views of Xen, each with something that it says of a guest with a disk.
const VIEWS: [(&str, &str); 6] = [
    ("channels", "guest1"),
    ("grants", "vbd 51712 of d1"),
    ("xenstore", "4 Connected"),
    ("machine-frames", "l1_page_table"),
    ("hypercalls", "guest kernel"),
    ("pv-ops", "evtchn_upcall_mask"),
];

pub fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("without Xen each of its views leads to a platform that has it", |page| {
            page.open("")?;
            page.show_view("xenstore")?;
            page.wait_for_text("view-xenstore", "Nothing of Xen")?;
            page.click_button("xen-pv64")?;
            page.wait_for_text("view-xenstore", "Domain-0")?;
            Ok(())
        }),
        scenario("every view of Xen shows the guest and is accessible", |page| {
            guest(page)?;
            for (view, part) in VIEWS {
                page.resize(Screen::Wide)?;
                page.show_view(view)?;
                page.wait_for_text(&format!("view-{view}"), part)?;
                everywhere(page, view)?;
            }
            Ok(())
        }),
        scenario("a hypercall is completed, refused by its rule, and part of the session", |page| {
            page.open("")?;
            page.show_view("channels")?;
            page.click_button("xen-pv64")?;
            page.wait_for_text("view-channels", "Domain-0")?;
            page.focus("hypercall-input")?;
            page.insert("event")?;
            page.press("Tab")?;
            page.insert("send")?;
            page.press("Tab")?;
            page.press("Tab")?;
            page.insert("999})")?;
            ensure!(
                page.value("hypercall-input")? == "event_channel_op(EVTCHNOP_send, {port=999})",
                "{}",
                page.value("hypercall-input")?
            );
            everywhere(page, "hypercall console")?;
            page.resize(Screen::Wide)?;
            page.show_view("hypercalls")?;
            page.focus("hypercall-input")?;
            page.press("Enter")?;
            page.wait_for_text("view-hypercalls", "the domain has no such port")?;
            page.reload()?;
            page.wait_until("document.getElementById('tab-hypercalls')")?;
            page.show_view("hypercalls")?;
            page.wait_for_text("view-hypercalls", "the domain has no such port")?;
            Ok(())
        }),
    ]
}

/// The prepared world with a guest on Xen.
fn guest(page: &Page) -> Result<()> {
    page.open("")?;
    page.click_button("worlds ▾")?;
    page.wait_until("document.querySelector('[role=dialog]')")?;
    page.evaluate::<()>(
        "[...document.querySelectorAll('[role=dialog] button')].find(b => b.innerText.includes('A guest on Xen')).click()",
    )?;
    page.wait_until_within("document.querySelector('[data-testid=terminal-log]').innerText.includes('copied')", 60)
}
