//! Plain data for eyes: what views, text twins and goldens show.
//!
//! A projection is made from one world, or from two of them when it also says what has changed in
//! between. It holds finished text and numbers: whoever draws it computes nothing.

mod alike;
pub mod cgroup_tree;
pub mod cgroup_view;
pub mod change;
pub mod changes;
pub mod coverage;
pub mod cpu_time;
pub mod explain;
mod explain_cgroup;
pub mod id_map;
pub mod label;
pub mod machine;
pub mod mount_graph;
pub mod mount_table;
mod net_packet;
pub mod net_topology;
pub mod ns_graph;
pub mod pid_tree;
pub mod pid_views;
pub mod privileged;
pub mod privileges;
pub mod proc_views;
pub mod process_index;
pub mod prompt;
pub mod through_eyes;

pub use change::Change;
