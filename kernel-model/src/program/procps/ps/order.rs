//! In which order ps shows processes: as they are, sorted, or below their parents.

use std::cmp::Ordering;

use super::super::process::Process;
use super::columns::{Column, Context};

/// How the shape of a forest is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Forest {
    /// `f` and `--forest`: with lines. Whatever init has adopted stands as far left as init itself.
    Drawn,
    /// `-H`: by blanks.
    Indented,
}

/// A column to sort by.
pub struct SortKey {
    column: Column,
    is_descending: bool,
}

impl SortKey {
    /// Reads `[+|-]NAME`.
    pub fn parse(text: &str) -> Option<SortKey> {
        let is_descending = text.starts_with('-');
        let column = Column::named(text.strip_prefix(['+', '-']).unwrap_or(text))?;
        Some(SortKey { column, is_descending })
    }

    fn compare(&self, a: &Process, b: &Process, context: &Context) -> Ordering {
        let order = match (self.column.number(a, context), self.column.number(b, context)) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => self.column.plain(a, context).cmp(&self.column.plain(b, context)),
        };
        if self.is_descending { order.reverse() } else { order }
    }
}

/// Sorts by the first of `keys`, those that are equal there by the next one.
pub fn sort(processes: &mut [Process], keys: &[SortKey], context: &Context) {
    let by = |a: &Process, b: &Process| {
        keys.iter().map(|key| key.compare(a, b, context)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    };
    processes.sort_by(by);
}

/// Puts every process below its parent, with what stands before its name. Siblings are in the order of their birth,
/// unless they were sorted already (procps: `show_forest`).
pub fn forest(mut processes: Vec<Process>, shape: Forest, is_sorted: bool) -> Vec<(String, Process)> {
    if !is_sorted {
        processes.sort_by_key(|p| p.start_time);
    }
    processes.sort_by_key(|p| p.ppid);
    let mut forest = Grown { processes: &processes, shape, lines: Vec::new() };
    for root in (0..processes.len()).rev() {
        let parent = processes[root].ppid;
        if !processes.iter().any(|p| p.pid == parent) {
            forest.grow(root, &mut Vec::new(), false);
        }
    }
    forest.lines
}

struct Grown<'a> {
    processes: &'a [Process],
    shape: Forest,
    lines: Vec<(String, Process)>,
}

impl Grown<'_> {
    /// Adds a process and all below it. `above` says for each level to the left whether more siblings come there.
    fn grow(&mut self, at: usize, above: &mut Vec<bool>, has_sibling: bool) {
        let own = &self.processes[at];
        self.lines.push((self.branch(above), own.clone()));
        let children: Vec<usize> =
            (0..self.processes.len()).filter(|i| self.processes[*i].ppid == own.pid && *i != at).collect();
        if let Some(level) = above.last_mut() {
            *level = has_sibling;
        }
        let is_init = own.pid == 1 && self.shape == Forest::Drawn;
        for (i, child) in children.iter().enumerate() {
            let more = i + 1 < children.len();
            if is_init {
                self.grow(*child, &mut above.clone(), more);
            } else {
                above.push(false);
                self.grow(*child, above, more);
                above.pop();
            }
        }
    }

    fn branch(&self, above: &[bool]) -> String {
        let Some((_, left)) = above.split_last() else { return String::new() };
        match self.shape {
            Forest::Indented => "  ".repeat(above.len()),
            Forest::Drawn => {
                let lines: String = left.iter().map(|more| if *more { " |  " } else { "    " }).collect();
                lines + " \\_ "
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: i32, ppid: i32) -> Process {
        Process { pid, tid: pid, ppid, start_time: pid as u64, ..Process::default() }
    }

    fn drawn(shape: Forest) -> Vec<String> {
        let all = vec![process(1, 0), process(5, 1), process(6, 5), process(7, 6), process(8, 5), process(9, 1)];
        forest(all, shape, false).into_iter().map(|(branch, p)| format!("{branch}{}", p.pid)).collect()
    }

    #[test]
    fn a_forest_has_lines_to_the_next_sibling() {
        assert_eq!(drawn(Forest::Drawn), ["1", "5", r" \_ 6", r" |   \_ 7", r" \_ 8", "9"]);
    }

    #[test]
    fn the_unix_forest_is_indented_below_init_too() {
        assert_eq!(drawn(Forest::Indented), ["1", "  5", "    6", "      7", "    8", "  9"]);
    }
}
