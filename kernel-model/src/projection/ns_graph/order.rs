//! The order of rows: such that the rows of a namespace lie next to each other where that is possible, and
//! rows that are alike are folded into one.

use std::collections::{BTreeMap, BTreeSet};

use super::super::Change;
use super::super::pid_tree::instance;
use super::hold::{Draft, Holder};
use super::{ALIKE_SHOWN, FOLD_ABOVE, MAX_ROWS};
use crate::namespace::{NsKind, NsRef};
use crate::task::TaskId;

/// Puts rows that share most next to each other: sorted by the namespace of the kind that has fewest
/// instances, then by the next kind. Where sharing is nested, as it is in containers, every box hangs
/// together. Rows that hold only one or two namespaces follow the last one that holds the same.
pub(super) fn sort(drafts: &mut Vec<Draft>) {
    let mut instances: BTreeMap<NsKind, BTreeSet<NsRef>> = BTreeMap::new();
    for draft in drafts.iter() {
        for ns in &draft.holds {
            instances.entry(ns.kind()).or_default().insert(*ns);
        }
    }
    let mut kinds = NsKind::SHOWN;
    kinds.sort_by_key(|kind| instances.get(kind).map_or(0, BTreeSet::len));
    let is_whole = |draft: &Draft| matches!(draft.holder, Holder::Tasks(_));
    let (mut whole, parts): (Vec<Draft>, Vec<Draft>) = drafts.drain(..).partition(is_whole);
    whole.sort_by_cached_key(|draft| {
        kinds.map(|kind| draft.holds.iter().find(|ns| ns.kind() == kind).map_or(0, |ns| instance(*ns)))
    });
    let mut followers: BTreeMap<usize, Vec<Draft>> = BTreeMap::new();
    let mut last: BTreeMap<NsRef, usize> = BTreeMap::new();
    for (place, draft) in whole.iter().enumerate() {
        last.extend(draft.holds.iter().map(|ns| (*ns, place)));
    }
    for part in parts {
        let after = part.holds.iter().filter_map(|ns| last.get(ns).copied()).min().unwrap_or(usize::MAX);
        followers.entry(after).or_default().push(part);
    }
    for (place, draft) in whole.into_iter().enumerate() {
        drafts.push(draft);
        drafts.extend(followers.remove(&place).unwrap_or_default());
    }
    drafts.extend(followers.into_values().flatten());
}

/// Folds rows that are alike when there are many: a few of each likeness stay, and all that have changed.
/// Each row comes with how many others it stands for.
pub(super) fn fold(drafts: Vec<Draft>, unfolded: &BTreeSet<TaskId>) -> Vec<(Draft, usize)> {
    if drafts.len() <= FOLD_ABOVE {
        return drafts.into_iter().map(|draft| (draft, 0)).collect();
    }
    let likenesses: Vec<_> = drafts.iter().map(Draft::likeness).collect();
    let opened: BTreeSet<_> = drafts
        .iter()
        .zip(&likenesses)
        .filter(|(draft, _)| draft.holder.tasks().iter().any(|task| unfolded.contains(task)))
        .map(|(_, likeness)| likeness.clone())
        .collect();
    let mut seen: BTreeMap<_, usize> = BTreeMap::new();
    let mut heads: BTreeMap<_, usize> = BTreeMap::new();
    let mut rows: Vec<(Draft, usize)> = Vec::new();
    for (draft, likeness) in drafts.into_iter().zip(likenesses) {
        let count = seen.entry(likeness.clone()).or_default();
        *count += 1;
        let stays = *count <= ALIKE_SHOWN || draft.change != Change::Same || opened.contains(&likeness);
        if stays && rows.len() < MAX_ROWS {
            rows.push((draft, 0));
            continue;
        }
        match heads.get(&likeness).and_then(|place: &usize| rows.get_mut(*place)) {
            Some((_, folded)) => *folded += 1,
            None => {
                heads.insert(likeness, rows.len());
                // What is folded holds nothing that is drawn, but knows where to unfold.
                let first = draft.holder.tasks().iter().take(1).copied().collect();
                let stand_in = Draft { holder: Holder::Tasks(first), holds: Vec::new(), ..draft };
                rows.push((Draft { change: Change::Same, ..stand_in }, 1));
            }
        }
    }
    rows
}
