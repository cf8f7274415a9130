//! The columns of ss, as wide as what is in them; on a terminal they are spread over its width (`render_calc_width`).

/// A line: what is in each column, by its number.
pub(super) type Row = [String; COLUMNS.len()];

/// Heading, what stands before the column, and whether it is aligned to the right.
const COLUMNS: [(&str, &str, bool); 9] = [
    ("Netid", "", false),
    ("State", " ", false),
    ("Recv-Q", " ", false),
    ("Send-Q", " ", false),
    ("Local Address:", " ", true),
    ("Port", "", false),
    ("Peer Address:", " ", true),
    ("Port", "", false),
    ("Process", "", false),
];

/// How a table is shown.
pub(super) struct Layout {
    /// Leave the kind of socket out.
    pub no_kind: bool,
    /// Leave the state out.
    pub no_state: bool,
    /// Show headings.
    pub heading: bool,
    /// The width of the terminal; `None` when it is none.
    pub width: Option<usize>,
}

impl Layout {
    fn is_shown(&self, column: usize) -> bool {
        !(column == 0 && self.no_kind || column == 1 && self.no_state)
    }

    /// The table as text.
    pub(super) fn render(&self, rows: &[Row]) -> String {
        let mut all: Vec<Row> = Vec::new();
        if self.heading {
            all.push(COLUMNS.map(|(heading, ..)| heading.to_owned()));
        }
        all.extend(rows.iter().cloned());
        let longest = |column: usize| all.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let mut widths = [0; COLUMNS.len()];
        let mut delimiters = [""; COLUMNS.len()];
        let mut first = true;
        for column in (0..COLUMNS.len()).filter(|c| self.is_shown(*c)) {
            widths[column] = longest(column);
            if !first && widths[column] > 0 {
                delimiters[column] = COLUMNS[column].1;
                widths[column] += delimiters[column].len();
            }
            first &= widths[column] == 0;
        }
        if let Some(width) = self.width {
            spread(&mut widths, width);
        }
        let mut text = String::new();
        for row in &all {
            for column in (0..COLUMNS.len()).filter(|c| widths[*c] > 0) {
                let (cell, width) = (&row[column], widths[column] - delimiters[column].len());
                text.push_str(delimiters[column]);
                text.push_str(&if COLUMNS[column].2 { format!("{cell:>width$}") } else { format!("{cell:<width$}") });
            }
            text.push('\n');
        }
        text
    }
}

/// Gives the columns what is left of the width of the screen. What does not fit in it is not wrapped here.
fn spread(widths: &mut [usize], screen: usize) {
    let used: usize = widths.iter().sum();
    let shown = widths.iter().filter(|w| **w > 0).count();
    if used >= screen || shown == 0 {
        return;
    }
    let (each, mut rest) = ((screen - used) / shown, (screen - used) % shown);
    for width in widths.iter_mut().filter(|w| **w > 0) {
        *width += each + usize::from(rest > 0);
        rest = rest.saturating_sub(1);
    }
}
