//! The command line of ps: UNIX options with a dash, BSD options without one, GNU options with two.

use super::super::process::Process;
use super::columns::Column;
use super::order::{Forest, SortKey};
use crate::program::accounts::Accounts;

/// Which processes are shown.
pub enum Select {
    /// Those of the caller's user and terminal.
    Own,
    All,
    WithTty,
    NotLeaders,
    /// BSD: `a` takes in other users', `x` those without a terminal.
    Bsd {
        with_others: bool,
        without_tty: bool,
    },
    /// `-q`: these, in this order.
    Quick(Vec<i32>),
    /// Any of these.
    Lists(Vec<List>),
}

/// What a process must have to be in a list.
pub enum List {
    Pids(Vec<i32>),
    Parents(Vec<i32>),
    Sessions(Vec<i32>),
    Commands(Vec<String>),
    EffectiveUsers(Vec<u32>),
    RealUsers(Vec<u32>),
    RealGroups(Vec<u32>),
    EffectiveGroups(Vec<u32>),
    Terminals(Vec<String>),
    /// `T`: the caller's own terminal.
    OwnTerminal,
}

impl List {
    pub fn matches(&self, p: &Process, me: &Process, _: &Accounts) -> bool {
        match self {
            List::Pids(list) => list.contains(&p.pid),
            List::Parents(list) => list.contains(&p.ppid),
            List::Sessions(list) => list.contains(&p.session),
            List::Commands(list) => list.contains(&p.comm),
            List::EffectiveUsers(list) => list.contains(&p.uids[1]),
            List::RealUsers(list) => list.contains(&p.uids[0]),
            List::RealGroups(list) => list.contains(&p.gids[0]),
            List::EffectiveGroups(list) => list.contains(&p.gids[1]),
            List::Terminals(list) => list.contains(&p.tty_name()),
            List::OwnTerminal => p.tty == me.tty,
        }
    }
}

/// What was asked for.
pub struct Plan {
    pub select: Select,
    pub negate: bool,
    pub running_only: bool,
    pub columns: Vec<Column>,
    pub headers: bool,
    /// Processes are shown below their parents.
    pub forest: Option<Forest>,
    /// What the lines are sorted by, the first before the others.
    pub sort: Vec<SortKey>,
    /// `-L -T`: a line for each thread.
    pub threads: bool,
}

/// Why nothing is shown.
pub enum Stop {
    Help,
    Version,
    Wrong(String),
}

/// What has been read so far.
#[derive(Default)]
struct Reader {
    all: bool,
    with_tty: bool,
    not_leaders: bool,
    bsd_a: bool,
    bsd_x: bool,
    quick: Vec<i32>,
    lists: Vec<List>,
    negate: bool,
    running_only: bool,
    no_headers: bool,
    /// `-Z`: a column with the label of the security module before the others.
    labels: bool,
    columns: Vec<Column>,
    /// `-f -l -j -F`.
    unix_formats: String,
    /// `u l j v`.
    bsd_format: Option<char>,
    bsd: bool,
    forest: Option<Forest>,
    sort: Vec<SortKey>,
    /// `L` or `T`: how the number of a thread is called.
    threads: Option<char>,
}

/// Reads the words: first as UNIX options; where that makes no sense, words with a dash are BSD options, too.
pub fn parse(words: &[String], accounts: &Accounts) -> Result<Plan, Stop> {
    match Reader::read(words, accounts, false) {
        Err(Stop::Wrong(first)) => Reader::read(words, accounts, true).map_err(|_| Stop::Wrong(first))?.plan(),
        other => other?.plan(),
    }
}

fn wrong<T>(message: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Wrong(message.into()))
}

impl Reader {
    fn read(words: &[String], accounts: &Accounts, force_bsd: bool) -> Result<Reader, Stop> {
        let mut reader = Reader::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if let Some(long) = word.strip_prefix("--") {
                reader.gnu(long, &mut words, accounts)?;
            } else if let Some(letters) = word.strip_prefix('-').filter(|l| !l.is_empty()) {
                if force_bsd {
                    reader.bsd(letters, &mut words, accounts)?;
                } else {
                    reader.unix(letters, &mut words, accounts)?;
                }
            } else if word.starts_with(|c: char| c.is_ascii_digit()) {
                reader.bsd |= reader.unix_formats.is_empty() && reader.lists.is_empty();
                let pids = pids(word)?;
                reader.lists.push(List::Pids(pids));
            } else {
                reader.bsd(word, &mut words, accounts)?;
            }
        }
        Ok(reader)
    }

    fn unix<'a>(
        &mut self,
        letters: &str,
        words: &mut impl Iterator<Item = &'a String>,
        accounts: &Accounts,
    ) -> Result<(), Stop> {
        let mut rest = letters.chars();
        while let Some(letter) = rest.next() {
            match letter {
                'A' | 'e' => self.all = true,
                'a' => self.with_tty = true,
                'd' => self.not_leaders = true,
                'N' => self.negate = true,
                'f' | 'l' | 'j' | 'F' => self.unix_formats.push(letter),
                'y' | 'w' | 'c' => {}
                'V' => return Err(Stop::Version),
                'C' | 'g' | 'G' | 'o' | 'p' | 'q' | 's' | 't' | 'u' | 'U' => {
                    let attached = Some(rest.as_str()).filter(|r| !r.is_empty()).map(str::to_owned);
                    let what = match letter {
                        'C' => "list of command names must follow -C",
                        'g' => "list of session leaders OR effective group names must follow -g",
                        'G' => "list of real groups must follow -G",
                        'o' => "format specification must follow -o",
                        'p' => "list of process IDs must follow -p",
                        'q' => "list of process IDs must follow -q",
                        's' => "list of session IDs must follow -s",
                        't' => "list of terminals (pty, tty...) must follow -t",
                        'u' => "list of users must follow -u",
                        _ => "list of real users must follow -U",
                    };
                    let value = attached.or_else(|| words.next().cloned());
                    let value = value.ok_or_else(|| Stop::Wrong(what.to_owned()))?;
                    return self.valued(letter, &value, accounts);
                }
                'x' => return wrong("must set personality to get -x option"),
                'M' | 'Z' => self.labels = true,
                'H' => self.forest = Some(Forest::Indented),
                'L' | 'T' => self.threads = Some(letter),
                'm' | 'O' | 'P' | 'n' | 'k' => {
                    return wrong(format!("option -{letter} is not modelled in Ringside; see 'help ps'"));
                }
                _ => return wrong("unsupported SysV option"),
            }
        }
        Ok(())
    }

    fn valued(&mut self, letter: char, value: &str, accounts: &Accounts) -> Result<(), Stop> {
        let list = match letter {
            'o' => return self.format(value),
            'q' => {
                self.quick.extend(pids(value)?);
                return Ok(());
            }
            'p' => List::Pids(pids(value)?),
            's' => List::Sessions(pids(value)?),
            'C' => List::Commands(split(value).map(str::to_owned).collect()),
            'u' => List::EffectiveUsers(users(value, accounts)?),
            'U' => List::RealUsers(users(value, accounts)?),
            'G' => List::RealGroups(groups(value, accounts)?),
            'g' => match groups(value, accounts) {
                Ok(groups) if !value.starts_with(|c: char| c.is_ascii_digit()) => List::EffectiveGroups(groups),
                _ => List::Sessions(pids(value)?),
            },
            _ => List::Terminals(terminals(value)),
        };
        self.lists.push(list);
        Ok(())
    }

    fn bsd<'a>(
        &mut self,
        letters: &str,
        words: &mut impl Iterator<Item = &'a String>,
        accounts: &Accounts,
    ) -> Result<(), Stop> {
        self.bsd = true;
        let mut rest = letters.chars();
        while let Some(letter) = rest.next() {
            match letter {
                'a' => self.bsd_a = true,
                'x' => self.bsd_x = true,
                'r' => self.running_only = true,
                'T' => self.lists.push(List::OwnTerminal),
                'h' => self.no_headers = true,
                'Z' => self.labels = true,
                'w' | 'c' | 'n' => {}
                'u' | 'l' | 'j' | 'v' => self.bsd_format = Some(letter),
                'V' => return Err(Stop::Version),
                'o' | 'p' | 't' | 'U' => {
                    let attached = Some(rest.as_str()).filter(|r| !r.is_empty()).map(str::to_owned);
                    let Some(value) = attached.or_else(|| words.next().cloned()) else {
                        return wrong(match letter {
                            'o' => "format specification must follow o",
                            'p' => "list of process IDs must follow p",
                            't' => "list of terminals must follow t",
                            _ => "list of users must follow U",
                        });
                    };
                    let letter = if letter == 'U' { 'u' } else { letter };
                    return self.valued(letter, &value, accounts);
                }
                'f' => self.forest = Some(Forest::Drawn),
                'k' => {
                    let attached = Some(rest.as_str()).filter(|r| !r.is_empty()).map(str::to_owned);
                    let Some(value) = attached.or_else(|| words.next().cloned()) else {
                        return wrong("long sort specification must follow 'k'");
                    };
                    return self.sort(&value);
                }
                'e' | 'g' | 'm' | 's' | 'O' | 'S' | 'X' | 'L' => {
                    return wrong(format!("option {letter} is not modelled in Ringside; see 'help ps'"));
                }
                _ => return wrong("unsupported option (BSD syntax)"),
            }
        }
        Ok(())
    }

    fn gnu<'a>(
        &mut self,
        text: &str,
        words: &mut impl Iterator<Item = &'a String>,
        accounts: &Accounts,
    ) -> Result<(), Stop> {
        let (name, value) = match text.split_once('=') {
            Some((n, v)) => (n, Some(v.to_owned())),
            None => (text, None),
        };
        let mut valued = |missing: &str| {
            let value = value.clone().or_else(|| words.next().cloned());
            value.ok_or_else(|| Stop::Wrong(missing.to_owned()))
        };
        match name {
            "no-headers" | "no-heading" | "no-headings" | "noheader" | "noheaders" | "noheading" | "noheadings" => {
                self.no_headers = true;
            }
            "header" | "headers" | "heading" | "headings" | "cumulative" => {}
            "deselect" => self.negate = true,
            "help" => return Err(Stop::Help),
            "version" => return Err(Stop::Version),
            "cols" | "columns" | "width" | "rows" | "lines" => {
                valued("argument missing")?;
            }
            "format" => {
                let v = valued("format specification must follow --format")?;
                self.format(&v)?;
            }
            "pid" => {
                let v = valued("list of process IDs must follow --pid")?;
                self.valued('p', &v, accounts)?;
            }
            "quick-pid" => {
                let v = valued("list of process IDs must follow --quick-pid")?;
                self.valued('q', &v, accounts)?;
            }
            "ppid" => {
                let v = valued("list of process IDs must follow --ppid")?;
                self.lists.push(List::Parents(pids(&v)?));
            }
            "sid" => {
                let v = valued("some sid thing(s) must follow --sid")?;
                self.valued('s', &v, accounts)?;
            }
            "tty" => {
                let v = valued("list of ttys must follow --tty")?;
                self.valued('t', &v, accounts)?;
            }
            "user" => {
                let v = valued("list of users must follow --user")?;
                self.valued('u', &v, accounts)?;
            }
            "User" => {
                let v = valued("list of real users must follow --User")?;
                self.valued('U', &v, accounts)?;
            }
            "group" => {
                let v = valued("list of effective groups must follow --group")?;
                self.lists.push(List::EffectiveGroups(groups(&v, accounts)?));
            }
            "Group" => {
                let v = valued("list of real groups must follow --Group")?;
                self.valued('G', &v, accounts)?;
            }
            "forest" => self.forest = Some(Forest::Drawn),
            "sort" => {
                let v = valued("long sort specification must follow --sort")?;
                self.sort(&v)?;
            }
            "info" | "context" => {
                return wrong(format!("option --{name} is not modelled in Ringside; see 'help ps'"));
            }
            _ => return wrong("unknown gnu long option"),
        }
        Ok(())
    }

    /// A list of columns to sort by, each with a `-` for descending order: `-rss,pid`.
    fn sort(&mut self, text: &str) -> Result<(), Stop> {
        for item in text.split(',') {
            match SortKey::parse(item) {
                Some(key) => self.sort.push(key),
                None => return wrong("unknown sort specifier"),
            }
        }
        Ok(())
    }

    /// A list of columns: `pid,comm=NAME,args:40`.
    fn format(&mut self, text: &str) -> Result<(), Stop> {
        let items: Vec<&str> = text.split(|c: char| c == ',' || c.is_whitespace()).collect();
        if text.is_empty() || items.iter().any(|i| i.is_empty()) {
            return wrong("improper format list");
        }
        for item in items {
            let (spec, header) = match item.split_once('=') {
                Some((spec, header)) => (spec, Some(header)),
                None => (item, None),
            };
            let (name, width) = match spec.split_once(':') {
                Some((name, width)) => (name, Some(width)),
                None => (spec, None),
            };
            let Some(mut column) = Column::named(name) else {
                return wrong(format!("unknown user-defined format specifier \"{name}\""));
            };
            if let Some(header) = header {
                column = column.titled(header);
            }
            if let Some(width) = width {
                match width.parse() {
                    Ok(n) if n > 0 => column = column.wide(n),
                    _ => return wrong("bad width"),
                }
            }
            self.columns.push(column);
        }
        Ok(())
    }

    fn plan(self) -> Result<Plan, Stop> {
        let has_own_columns = !self.columns.is_empty();
        let mut columns = if self.columns.is_empty() { self.ready_made() } else { self.columns };
        if self.labels {
            columns.splice(0..0, Column::named("label"));
        }
        if let Some(letter) = self.threads.filter(|_| !has_own_columns) {
            columns = with_threads(columns, letter);
        }
        let select = if self.all || (self.bsd_a && self.bsd_x) {
            Select::All
        } else if !self.quick.is_empty() {
            Select::Quick(self.quick)
        } else if !self.lists.is_empty() {
            Select::Lists(self.lists)
        } else if self.not_leaders {
            Select::NotLeaders
        } else if self.with_tty {
            Select::WithTty
        } else if self.bsd_a || self.bsd_x {
            Select::Bsd { with_others: self.bsd_a, without_tty: self.bsd_x }
        } else {
            Select::Own
        };
        Ok(Plan {
            select,
            negate: self.negate,
            running_only: self.running_only,
            columns,
            headers: !self.no_headers,
            forest: self.forest,
            sort: self.sort,
            threads: self.threads.is_some(),
        })
    }

    /// The columns of `-f`, `u` and so on, or those that ps shows when nothing is said.
    fn ready_made(&self) -> Vec<Column> {
        let has = |c: char| self.unix_formats.contains(c);
        let text = match self.bsd_format {
            Some('u') => "user pid %cpu %mem vsz rss tname stat start_time=START bsdtime args",
            Some('l') => "f uid pid ppid priority ni vsz rss wchan stat tname bsdtime args",
            Some('j') => "ppid pid pgid sid tname tpgid stat uid bsdtime args",
            Some(_) => "pid tname stat bsdtime vsz rss %mem args",
            None if has('f') && has('l') => "f s user=UID pid ppid c opri ni addr sz wchan stime tname time cmd",
            None if has('l') && has('j') => "f s uid pid ppid pgid sid c opri ni addr sz wchan tname time ucmd",
            None if has('l') => "f s uid pid ppid c opri ni addr sz wchan tname time ucmd",
            None if has('F') => "user=UID pid ppid c sz rss psr stime tname time cmd",
            None if has('f') && has('j') => "user=UID pid ppid pgid sid c stime tname time cmd",
            None if has('f') => "user=UID pid ppid c stime tname time cmd",
            None if has('j') => "pid pgid sid tname time ucmd",
            None if self.bsd => "pid tname stat bsdtime args",
            None => "pid tname time ucmd",
        };
        let column = |spec: &str| {
            let (name, header) = spec.split_once('=').unwrap_or((spec, ""));
            let column = Column::named(name)?;
            let narrow = matches!(name, "ni" | "addr" | "sz").then_some(());
            let column = if header.is_empty() { column } else { column.titled(header) };
            // In -l the address and the size share the width of one column.
            let column = if narrow.is_some() && name == "addr" && self.bsd_format.is_none() {
                column.wide(1).titled("ADDR")
            } else {
                column
            };
            Some(column)
        };
        text.split(' ').filter_map(column).collect()
    }
}

/// The columns with those for threads: the number of the thread behind those of the processes (`-L`) or behind the
/// pid (`-T`), and with `-L` how many there are behind the share of the processor.
fn with_threads(columns: Vec<Column>, letter: char) -> Vec<Column> {
    let has_ppid = columns.iter().any(|c| c.is("ppid"));
    let behind = if letter == 'L' && has_ppid { "ppid" } else { "pid" };
    let mut all = Vec::new();
    for column in columns {
        let (is_place, is_share) = (column.is(behind), column.is("c"));
        all.push(column);
        if is_place {
            all.extend(Column::named(if letter == 'L' { "lwp" } else { "spid" }));
        }
        if is_share && letter == 'L' {
            all.extend(Column::named("nlwp"));
        }
    }
    all
}

fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', ' ']).filter(|s| !s.is_empty())
}

fn pids(text: &str) -> Result<Vec<i32>, Stop> {
    let mut list = Vec::new();
    for part in split(text) {
        match part.parse::<i32>() {
            Ok(n) if n > 0 => list.push(n),
            Ok(_) => return wrong("process ID out of range"),
            Err(_) => return wrong("process ID list syntax error"),
        }
    }
    if list.is_empty() {
        return wrong("process ID list syntax error");
    }
    Ok(list)
}

fn users(text: &str, accounts: &Accounts) -> Result<Vec<u32>, Stop> {
    let known = |name: &str| accounts.user(name).map(|u| u.uid).or_else(|| name.parse().ok());
    let found = split(text).map(|name| known(name).ok_or_else(|| Stop::Wrong("user name does not exist".to_owned())));
    found.collect()
}

fn groups(text: &str, accounts: &Accounts) -> Result<Vec<u32>, Stop> {
    let known = |name: &str| accounts.group(name).map(|g| g.gid).or_else(|| name.parse().ok());
    let found = split(text).map(|name| known(name).ok_or_else(|| Stop::Wrong("group name does not exist".to_owned())));
    found.collect()
}

/// `pts/0`, `/dev/pts/0`, `?` and `-`.
fn terminals(text: &str) -> Vec<String> {
    let name = |t: &str| match t.strip_prefix("/dev/").unwrap_or(t) {
        "-" => "?".to_owned(),
        t if t.starts_with(|c: char| c.is_ascii_digit()) => format!("pts/{t}"),
        t => t.to_owned(),
    };
    split(text).map(name).collect()
}
