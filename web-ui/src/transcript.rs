//! What a terminal shows: the output of a part of the history, read off its events.
//!
//! A transcript covers a range of events that ends near the cursor. It grows with the history and is read
//! anew from the events when the cursor jumps; it never holds more than a screenful needs, so that neither
//! an endless `yes` nor a session of a week makes it large.

use std::collections::VecDeque;

use kernel_model::console::ConsoleId;
use kernel_model::event::EventKind;
use kernel_model::projection::prompt::Prompt;
use kernel_model::pv_ops::PvOps;
use kernel_model::timeline::Timeline;

/// Most events that are read in one go.
const REACH: u64 = 4096;
/// Most events that are read in one go while the history grows.
const HASTY_REACH: u64 = 256;
/// Events that are read where an action begins, however much is passed over: they tell what was typed.
const BEGINNING: u64 = 64;
/// How far back what was passed over is read once the history is calm, in events.
const FARTHEST: u64 = 64 * REACH;
/// Most bytes of output that are kept.
const MAX_BYTES: usize = 256 << 10;
/// Most lines that are shown.
pub const MAX_LINES: usize = 500;
/// Longest line that is shown whole, in characters.
const MAX_COLUMNS: usize = 4000;

/// A line of a terminal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// Number of the event from which it comes; a key for the list.
    pub event: u64,
    /// Which line of that event.
    pub part: u32,
    /// The prompt, when this is a line that was typed.
    pub prompt: Option<Prompt>,
    /// The text.
    pub text: String,
}

/// Something that reached a console.
struct Entry {
    event: u64,
    console: ConsoleId,
    what: What,
}

enum What {
    Typed(Option<Prompt>, String),
    Printed(String),
    Interrupted,
}

/// The output of a range of the history.
#[derive(Default)]
pub struct Transcript {
    entries: VecDeque<Entry>,
    bytes: usize,
    /// The first event of the range.
    first: u64,
    /// The event after the range.
    end: u64,
    /// Events inside the range that were passed over in a hurry.
    hole: Option<(u64, u64)>,
}

impl Transcript {
    /// Forgets everything: the history is another one now.
    pub fn clear(&mut self) {
        *self = Transcript::default();
    }

    /// Forgets what came at or after this event: the history is another one from there on.
    pub fn cut(&mut self, event: u64) {
        while self.entries.back().is_some_and(|e| e.event >= event) {
            if let Some(entry) = self.entries.pop_back() {
                self.bytes -= entry.what.len();
            }
        }
        self.end = self.end.min(event);
        self.first = self.first.min(event);
        self.hole = self.hole.filter(|(start, _)| *start < event).map(|(start, end)| (start, end.min(event)));
    }

    /// Makes the range reach up to the cursor. The cursor stays where it is. While the history grows (it is
    /// not `calm`) only a little is read at a time.
    pub fn follow<M: PvOps + Clone + 'static>(&mut self, timeline: &mut Timeline<M>, calm: bool) {
        let at = timeline.position();
        let reach = if calm { REACH } else { HASTY_REACH };
        let floor = at.saturating_sub(reach);
        if at < self.first {
            *self = Transcript { first: floor, end: floor, ..Transcript::default() };
        }
        if at < self.end && floor < self.first && self.kept_before(at) == 0 {
            // Nothing was printed in what is there of the range: what came before it is still to be seen.
            let entries = read(timeline, floor, self.first).0;
            self.first = floor;
            self.bytes += entries.iter().map(|entry| entry.what.len()).sum::<usize>();
            entries.into_iter().rev().for_each(|entry| self.entries.push_front(entry));
            timeline.seek(at);
        }
        if let Some((start, end)) = self.hole.filter(|(start, end)| calm && at > *start && floor < *end) {
            self.cut(start.max(floor));
            self.hole = (floor > start).then_some((start, floor.min(end)));
        }
        if at > self.end + reach {
            let start = self.hole.map_or(self.end, |(start, _)| start);
            let starts = timeline.action_starts().iter().copied();
            let begun: Vec<u64> = starts.filter(|at| at + BEGINNING > self.end && *at < floor).collect();
            for at in begun {
                // Part of it may have been read before.
                self.end = self.end.max(at);
                self.read(timeline, floor.min(at + BEGINNING));
            }
            self.hole = Some((start, floor));
            self.end = floor;
        }
        if at > self.end {
            self.read(timeline, at);
            timeline.seek(at);
        }
        if calm && self.is_behind() {
            self.fill(timeline);
            timeline.seek(at);
        }
    }

    /// Whether something that a screen would show was passed over, and is read when it is followed again.
    pub fn is_behind(&self) -> bool {
        let Some((_, end)) = self.hole else { return false };
        let lines = |entry: &Entry| entry.what.lines();
        self.end - end < FARTHEST
            && self.entries.iter().rev().take_while(|e| e.event >= end).map(lines).sum::<usize>() < MAX_LINES
    }

    /// Reads the end of what was passed over.
    fn fill<M: PvOps + Clone + 'static>(&mut self, timeline: &mut Timeline<M>) {
        let Some((start, end)) = self.hole else { return };
        let from = end.saturating_sub(REACH).max(start);
        let entries = read(timeline, from, end).0;
        let later = self.entries.split_off(self.entries.partition_point(|e| e.event < end));
        // What was typed there has been read before.
        self.entries.truncate(self.entries.partition_point(|e| e.event < from));
        self.entries.extend(entries);
        self.entries.extend(later);
        self.bytes = self.entries.iter().map(|entry| entry.what.len()).sum();
        self.hole = (from > start).then_some((start, from));
    }

    fn kept_before(&self, event: u64) -> usize {
        if self.first == 0 { usize::MAX } else { self.entries.iter().take_while(|e| e.event < event).count() }
    }

    fn read<M: PvOps + Clone + 'static>(&mut self, timeline: &mut Timeline<M>, to: u64) {
        let (entries, end) = read(timeline, self.end, to);
        // What is not there yet is read the next time.
        self.end = end;
        self.bytes += entries.iter().map(|entry| entry.what.len()).sum::<usize>();
        self.entries.extend(entries);
        while self.bytes > MAX_BYTES && self.entries.len() > 1 {
            if let Some(entry) = self.entries.pop_front() {
                self.bytes -= entry.what.len();
                self.first = entry.event + 1;
            }
        }
    }

    /// The last lines of a console before `cursor`, and whether there is (or may be) more before them.
    pub fn lines(&self, console: ConsoleId, cursor: u64) -> (Vec<Line>, bool) {
        let mut lines: Vec<Line> = Vec::new();
        let mut open = false;
        // Where on the last line the cursor stands.
        let mut column = 0;
        for entry in self.entries.iter().filter(|e| e.console == console && e.event < cursor) {
            let mut part = 0;
            let mut push = |prompt, text: &str, lines: &mut Vec<Line>| {
                lines.push(Line { event: entry.event, part, prompt, text: shortened(text) });
                part += 1;
            };
            match &entry.what {
                What::Typed(prompt, text) => {
                    for (i, line) in text.split('\n').enumerate() {
                        let prompt =
                            if i == 0 { prompt.clone() } else { Some(Prompt { place: String::new(), sign: '>' }) };
                        push(prompt, line, &mut lines);
                    }
                    open = false;
                }
                What::Interrupted => {
                    push(None, "^C", &mut lines);
                    open = false;
                }
                What::Printed(text) => {
                    for (i, line) in text.split_inclusive('\n').enumerate() {
                        let (line, whole) = line.strip_suffix('\n').map_or((line, false), |l| (l, true));
                        match lines.last_mut() {
                            Some(last) if i == 0 && open && last.prompt.is_none() => {
                                if last.text.len() < MAX_COLUMNS {
                                    typeset(&mut last.text, &mut column, line);
                                }
                            }
                            _ => {
                                let mut text = String::new();
                                column = 0;
                                typeset(&mut text, &mut column, line);
                                push(None, &text, &mut lines);
                            }
                        }
                        open = !whole;
                    }
                }
            }
        }
        let cut = lines.len().saturating_sub(MAX_LINES);
        (lines.split_off(cut), cut > 0 || self.first > 0)
    }
}

/// What reached consoles in a part of the history, and how far that part is there. The cursor moves.
fn read<M: PvOps + Clone + 'static>(timeline: &mut Timeline<M>, from: u64, to: u64) -> (Vec<Entry>, u64) {
    let events = timeline.events_in(from, (to - from) as usize);
    let end = from + events.len() as u64;
    let mut entries = Vec::new();
    for (event, number) in events.into_iter().zip(from..) {
        let (console, what) = match event.kind {
            EventKind::CommandBegan { console, text } => {
                timeline.seek(number + 1);
                (console, What::Typed(Prompt::of(timeline.world(), console), text.to_string()))
            }
            EventKind::Output { console, bytes } => {
                (console, What::Printed(String::from_utf8_lossy(&bytes).into_owned()))
            }
            EventKind::Interrupted { console } => (console, What::Interrupted),
            _ => continue,
        };
        entries.push(Entry { event: number, console, what });
    }
    (entries, end)
}

impl What {
    /// How many lines it ends.
    fn lines(&self) -> usize {
        match self {
            What::Typed(..) | What::Interrupted => 1,
            What::Printed(text) => text.bytes().filter(|byte| *byte == b'\n').count(),
        }
    }

    fn len(&self) -> usize {
        match self {
            What::Typed(_, text) | What::Printed(text) => text.len() + 32,
            What::Interrupted => 32,
        }
    }
}

/// The text without control characters and, if it is very long, without its end.
fn shortened(text: &str) -> String {
    let clean = |c: char| if c.is_control() && c != '\t' { '\u{fffd}' } else { c };
    let mut line: String = text.chars().take(MAX_COLUMNS).map(clean).collect();
    if line.len() < text.len() && text.chars().nth(MAX_COLUMNS).is_some() {
        line.push_str(" …");
    }
    line
}

/// Puts text where the cursor stands, as terminals do: a carriage return takes it to the beginning of the line, a
/// backspace one place back; what is there is overwritten.
fn typeset(line: &mut String, column: &mut usize, text: &str) {
    if !text.contains(['\r', '\u{8}']) && *column >= line.chars().count() {
        line.push_str(text);
        *column += text.chars().count();
        return;
    }
    let mut places: Vec<char> = line.chars().collect();
    for c in text.chars() {
        match c {
            '\r' => *column = 0,
            '\u{8}' => *column = column.saturating_sub(1),
            _ => {
                match places.get_mut(*column) {
                    Some(place) => *place = c,
                    None => places.push(c),
                }
                *column += 1;
            }
        }
    }
    *line = places.into_iter().collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carriage_returns_and_backspaces_move_the_cursor() {
        let mut line = String::new();
        let mut column = 0;
        for text in ["ab", "\u{8} \u{8}", "c", "\r"] {
            typeset(&mut line, &mut column, text);
        }
        assert_eq!((line.as_str(), column), ("ac", 0));
        typeset(&mut line, &mut column, "x");
        assert_eq!(line, "xc");
    }
}
