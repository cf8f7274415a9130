//! The names of the views of the page, by which lessons choose one. The page's own test compares this list with its views.

/// All views, in the order of their tabs.
pub const VIEWS: &[&str] = &[
    "pid-views",
    "process-tree",
    "ns-graph",
    "mounts",
    "cgroups",
    "network",
    "privileges",
    "through-eyes",
    "proc-views",
    "exits",
    "vmcs",
    "walks",
    "tlb",
    "rings",
    "frames",
    "cost",
    "compare",
    "instructions",
    "coverage",
];
