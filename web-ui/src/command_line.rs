//! What is typed at the terminal and not yet sent: a draft, the lines typed before, and completions.

use kernel_model::shell::{Complete, Completion, is_complete};
use kernel_model::timeline::Direction;

/// Most lines that are remembered.
const MAX_LINES: usize = 500;
/// Most bytes of them that are kept when the page is closed.
const MAX_KEPT: usize = 64 << 10;

/// A command line.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CommandLine {
    /// What is typed.
    pub draft: String,
    /// Lines typed before, oldest first.
    history: Vec<String>,
    /// The line of the history that the draft shows.
    recalled: Option<usize>,
    /// What could stand at the cursor.
    pub candidates: Vec<String>,
}

impl CommandLine {
    /// Something else is in the field.
    pub fn typed(&mut self, text: String) {
        self.draft = text;
        self.recalled = None;
        self.candidates.clear();
    }

    /// Takes the draft and remembers it.
    pub fn take(&mut self) -> String {
        let text = std::mem::take(&mut self.draft);
        self.typed(String::new());
        self.remember(&text);
        text
    }

    /// Takes the commands of the draft that are complete, as when several lines were pasted; the unfinished rest
    /// stays when there is one. A draft that cannot be cut is taken whole, so that the shell says what is wrong.
    pub fn take_commands(&mut self) -> Vec<String> {
        let text = std::mem::take(&mut self.draft);
        self.typed(String::new());
        let (mut commands, mut open) = (Vec::new(), String::new());
        for line in text.split('\n') {
            if !open.is_empty() {
                open.push('\n');
            }
            open += line;
            if is_complete(&open) != Complete::Incomplete {
                commands.push(std::mem::take(&mut open));
            }
        }
        if !open.is_empty() {
            commands.push(open);
        }
        // Empty lines between commands say nothing; an empty line alone is one that was typed.
        if commands.len() > 1 {
            commands.retain(|command| !command.trim().is_empty());
        }
        commands.iter().for_each(|command| self.remember(command));
        commands
    }

    fn remember(&mut self, text: &str) {
        if !text.trim().is_empty() && self.history.last().is_none_or(|last| last != text) {
            self.history.push(text.to_owned());
            let surplus = self.history.len().saturating_sub(MAX_LINES);
            self.history.drain(..surplus);
        }
    }

    /// Shows an older or newer line of the history.
    pub fn recall(&mut self, direction: Direction) {
        let last = self.history.len();
        let at = self.recalled.unwrap_or(last);
        let to = match direction {
            Direction::Back => at.checked_sub(1),
            Direction::Forward => Some(at + 1),
        };
        let Some(to) = to else { return };
        self.draft = self.history.get(to).cloned().unwrap_or_default();
        self.recalled = (to < last).then_some(to);
    }

    /// Completes the word before the cursor as far as all candidates agree.
    pub fn complete(&mut self, completion: Completion, cursor: usize) {
        let Some(first) = completion.candidates.first() else {
            self.candidates = Vec::new();
            return;
        };
        let mut agreed = first.as_str();
        for other in &completion.candidates {
            let same = agreed.char_indices().zip(other.chars()).find(|((_, a), b)| a != b);
            agreed = &agreed[..same.map_or(agreed.len().min(other.len()), |((at, _), _)| at)];
        }
        let (Some(before), Some(after)) = (self.draft.get(..completion.start), self.draft.get(cursor..)) else {
            return;
        };
        let alone = completion.candidates.len() == 1;
        let space = if alone && !agreed.ends_with('/') && after.is_empty() { " " } else { "" };
        self.draft = format!("{before}{agreed}{space}{after}");
        self.candidates = if alone { Vec::new() } else { completion.candidates };
    }

    /// The history as it is kept when the page is closed: a line each, newest last, newlines inside as `\n`.
    pub fn to_keep(&self) -> String {
        let mut size = 0;
        let lines = self.history.iter().rev().map(|line| line.replace('\\', "\\\\").replace('\n', "\\n"));
        let mut kept: Vec<String> = lines
            .take_while(|line| {
                size += line.len() + 1;
                size <= MAX_KEPT
            })
            .collect();
        kept.reverse();
        kept.join("\n")
    }

    /// The history that was kept.
    pub fn recall_kept(&mut self, kept: &str) {
        for line in kept.lines().filter(|line| !line.is_empty()) {
            let mut text = String::new();
            let mut chars = line.chars();
            while let Some(c) = chars.next() {
                match c {
                    '\\' => text.extend(chars.next().map(|c| if c == 'n' { '\n' } else { c })),
                    c => text.push(c),
                }
            }
            self.remember(&text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> CommandLine {
        CommandLine { draft: text.to_owned(), ..CommandLine::default() }
    }

    #[test]
    fn pasted_lines_are_cut_where_a_command_ends() {
        let pasted = "hostname\n\nfor i in 1 2\ndo echo $i\ndone\ncat <<END\na\nEND\n";
        assert_eq!(line(pasted).take_commands(), ["hostname", "for i in 1 2\ndo echo $i\ndone", "cat <<END\na\nEND"]);
        assert_eq!(line("").take_commands(), [""]);
        assert_eq!(line("echo 'open").take_commands(), ["echo 'open"]);
    }

    #[test]
    fn the_history_is_walked_and_ends_in_an_empty_line() {
        let mut typed = line("one");
        typed.take();
        typed.typed("two".to_owned());
        typed.take();
        typed.recall(Direction::Back);
        typed.recall(Direction::Back);
        typed.recall(Direction::Back);
        assert_eq!(typed.draft, "one");
        typed.recall(Direction::Forward);
        assert_eq!(typed.draft, "two");
        typed.recall(Direction::Forward);
        assert_eq!(typed.draft, "");
    }

    #[test]
    fn the_history_comes_back_as_it_was_kept() {
        let mut typed = line("printf 'a\\nb'\nsecond line");
        typed.take();
        let mut again = CommandLine::default();
        again.recall_kept(&typed.to_keep());
        again.recall(Direction::Back);
        assert_eq!(again.draft, "printf 'a\\nb'\nsecond line");
    }
}
