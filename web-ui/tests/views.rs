//! Views as text of HTML: what a projection looks like is compared with what was looked at and found right.
//!
//! `UPDATE_EXPECT=1 cargo test -p web-ui` writes the files anew; the difference is to be read.

use std::path::Path;
use std::rc::Rc;

use kernel_model::action::Action;
use kernel_model::console::ConsoleId;
use kernel_model::projection::pid_tree::PidTree;
use kernel_model::projection::pid_views::PidViews;
use kernel_model::strace::parse_call;
use kernel_model::task::TaskId;
use kernel_model::timeline::Timeline;
use kernel_model::world::{Config, World};
use web_ui::lab::Machine;
use web_ui::view::{pid_views, process_tree};
use yew::{BaseComponent, Callback, LocalServerRenderer};

/// The world before and after these lines are typed at the first console.
fn after(lines: &[&str]) -> (World, World) {
    let mut timeline = Timeline::new(Config::default(), Machine::default());
    let mut before = timeline.head().clone();
    for line in lines {
        before = timeline.head().clone();
        timeline.act(Action::Line { console: ConsoleId(1), text: (*line).to_owned() });
        assert!(timeline.run(100_000), "{line} does not come to rest");
    }
    (before, timeline.head().clone())
}

async fn check<C>(name: &str, props: C::Properties)
where
    C: BaseComponent,
    C::Properties: 'static,
{
    let html = LocalServerRenderer::<C>::with_props(props).hydratable(false).render().await;
    let html = html.replace("><", ">\n<") + "\n";
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&file, &html).expect("the golden file can be written");
    }
    let golden = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(html, golden, "{name} differs; UPDATE_EXPECT=1 writes it anew");
}

#[tokio::test(flavor = "current_thread")]
async fn pid_views_of_nothing() {
    let views = Rc::new(PidViews::default());
    let props = pid_views::Props { views, picked: None, dispatch: Callback::noop() };
    check::<pid_views::PidViewsView>("pid-views-empty.html", props).await;
}

#[tokio::test(flavor = "current_thread")]
async fn pid_views_of_a_container() {
    let (before, now) = after(&["unshare --pid --fork sleep 1000 &"]);
    let views = Rc::new(PidViews::of_step(&before, &now));
    let props = pid_views::Props { views, picked: Some(TaskId(2)), dispatch: Callback::noop() };
    check::<pid_views::PidViewsView>("pid-views-container.html", props).await;
}

#[tokio::test(flavor = "current_thread")]
async fn process_tree_of_nothing() {
    let props = process_tree::Props { tree: Rc::new(PidTree::default()), picked: None, dispatch: Callback::noop() };
    check::<process_tree::ProcessTreeView>("process-tree-empty.html", props).await;
}

#[tokio::test(flavor = "current_thread")]
async fn process_tree_of_a_container() {
    let (before, now) = after(&["unshare --uts --pid --fork sleep 1000 &"]);
    let tree = Rc::new(PidTree::of_step(&before, &now));
    let props = process_tree::Props { tree, picked: None, dispatch: Callback::noop() };
    check::<process_tree::ProcessTreeView>("process-tree-container.html", props).await;
}

#[test]
fn a_process_has_a_number_in_each_namespace_that_sees_it() {
    let (before, now) = after(&["unshare --pid --fork sleep 1000 &"]);
    let text = PidViews::of_step(&before, &now).text();
    let sleep = text.lines().find(|l| l.contains("sleep")).unwrap_or_default();
    assert!(sleep.starts_with('●') && sleep.trim_end().ends_with(" 1"), "{text}");
}

#[test]
fn a_call_changes_what_the_lists_of_changes_say() {
    let mut timeline = Timeline::new(Config::default(), Machine::default());
    let before = timeline.head().clone();
    let call = parse_call("sethostname(\"box\", 3)").expect("a call");
    timeline.act(Action::Syscall { task: TaskId(2), call });
    timeline.run(1000);
    let changes = kernel_model::projection::changes::Changes::between(&before, timeline.head());
    assert!(changes.text().contains("lab → box"), "{}", changes.text());
}
