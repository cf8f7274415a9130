//! The stage: which views are shown, and whether the main one follows the step.
//!
//! There is one main view and, where there is room, up to two beside it. The learner chooses it, or lets it
//! follow: then a step that concerns none of the views that can be seen brings one that it does concern.

use crate::view::{self, VIEWS, View};

/// Most views beside the main one.
pub const MAX_BESIDE: usize = 2;

/// Which views are shown.
#[derive(Clone, PartialEq, Debug)]
pub struct Stage {
    /// The main view follows the step.
    pub follows: bool,
    /// The main view.
    pub main: &'static View,
    /// The views beside it, the first one uppermost.
    pub beside: Vec<&'static View>,
    /// For how many views there is room.
    pub room: usize,
}

impl Default for Stage {
    fn default() -> Self {
        Stage {
            follows: true,
            main: VIEWS[0],
            beside: VIEWS.get(1).copied().into_iter().collect(),
            room: 1 + MAX_BESIDE,
        }
    }
}

impl Stage {
    /// The views that can be seen, the main one first.
    pub fn visible(&self) -> Vec<&'static View> {
        let beside = self.beside.iter().copied().filter(|view| *view != self.main);
        std::iter::once(self.main).chain(beside).take(self.room.max(1)).collect()
    }

    /// Whether this view can be seen.
    pub fn shows(&self, view: &View) -> bool {
        self.visible().contains(&view)
    }

    /// A step is looked at that concerns these views.
    pub fn follow(&mut self, concerned: &[&'static View]) {
        if let Some(first) = concerned.first().filter(|_| self.follows)
            && !concerned.iter().any(|view| self.shows(view))
        {
            self.main = first;
        }
    }

    /// The learner wants this view as the main one. One that was beside it changes places with it.
    pub fn choose(&mut self, view: &'static View) {
        self.follows = false;
        if let Some(place) = self.beside.iter().position(|other| *other == view) {
            self.beside[place] = self.main;
        }
        self.main = view;
    }

    /// Puts a view beside the main one; the oldest goes when there are too many.
    pub fn put_beside(&mut self, view: &'static View) {
        self.beside.retain(|other| *other != view && *other != self.main);
        if self.beside.len() == MAX_BESIDE {
            self.beside.remove(0);
        }
        self.beside.push(view);
    }

    /// Takes a view away from beside the main one.
    pub fn put_away(&mut self, view: &View) {
        self.beside.retain(|other| *other != view);
    }

    /// As it is remembered: `follow` or `stay`, then the names of the views.
    pub fn to_text(&self) -> String {
        let names = std::iter::once(self.main).chain(self.beside.iter().copied()).map(|view| view.name);
        let first = if self.follows { "follow" } else { "stay" };
        std::iter::once(first).chain(names).collect::<Vec<_>>().join(" ")
    }

    /// What was remembered. Views that are unknown are left out.
    pub fn recall(&mut self, text: &str) {
        let mut words = text.split(' ');
        let follows = words.next() == Some("follow");
        let mut views = words.filter_map(view::named);
        if let Some(main) = views.next() {
            *self = Stage { follows, main, beside: views.take(MAX_BESIDE).collect(), room: self.room };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(name: &str) -> &'static View {
        view::named(name).expect("a view")
    }

    #[test]
    fn choosing_a_view_stops_following_and_swaps_places() {
        let mut stage = Stage::default();
        stage.choose(view("process-tree"));
        assert_eq!(stage.to_text(), "stay process-tree pid-views");
        assert_eq!(stage.visible(), [view("process-tree"), view("pid-views")]);
    }

    #[test]
    fn a_narrow_stage_shows_one_view() {
        let mut stage = Stage { room: 1, ..Stage::default() };
        assert_eq!(stage.visible(), [view("pid-views")]);
        stage.choose(view("process-tree"));
        assert_eq!(stage.visible(), [view("process-tree")]);
    }

    #[test]
    fn a_step_brings_a_view_only_when_it_concerns_none_that_is_shown() {
        let mut stage = Stage { room: 1, ..Stage::default() };
        stage.follow(&[]);
        stage.follow(&[view("process-tree"), view("pid-views")]);
        assert_eq!(stage.main, view("pid-views"));
        stage.follow(&[view("process-tree")]);
        assert_eq!(stage.main, view("process-tree"));
        stage.choose(view("process-tree"));
        stage.follow(&[view("pid-views")]);
        assert_eq!(stage.main, view("process-tree"), "what was chosen stays");
    }

    #[test]
    fn what_is_remembered_comes_back_and_nonsense_changes_nothing() {
        let mut stage = Stage::default();
        stage.choose(view("process-tree"));
        stage.put_away(view("pid-views"));
        let mut other = Stage::default();
        other.recall(&stage.to_text());
        assert_eq!(other, stage);
        other.recall("stay no-such-view");
        assert_eq!(other, stage);
        other.recall("");
        assert_eq!(other, stage);
    }

    #[test]
    fn beside_there_is_room_for_two() {
        let mut stage = Stage::default();
        stage.put_beside(view("process-tree"));
        assert_eq!(stage.beside, [view("process-tree")]);
        stage.put_beside(view("pid-views"));
        assert_eq!(stage.visible().len(), 2, "the main view is not shown twice");
    }
}
