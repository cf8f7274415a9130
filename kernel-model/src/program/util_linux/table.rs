//! Tables as libsmartcols prints them: columns as wide as their widest cell or header.

/// A column: its name, and on which side its cells stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TableColumn {
    /// Name, which is the header.
    pub name: &'static str,
    /// Cells stand to the right.
    pub right: bool,
}

/// How a table is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Style {
    /// Padded columns.
    #[default]
    Padded,
    /// One blank between cells, blanks in cells as `\x20`.
    Raw,
    /// `NAME="value"`.
    Pairs,
    /// JSON, the rows in a list of this name.
    Json(&'static str),
}

/// A table with its rows.
#[derive(Clone, Debug)]
pub struct Table {
    /// Columns, in order.
    pub columns: Vec<TableColumn>,
    /// Cells of each row.
    pub rows: Vec<Vec<String>>,
    /// Whether the headers are written. They count for the width of their column in any case.
    pub headings: bool,
    /// How it is written.
    pub style: Style,
}

impl Table {
    /// The text of the table.
    pub fn render(&self) -> String {
        match self.style {
            Style::Padded => self.padded(),
            Style::Raw => self.lines(|cells| {
                cells.iter().map(|c| c.replace(' ', "\\x20").replace('\n', "\\x0a")).collect::<Vec<_>>().join(" ")
            }),
            Style::Pairs => {
                let mut out = String::new();
                for row in &self.rows {
                    let pairs = self.columns.iter().zip(row).map(|(c, v)| format!("{}=\"{v}\"", c.name));
                    out.push_str(&pairs.collect::<Vec<_>>().join(" "));
                    out.push('\n');
                }
                out
            }
            Style::Json(name) => self.json(name),
        }
    }

    fn lines(&self, line: impl Fn(&[String]) -> String) -> String {
        let header: Vec<String> = self.columns.iter().map(|c| c.name.to_owned()).collect();
        let headers = self.headings.then_some(&header);
        let mut out = String::new();
        for cells in headers.into_iter().chain(&self.rows) {
            out.push_str(&line(cells));
            out.push('\n');
        }
        out
    }

    fn padded(&self) -> String {
        let width = |i: usize| {
            let cells = self.rows.iter().filter_map(|r| r.get(i)).map(|c| c.chars().count());
            cells.chain([self.columns[i].name.len()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        self.lines(|cells| {
            let mut line = String::new();
            for (i, ((cell, column), width)) in cells.iter().zip(&self.columns).zip(&widths).enumerate() {
                let blanks = " ".repeat(width.saturating_sub(cell.chars().count()));
                let is_last = i + 1 == self.columns.len();
                if i > 0 {
                    line.push(' ');
                }
                if column.right {
                    line.push_str(&blanks);
                }
                line.push_str(cell);
                if !column.right && !is_last {
                    line.push_str(&blanks);
                }
            }
            line
        })
    }

    fn json(&self, name: &str) -> String {
        let row = |row: &Vec<String>| {
            let fields = self.columns.iter().zip(row).map(|(c, v)| {
                let value = match v.as_str() {
                    "" => "null".to_owned(),
                    v if c.right && v.parse::<i64>().is_ok() => v.to_owned(),
                    v => format!("\"{}\"", v.replace('\\', "\\\\").replace('"', "\\\"")),
                };
                format!("         \"{}\": {value}", c.name.to_lowercase())
            });
            format!("{{\n{}\n      }}", fields.collect::<Vec<_>>().join(",\n"))
        };
        let rows: Vec<String> = self.rows.iter().map(row).collect();
        format!("{{\n   \"{name}\": [\n      {}\n   ]\n}}\n", rows.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let table = Table {
            columns: vec![TableColumn { name: "TARGET", right: false }, TableColumn { name: "N", right: true }],
            rows: vec![vec!["/a".into(), "10".into()], vec!["/long/one".into(), "7".into()]],
            headings: true,
            style: Style::Padded,
        };
        assert_eq!(table.render(), "TARGET     N\n/a        10\n/long/one  7\n");
        let bare = Table { headings: false, rows: vec![vec!["/a".into(), "1".into()]], ..table };
        assert_eq!(bare.render(), "/a     1\n");
    }
}
