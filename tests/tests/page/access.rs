//! What axe finds: nothing, in every state that looks different.

use super::TIMELINE;
use super::machine::choose;
use anyhow::{Context, Result, ensure};
use ringside_tests::page::{Page, Screen, Theme};
use ringside_tests::scenario::{Scenario, scenario};

/// Something for each view to show: namespaces, mounts, groups at their limits, a packet, a hidden process.
const BUSY_WORLD: &str = "mkdir /sys/fs/cgroup/pids/box /sys/fs/cgroup/cpu/box; echo 2 > /sys/fs/cgroup/pids/box/pids.max; \
    echo 20000 > /sys/fs/cgroup/cpu/box/cpu.cfs_quota_us; \
    sh -c 'echo $$ > /sys/fs/cgroup/cpu/box/tasks; timeout 0.3 sh -c \"while :; do :; done\"'; \
    ip netns add red; ip link add v0 type veth peer name v1; ip link set v1 netns red; ip link set v0 up; \
    unshare --user --map-root-user --pid --fork --mount-proc sleep 1000 & mkdir /tmp/e; mount --bind /tmp/e /proc/$!; \
    ping -c 1 -W 1 10.0.0.2; echo $((1))ready | tr -d 1";

pub fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("both views are accessible in both themes, wide and narrow", |page| {
            page.open("")?;
            page.enter("unshare --pid --fork sh -c 'ps; echo done'")?;
            page.wait_for_text("terminal-log", "\ndone")?;
            everywhere(page)
        }),
        scenario("every view is accessible in both themes, wide and narrow, as a picture and as text", |page| {
            page.open("")?;
            page.enter(BUSY_WORLD)?;
            page.wait_for_text("terminal-log", "\nready")?;
            for view in page.views()? {
                page.resize(Screen::Wide)?;
                page.show_view(&view)?;
                everywhere(page).with_context(|| view.clone())?;
                page.evaluate::<()>("document.querySelector('#stage-main .view__head button').click()")?;
                page.wait_until("document.querySelector('#stage-main .view__text')")?;
                page.must_be_accessible(&format!("{view} as text"))?;
            }
            Ok(())
        }),
        scenario("the views of a machine are accessible in both themes, wide and narrow", |page| {
            page.open("")?;
            choose(page, "platform", "kvm-ept")?;
            page.enter("/bin/true; echo $((80 + 8))")?;
            page.wait_for_text("terminal-log", "\n88")?;
            page.show_view("compare")?;
            page.click("compare-run")?;
            page.wait_for_text("view-compare", "execve")?;
            everywhere(page).context("compare")?;
            page.focus("timeline")?;
            page.press("ArrowLeft")?;
            page.press("ArrowLeft")?;
            page.wait_until(&format!("{TIMELINE}.value !== {TIMELINE}.max"))?;
            for view in ["exits", "walks", "tlb", "rings", "frames", "cost", "instructions"] {
                page.resize(Screen::Wide)?;
                page.show_view(view)?;
                everywhere(page).context(view)?;
                page.evaluate::<()>("document.querySelector('#stage-main .view__head button').click()")?;
                page.wait_until("document.querySelector('#stage-main .view__text')")?;
                page.must_be_accessible(&format!("{view} as text"))?;
            }
            Ok(())
        }),
        scenario("the sheet with a lesson is accessible on a telephone", |page| {
            page.open("#lesson=202-pid-namespace")?;
            page.wait_for("task-one")?;
            page.resize(Screen::Narrow)?;
            page.wait_until("document.querySelector('.sandbox').dataset.sheet === 'lesson'")?;
            page.click("hint-one")?;
            everywhere_narrow(page, "lesson")?;
            page.click_button("terminal")?;
            everywhere_narrow(page, "terminal beside a lesson")
        }),
        scenario("worlds to begin with are accessible", |page| {
            page.open("")?;
            page.click_button("worlds ▾")?;
            page.wait_until("document.querySelector('[role=dialog]')")?;
            everywhere(page)
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
