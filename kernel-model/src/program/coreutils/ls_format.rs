//! How ls(1) shows what it has found.

use super::ls::Names;
use crate::program::Sys;
use crate::program::accounts::Accounts;
use crate::program::calendar::strftime;
use crate::program::filemode::mode_string;
use crate::program::getopt::Options;
use crate::program::human::{human, human_si};
use crate::program::libc::{Stat, major, minor, s};
use crate::program::quote::quote;

/// A file in the list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    /// `None` when it was not needed or could not be had.
    pub(super) stat: Option<Stat>,
    pub(super) ino: u64,
    pub(super) d_type: u8,
    /// Where a symbolic link points.
    pub(super) target: Option<String>,
    /// The mode of what it points to.
    pub(super) target_mode: Option<u32>,
    /// Its label, if that is to be shown and there is one.
    pub(super) label: Option<String>,
}

impl Entry {
    pub(super) fn file_type(&self) -> u32 {
        self.stat.as_ref().map_or(u32::from(self.d_type) << 12, Stat::file_type)
    }

    pub(super) fn is_dir(&self) -> bool {
        self.file_type() == s::IFDIR
    }

    pub(super) fn size(&self) -> u64 {
        self.stat.as_ref().map_or(0, |s| s.st_size)
    }

    fn is_device(&self) -> bool {
        matches!(self.file_type(), s::IFCHR | s::IFBLK)
    }
}

/// The arrangement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Look {
    OnePerLine,
    Columns,
    Rows,
    Commas,
    Long,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sizes {
    Plain,
    Human,
    Si,
}

/// How the list is to look.
pub(super) struct Style {
    pub(super) look: Look,
    /// Labels are shown.
    pub(super) context: bool,
    time: char,
    time_style: String,
    now: u64,
    inode: bool,
    blocks: bool,
    sizes: Sizes,
    numeric: bool,
    owner: bool,
    group: bool,
    /// 'F', '=' (file types), 'p' or none.
    indicator: Option<char>,
    quoting: Option<char>,
    width: usize,
    accounts: Names,
    /// busybox' columns have fixed widths.
    busybox: bool,
}

/// Half of an average year: what is older shows its year instead of the time of day.
const HALF_YEAR: u64 = 31_556_952 / 2;

impl Style {
    pub(super) async fn new(sys: &Sys, options: &Options, look: Look, time: char) -> Result<Style, i32> {
        let time_style = match options.value(',') {
            _ if options.last_of("+,") == Some('+') => "full-iso",
            Some(style) => style,
            None => "locale",
        };
        if !time_style.starts_with('+') && !matches!(time_style, "full-iso" | "long-iso" | "iso" | "locale") {
            sys.error(format!("invalid argument {} for 'time style'", quote(time_style))).await;
            sys.try_help().await;
            return Err(2);
        }
        let width = options.value('w').or_else(|| sys.env("COLUMNS")).unwrap_or("80");
        let Ok(width) = width.parse() else {
            sys.error(format!("invalid line width: {}", quote(width))).await;
            return Err(2);
        };
        let now = if look == Look::Long { sys.clock_gettime(0).await.unwrap_or(0) } else { 0 };
        Ok(Style {
            look,
            context: options.has('Z'),
            time,
            time_style: time_style.to_owned(),
            now,
            inode: options.has('i'),
            blocks: options.has('s'),
            sizes: match options.last_of("h%k") {
                Some('h') => Sizes::Human,
                Some('%') => Sizes::Si,
                _ => Sizes::Plain,
            },
            numeric: options.has('n'),
            owner: !options.has('g'),
            group: options.last_of("oG").is_none(),
            indicator: options.last_of("Fp="),
            quoting: options.last_of("QNq"),
            width: if width == 0 { usize::MAX } else { width },
            accounts: None,
            busybox: sys.is_busybox(),
        })
    }

    pub(super) fn needs_accounts(&self) -> bool {
        self.look == Look::Long && !self.numeric && (self.owner || self.group) && self.accounts.is_none()
    }

    pub(super) fn set_accounts(&mut self, accounts: Accounts) {
        self.accounts = Some(accounts);
    }

    pub(super) fn classify(&self) -> bool {
        self.indicator.is_some()
    }

    pub(super) fn shows_total(&self) -> bool {
        self.look == Look::Long || self.blocks
    }

    /// The time that is shown and sorted by.
    pub(super) fn time_of(&self, entry: &Entry) -> u64 {
        entry.stat.as_ref().map_or(0, |s| match self.time {
            'u' => s.st_atime,
            'c' => s.st_ctime,
            _ => s.st_mtime,
        })
    }

    pub(super) fn total(&self, entries: &[Entry]) -> String {
        let blocks = entries.iter().filter_map(|e| e.stat.as_ref()).map(|s| s.st_blocks).sum();
        format!("total {}\n", self.allocated(blocks))
    }

    /// Blocks of 512 bytes, shown in units of 1024.
    fn allocated(&self, blocks: u64) -> String {
        match self.sizes {
            Sizes::Plain => blocks.div_ceil(2).to_string(),
            _ => self.size(blocks.saturating_mul(512)),
        }
    }

    fn size(&self, bytes: u64) -> String {
        match self.sizes {
            Sizes::Plain => bytes.to_string(),
            Sizes::Human => human(bytes),
            Sizes::Si => human_si(bytes),
        }
    }

    fn shown(&self, name: &str) -> String {
        match self.quoting {
            Some('Q') => format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")),
            Some('q') => name.chars().map(|c| if c.is_control() { '?' } else { c }).collect(),
            _ => name.to_owned(),
        }
    }

    fn suffix(&self, mode: u32) -> &'static str {
        match (self.indicator, mode & s::IFMT) {
            (None, _) => "",
            (_, s::IFDIR) => "/",
            (Some('p'), _) => "",
            (_, s::IFLNK) => "@",
            (_, s::IFIFO) => "|",
            (_, s::IFSOCK) => "=",
            (Some('F'), s::IFREG) if mode & 0o111 != 0 => "*",
            _ => "",
        }
    }

    fn mode_of(entry: &Entry) -> u32 {
        entry.stat.as_ref().map_or(entry.file_type(), |s| s.st_mode)
    }

    pub(super) fn render(&self, entries: &[Entry], others: &[Entry]) -> String {
        match self.look {
            Look::Long => self.long(entries, others),
            Look::OnePerLine => self.cells(entries, true).iter().map(|c| format!("{c}\n")).collect(),
            Look::Columns => self.columns(&self.cells(entries, true), true),
            Look::Rows => self.columns(&self.cells(entries, true), false),
            Look::Commas => self.commas(&self.cells(entries, false)),
        }
    }

    /// Names with what stands before and after them.
    fn cells(&self, entries: &[Entry], align: bool) -> Vec<String> {
        let inodes: Vec<String> = entries.iter().map(|e| self.inode_of(e)).collect();
        let blocks: Vec<String> = entries.iter().map(|e| self.blocks_of(e)).collect();
        let widest = |all: &[String]| if align { all.iter().map(String::len).max().unwrap_or(0) } else { 0 };
        let (inode_width, block_width) = (widest(&inodes), widest(&blocks));
        let labels: Vec<String> = entries.iter().map(|e| e.label.clone().unwrap_or_default()).collect();
        let label_width = widest(&labels);
        let cell = |((e, inode), blocks): ((&Entry, &String), &String)| {
            let mut out = String::new();
            if self.inode {
                out += &format!("{inode:>inode_width$} ");
            }
            if self.blocks {
                out += &format!("{blocks:>block_width$} ");
            }
            if self.context {
                out += &format!("{:<label_width$} ", e.label.as_deref().unwrap_or("?"));
            }
            out + &self.shown(&e.name) + self.suffix(Style::mode_of(e))
        };
        entries.iter().zip(&inodes).zip(&blocks).map(cell).collect()
    }

    fn inode_of(&self, entry: &Entry) -> String {
        let ino = entry.stat.as_ref().map_or(entry.ino, |s| s.st_ino);
        if ino == 0 { "?".into() } else { ino.to_string() }
    }

    fn blocks_of(&self, entry: &Entry) -> String {
        entry.stat.as_ref().map_or_else(|| "?".into(), |s| self.allocated(s.st_blocks))
    }

    fn commas(&self, cells: &[String]) -> String {
        let (mut out, mut at) = (String::new(), 0);
        for (i, cell) in cells.iter().enumerate() {
            let length = cell.chars().count();
            if i > 0 {
                let fits = at + length + 2 < self.width;
                out += if fits { ", " } else { ",\n" };
                at = if fits { at + 2 } else { 0 };
            }
            out += cell;
            at += length;
        }
        out + "\n"
    }

    /// As many columns as the width allows, filled downwards or along the rows, with tabs between.
    fn columns(&self, cells: &[String], downwards: bool) -> String {
        if cells.is_empty() {
            return String::new();
        }
        let lengths: Vec<usize> = cells.iter().map(|c| c.chars().count()).collect();
        let most = (self.width / 3).max(1).min(cells.len());
        let place = |i: usize, columns: usize| {
            if downwards { i / cells.len().div_ceil(columns) } else { i % columns }
        };
        let widths_of = |columns: usize| {
            let mut widths = vec![3; columns];
            for (i, length) in lengths.iter().enumerate() {
                let column = place(i, columns);
                let gap = if column == columns - 1 { 0 } else { 2 };
                widths[column] = widths[column].max(length + gap);
            }
            widths
        };
        let widths = (1..=most)
            .rev()
            .map(widths_of)
            .find(|w| w.len() == 1 || w.iter().sum::<usize>() < self.width)
            .unwrap_or_else(|| vec![3]);
        let columns = widths.len();
        let rows = cells.len().div_ceil(columns);
        let mut out = String::new();
        for row in 0..rows {
            let (mut at, mut column_start) = (0, 0);
            for (column, width) in widths.iter().enumerate() {
                let i = if downwards { column * rows + row } else { row * columns + column };
                let (Some(cell), Some(length)) = (cells.get(i), lengths.get(i)) else { break };
                indent(&mut out, at, column_start);
                out += cell;
                at = column_start + length;
                column_start += width;
            }
            out.push('\n');
        }
        out
    }

    fn long(&self, entries: &[Entry], others: &[Entry]) -> String {
        let all: Vec<Entry> = entries.iter().chain(others).cloned().collect();
        let rows: Vec<Vec<String>> = all.iter().map(|e| self.long_row(e, &all)).collect();
        let width = |column: usize| rows.iter().filter_map(|r| r.get(column)).map(|c| c.chars().count()).max();
        let mut out = String::new();
        for (row, entry) in rows.iter().zip(entries) {
            if self.busybox {
                out += &self.busybox_columns(entry);
            }
            for (column, cell) in row.iter().enumerate().filter(|_| !self.busybox) {
                let fill = " ".repeat(width(column).unwrap_or(0).saturating_sub(cell.chars().count()));
                out += &if self.is_left_aligned(column) { format!("{cell}{fill} ") } else { format!("{fill}{cell} ") };
            }
            out += &self.shown(&entry.name);
            match &entry.target {
                Some(target) => {
                    out += &format!(" -> {}", self.shown(target));
                    out += entry.target_mode.map_or("", |m| self.suffix(m));
                }
                None => out += self.suffix(Style::mode_of(entry)),
            }
            out.push('\n');
        }
        out
    }

    /// The columns before the name as busybox shows them (`display_single`).
    fn busybox_columns(&self, entry: &Entry) -> String {
        let Some(stat) = &entry.stat else { return String::new() };
        let mut out = String::new();
        if self.inode {
            out += &format!("{:>7} ", stat.st_ino);
        }
        if self.blocks {
            out += &format!("{:>6} ", self.allocated(stat.st_blocks));
        }
        out += &format!("{:<10} {:>4} ", mode_string(stat.st_mode), stat.st_nlink);
        let accounts = self.accounts.as_ref();
        if self.owner {
            let name = accounts.map_or_else(|| stat.st_uid.to_string(), |a| a.user_name(stat.st_uid));
            out += &format!("{name:<8.8} ");
        }
        if self.group {
            let name = accounts.map_or_else(|| stat.st_gid.to_string(), |a| a.group_name(stat.st_gid));
            out += &format!("{name:<8.8} ");
        }
        out += &match entry.is_device() {
            true => format!("{:>4}, {:>3} ", major(stat.st_rdev), minor(stat.st_rdev)),
            false => format!("{:>9} ", self.size(stat.st_size)),
        };
        out + &self.time_text(self.time_of(entry)) + " "
    }

    fn is_left_aligned(&self, column: usize) -> bool {
        let column = column.wrapping_sub(usize::from(self.inode) + usize::from(self.blocks));
        let names = usize::from(self.owner) + usize::from(self.group);
        let is_label = self.context && column == 2 + names;
        column == 0 || is_label || (!self.numeric && (2..2 + names).contains(&column))
    }

    /// The columns before the name.
    fn long_row(&self, entry: &Entry, all: &[Entry]) -> Vec<String> {
        let mut row = Vec::new();
        if self.inode {
            row.push(self.inode_of(entry));
        }
        if self.blocks {
            row.push(self.blocks_of(entry));
        }
        let Some(stat) = &entry.stat else {
            row.push(format!("{}?????????", mode_string(entry.file_type()).chars().next().unwrap_or('?')));
            let names = usize::from(self.owner) + usize::from(self.group);
            row.extend(std::iter::repeat_n("?".to_owned(), 3 + names));
            return row;
        };
        row.push(mode_string(stat.st_mode));
        row.push(stat.st_nlink.to_string());
        let accounts = self.accounts.as_ref();
        if self.owner {
            row.push(accounts.map_or_else(|| stat.st_uid.to_string(), |a| a.user_name(stat.st_uid)));
        }
        if self.group {
            row.push(accounts.map_or_else(|| stat.st_gid.to_string(), |a| a.group_name(stat.st_gid)));
        }
        if self.context {
            row.push(entry.label.clone().unwrap_or_else(|| "?".to_owned()));
        }
        row.push(if entry.is_device() { device_number(stat.st_rdev, all) } else { self.size(stat.st_size) });
        row.push(self.time_text(self.time_of(entry)));
        row
    }

    fn time_text(&self, nanoseconds: u64) -> String {
        let (seconds, rest) = (nanoseconds / 1_000_000_000, (nanoseconds % 1_000_000_000) as u32);
        let recent = nanoseconds <= self.now && seconds + HALF_YEAR > self.now / 1_000_000_000;
        let format = match (self.time_style.as_str(), recent) {
            ("full-iso", _) => "%Y-%m-%d %H:%M:%S.%N %z",
            ("long-iso", _) => "%Y-%m-%d %H:%M",
            ("iso", true) => "%m-%d %H:%M",
            ("iso", false) => "%Y-%m-%d ",
            ("locale", true) => "%b %e %H:%M",
            ("locale", false) => "%b %e  %Y",
            (custom, recent) => {
                let mut formats = custom.trim_start_matches('+').split('\n');
                let old = formats.next().unwrap_or_default();
                if recent { formats.next().unwrap_or(old) } else { old }
            }
        };
        strftime(format, seconds as i64, rest)
    }
}

/// Major and minor number, minor numbers below each other.
fn device_number(rdev: u64, all: &[Entry]) -> String {
    let devices = all.iter().filter(|e| e.is_device()).filter_map(|e| e.stat.as_ref());
    let width = devices.map(|s| minor(s.st_rdev).to_string().len()).max().unwrap_or(0);
    format!("{}, {:>width$}", major(rdev), minor(rdev))
}

/// Moves from one column to another with tabs and blanks.
fn indent(out: &mut String, mut from: usize, to: usize) {
    while from < to {
        if to / 8 > (from + 1) / 8 {
            out.push('\t');
            from += 8 - from % 8;
        } else {
            out.push(' ');
            from += 1;
        }
    }
}
