//! Who alone keeps a namespace alive: dominators in the graph of references.
//!
//! An arrow leads from what keeps to what is kept: from the outside to processes, from a process to its
//! descriptors and its namespaces, from a mount namespace to the bind mounts in it, from a namespace to the one
//! in which it lies and to its owner. When every way from the outside to a namespace leads through one row, the
//! namespace goes with that row.

use std::collections::BTreeMap;

use petgraph::algo::dominators::simple_fast;
use petgraph::graph::{DiGraph, NodeIndex};

use super::super::Change;
use super::hold::{Draft, Holder};
use super::parent_of;
use crate::namespace::NsRef;
use crate::world::World;

/// With more rows than this nobody asks about single ones.
const MAX_ROWS: usize = 500;

/// A node: the outside, a row, a namespace.
#[derive(Clone, Copy)]
enum Place {
    Outside,
    Row(usize),
    Ns,
}

/// For each namespace that hangs on one row alone: what that row is called.
pub(super) fn of(world: &World, drafts: &[Draft]) -> BTreeMap<NsRef, String> {
    if drafts.len() > MAX_ROWS {
        return BTreeMap::new();
    }
    let mut graph: DiGraph<Place, ()> = DiGraph::new();
    let outside = graph.add_node(Place::Outside);
    let mut ns_node: BTreeMap<NsRef, NodeIndex> = BTreeMap::new();
    let mut pending = Vec::new();
    let live = || drafts.iter().enumerate().filter(|(_, draft)| draft.change != Change::Gone);
    let mut rows = BTreeMap::new();
    for (number, draft) in live() {
        let row = graph.add_node(Place::Row(number));
        rows.insert(number, row);
        for ns in &draft.holds {
            let node = *ns_node.entry(*ns).or_insert_with(|| {
                pending.push(*ns);
                graph.add_node(Place::Ns)
            });
            graph.add_edge(row, node, ());
        }
    }
    for (number, draft) in live() {
        let keeper = match &draft.holder {
            Holder::Tasks(_) | Holder::Zombies(_) | Holder::Births(_) => None,
            Holder::Descriptor(task, _) | Holder::Socket(task, _) => live()
                .find(|(_, d)| matches!(&d.holder, Holder::Tasks(tasks) if tasks.contains(task)))
                .and_then(|(keeper, _)| rows.get(&keeper).copied()),
            Holder::BindMount(mount) => {
                world.vfs.mounts.get(*mount).and_then(|m| m.ns).and_then(|ns| ns_node.get(&NsRef::Mnt(ns)).copied())
            }
        };
        graph.add_edge(keeper.unwrap_or(outside), rows[&number], ());
    }
    while let Some(ns) = pending.pop() {
        let from = ns_node[&ns];
        let owner = world.ns_common(ns).map(|common| NsRef::User(common.owner));
        for to in [parent_of(world, ns), owner].into_iter().flatten().filter(|to| *to != ns) {
            let node = *ns_node.entry(to).or_insert_with(|| {
                pending.push(to);
                graph.add_node(Place::Ns)
            });
            graph.add_edge(from, node, ());
        }
    }
    let dominators = simple_fast(&graph, outside);
    let row_above = |node: NodeIndex| {
        dominators.strict_dominators(node)?.find_map(|above| match graph[above] {
            Place::Row(number) => Some(number),
            Place::Outside | Place::Ns => None,
        })
    };
    ns_node
        .iter()
        .filter_map(|(ns, node)| {
            let draft = drafts.get(row_above(*node)?)?;
            let several = matches!(&draft.holder, Holder::Tasks(tasks) if tasks.len() > 1);
            Some((*ns, if several { format!("the last of {} and its like", draft.name) } else { draft.reason() }))
        })
        .collect()
}
