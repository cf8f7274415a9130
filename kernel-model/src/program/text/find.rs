//! find(1): an expression, evaluated for every file of a tree.

use std::future::Future;
use std::pin::Pin;

use super::glob::fnmatch;
use crate::errno::Errno;
use crate::program;
use crate::program::Sys;
use crate::program::accounts::Accounts;
use crate::program::filemode::{ModeChange, mode_string};
use crate::program::libc::{Stat, s};
use crate::program::quote::quoteaf;

program!(FIND = "find" in "/usr/bin", "search for files in a directory hierarchy", find, "\
-H -L -P  whether symbolic links are followed; -maxdepth N, -mindepth N, -depth, -xdev (-mount)
tests: -name -iname -path -type -perm -user -group -uid -gid -nouser -nogroup -size -links -inum -empty -newer -true -false
actions: -print -print0 -printf -exec CMD ; -exec CMD {} + -delete -prune -quit
operators: ( EXPR ) ! -not -a -and -o -or ,");

#[derive(Clone, PartialEq, Debug)]
enum Expr {
    True,
    False,
    Not(Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Comma(Box<Expr>, Box<Expr>),
    Name(String, bool),
    Path(String),
    Type(String),
    /// Exactly, all of, or any of these bits.
    Perm(char, u32),
    Number(Count, Compare, u64),
    NoUser,
    NoGroup,
    Empty,
    Newer(u64),
    Print(char),
    Printf(String),
    Exec(Vec<String>),
    /// `-exec ... {} +`: the place of its collected files.
    ExecAll(usize),
    Delete,
    Prune,
    Quit,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Count {
    Uid,
    Gid,
    Links,
    Inode,
    /// In units of so many bytes, rounded up.
    Size(u64),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Compare {
    Less,
    Equal,
    More,
}

struct Find<'a> {
    sys: &'a Sys,
    accounts: Accounts,
    follow: bool,
    follow_operands: bool,
    least: usize,
    most: usize,
    depth_first: bool,
    one_device: bool,
    batches: Vec<(Vec<String>, Vec<String>)>,
    acts: bool,
    status: i32,
    quit: bool,
}

struct File<'a> {
    path: &'a str,
    start: &'a str,
    depth: usize,
    stat: Stat,
}

async fn find(sys: Sys) -> Result<i32, i32> {
    let mut find = Find {
        accounts: sys.accounts().await,
        sys: &sys,
        follow: false,
        follow_operands: false,
        least: 0,
        most: usize::MAX,
        depth_first: false,
        one_device: false,
        batches: Vec::new(),
        acts: false,
        status: 0,
        quit: false,
    };
    let mut words = sys.argv().get(1..).unwrap_or_default();
    while let [word @ ("-H" | "-L" | "-P"), rest @ ..] = words.iter().map(String::as_str).collect::<Vec<_>>().as_slice()
    {
        find.follow = *word == "-L";
        find.follow_operands = *word != "-P";
        words = words.get(words.len() - rest.len()..).unwrap_or_default();
    }
    let is_expression = |w: &String| (w.starts_with('-') && w.len() > 1) || matches!(w.as_str(), "(" | ")" | "!" | ",");
    let split = words.iter().position(is_expression).unwrap_or(words.len());
    let (starts, words) = words.split_at(split);
    let mut parser = Parser { words, at: 0, find: &mut find };
    let parsed = parser.whole().await;
    let expr = match parsed {
        Ok(expr) => expr,
        Err(message) => {
            sys.error(message).await;
            return Err(1);
        }
    };
    let expr = if find.acts { expr } else { Expr::And(Box::new(expr), Box::new(Expr::Print('\n'))) };
    let here = [".".to_owned()];
    for start in if starts.is_empty() { &here } else { starts } {
        find.visit(&expr, start.clone(), start, 0, None).await;
        if find.quit {
            break;
        }
    }
    for index in 0..find.batches.len() {
        find.run_batch(index).await;
    }
    Ok(find.status)
}

struct Parser<'p, 'a> {
    words: &'p [String],
    at: usize,
    find: &'p mut Find<'a>,
}

type Parsed<'f> = Pin<Box<dyn Future<Output = Result<Expr, String>> + 'f>>;

impl Parser<'_, '_> {
    fn peek(&self) -> Option<&str> {
        self.words.get(self.at).map(String::as_str)
    }

    fn accept(&mut self, words: &[&str]) -> bool {
        let is = self.peek().is_some_and(|w| words.contains(&w));
        self.at += usize::from(is);
        is
    }

    async fn whole(&mut self) -> Result<Expr, String> {
        if self.words.is_empty() {
            return Ok(Expr::True);
        }
        let expr = self.comma().await?;
        match self.peek() {
            None => Ok(expr),
            Some(")") => Err("you have too many ')'".into()),
            Some(other) => Err(format!("paths must precede expression: `{other}'")),
        }
    }

    fn comma(&mut self) -> Parsed<'_> {
        Box::pin(async move {
            let mut left = self.or().await?;
            while self.accept(&[","]) {
                left = Expr::Comma(Box::new(left), Box::new(self.or().await?));
            }
            Ok(left)
        })
    }

    async fn or(&mut self) -> Result<Expr, String> {
        let mut left = self.and().await?;
        while self.accept(&["-o", "-or"]) {
            left = Expr::Or(Box::new(left), Box::new(self.and().await?));
        }
        Ok(left)
    }

    async fn and(&mut self) -> Result<Expr, String> {
        let mut left = self.not().await?;
        loop {
            let explicit = self.accept(&["-a", "-and"]);
            let ends = matches!(self.peek(), None | Some(")" | "," | "-o" | "-or"));
            if ends && !explicit {
                return Ok(left);
            }
            left = Expr::And(Box::new(left), Box::new(self.not().await?));
        }
    }

    async fn not(&mut self) -> Result<Expr, String> {
        let mut inverted = false;
        while self.accept(&["!", "-not"]) {
            inverted = !inverted;
        }
        let expr = self.primary().await?;
        Ok(if inverted { Expr::Not(Box::new(expr)) } else { expr })
    }

    fn argument(&mut self, of: &str) -> Result<String, String> {
        let word = self.words.get(self.at).cloned().ok_or_else(|| format!("missing argument to `{of}'"))?;
        self.at += 1;
        Ok(word)
    }

    async fn primary(&mut self) -> Result<Expr, String> {
        let Some(word) = self.peek().map(str::to_owned) else {
            return Err("invalid expression; I was expecting to find an expression here".into());
        };
        self.at += 1;
        Ok(match word.as_str() {
            "(" => {
                let inside = self.comma().await?;
                if !self.accept(&[")"]) {
                    return Err(
                        "invalid expression; I was expecting to find a ')' somewhere but did not see one.".into()
                    );
                }
                inside
            }
            "-true" | "-daystart" | "-noleaf" | "-ignore_readdir_race" => Expr::True,
            "-false" => Expr::False,
            "-name" => Expr::Name(self.argument(&word)?, false),
            "-iname" => Expr::Name(self.argument(&word)?.to_lowercase(), true),
            "-path" | "-wholename" => Expr::Path(self.argument(&word)?),
            "-type" => {
                let kinds = self.argument(&word)?;
                match kinds.split(',').find(|k| k.len() != 1 || !"bcdflps".contains(k)) {
                    Some(k) => return Err(format!("Unknown argument to -type: {k}")),
                    None => Expr::Type(kinds),
                }
            }
            "-perm" => {
                let text = self.argument(&word)?;
                let (how, mode) = match text.chars().next() {
                    Some(c @ ('-' | '/')) => (c, text.get(1..).unwrap_or_default()),
                    _ => ('=', text.as_str()),
                };
                let change = ModeChange::parse(mode).ok_or_else(|| format!("invalid mode {}", quoteaf(&text)))?;
                Expr::Perm(how, change.apply(0, false, 0))
            }
            "-user" | "-uid" | "-group" | "-gid" | "-links" | "-inum" | "-size" => self.number(&word)?,
            "-nouser" => Expr::NoUser,
            "-nogroup" => Expr::NoGroup,
            "-empty" => Expr::Empty,
            "-newer" => {
                let file = self.argument(&word)?;
                match self.find.sys.stat(&file).await {
                    Ok(stat) => Expr::Newer(stat.st_mtime),
                    Err(e) => return Err(format!("{}: {e}", quoteaf(&file))),
                }
            }
            "-maxdepth" | "-mindepth" => {
                let text = self.argument(&word)?;
                let n = text.parse().map_err(|_| {
                    format!("Expected a positive decimal integer argument to {word}, but got {}", quoteaf(&text))
                })?;
                if word == "-maxdepth" {
                    self.find.most = n
                } else {
                    self.find.least = n
                }
                Expr::True
            }
            "-depth" | "-d" => {
                self.find.depth_first = true;
                Expr::True
            }
            "-xdev" | "-mount" => {
                self.find.one_device = true;
                Expr::True
            }
            "-print" => self.action(Expr::Print('\n')),
            "-print0" => self.action(Expr::Print('\0')),
            "-printf" => {
                let format = self.argument(&word)?;
                self.action(Expr::Printf(format))
            }
            "-delete" => {
                self.find.depth_first = true;
                self.action(Expr::Delete)
            }
            "-prune" => Expr::Prune,
            "-quit" => self.action(Expr::Quit),
            "-exec" => self.exec()?,
            other if other.starts_with('-') => return Err(format!("unknown predicate `{other}'")),
            other => return Err(format!("paths must precede expression: `{other}'")),
        })
    }

    fn action(&mut self, expr: Expr) -> Expr {
        self.find.acts = true;
        expr
    }

    fn exec(&mut self) -> Result<Expr, String> {
        let mut command = Vec::new();
        loop {
            let word = self.argument("-exec")?;
            if word == ";" {
                break;
            }
            if word == "+" && command.last().is_some_and(|w| w == "{}") {
                command.pop();
                self.find.batches.push((command, Vec::new()));
                let index = self.find.batches.len() - 1;
                return Ok(self.action(Expr::ExecAll(index)));
            }
            command.push(word);
        }
        if command.is_empty() {
            return Err("missing argument to `-exec'".into());
        }
        Ok(self.action(Expr::Exec(command)))
    }

    fn number(&mut self, of: &str) -> Result<Expr, String> {
        let text = self.argument(of)?;
        let named = match of {
            "-user" => self.find.accounts.user(&text).map(|u| u.uid),
            "-group" => self.find.accounts.group(&text).map(|g| g.gid),
            _ => None,
        };
        let (compare, digits) = match text.chars().next() {
            Some('+') => (Compare::More, text.get(1..).unwrap_or_default()),
            Some('-') => (Compare::Less, text.get(1..).unwrap_or_default()),
            _ => (Compare::Equal, text.as_str()),
        };
        let (digits, unit) = match digits.char_indices().last().filter(|_| of == "-size") {
            Some((at, 'c')) => (digits.get(..at).unwrap_or_default(), 1),
            Some((at, 'w')) => (digits.get(..at).unwrap_or_default(), 2),
            Some((at, 'b')) => (digits.get(..at).unwrap_or_default(), 512),
            Some((at, 'k')) => (digits.get(..at).unwrap_or_default(), 1 << 10),
            Some((at, 'M')) => (digits.get(..at).unwrap_or_default(), 1 << 20),
            Some((at, 'G')) => (digits.get(..at).unwrap_or_default(), 1 << 30),
            _ => (digits, 512),
        };
        let value = match named.map(u64::from).or_else(|| digits.parse().ok()) {
            Some(value) => value,
            None if of == "-user" => return Err(format!("{} is not the name of a known user", quoteaf(&text))),
            None if of == "-group" => {
                return Err(format!("{} is not the name of an existing group", quoteaf(&text)));
            }
            None => return Err(format!("invalid argument `{text}' to `{of}'")),
        };
        let count = match of {
            "-user" | "-uid" => Count::Uid,
            "-group" | "-gid" => Count::Gid,
            "-links" => Count::Links,
            "-inum" => Count::Inode,
            _ => Count::Size(unit),
        };
        Ok(Expr::Number(count, compare, value))
    }
}

impl Find<'_> {
    async fn complain(&mut self, path: &str, e: Errno) {
        let shown = if self.sys.is_busybox() { path.to_owned() } else { quoteaf(path) };
        self.sys.error(format!("{shown}: {e}")).await;
        self.status = 1;
    }

    fn visit<'f>(
        &'f mut self,
        expr: &'f Expr,
        path: String,
        start: &'f str,
        depth: usize,
        device: Option<u64>,
    ) -> Pin<Box<dyn Future<Output = ()> + 'f>> {
        Box::pin(async move {
            let follow = self.follow || (depth == 0 && self.follow_operands);
            let stat = match if follow { self.sys.stat(&path).await } else { self.sys.lstat(&path).await } {
                Err(Errno::ENOENT | Errno::ELOOP) if follow => self.sys.lstat(&path).await,
                other => other,
            };
            let stat = match stat {
                Ok(stat) => stat,
                Err(e) => return self.complain(&path, e).await,
            };
            let file = File { path: &path, start, depth, stat };
            let mut pruned = false;
            if !self.depth_first && depth >= self.least {
                self.holds(expr, &file, &mut pruned).await;
            }
            let other_device = self.one_device && device.is_some_and(|d| d != file.stat.st_dev);
            if file.stat.is_dir() && depth < self.most && !pruned && !self.quit && !other_device {
                match self.sys.read_dir(&path).await {
                    Ok(entries) => {
                        for entry in entries {
                            let slash = if path.ends_with('/') { "" } else { "/" };
                            let inner = format!("{path}{slash}{}", entry.d_name);
                            let device = Some(file.stat.st_dev);
                            self.visit(expr, inner, start, depth + 1, device).await;
                            if self.quit {
                                return;
                            }
                        }
                    }
                    Err(e) => self.complain(&path, e).await,
                }
            }
            if self.depth_first && depth >= self.least && !self.quit {
                self.holds(expr, &file, &mut pruned).await;
            }
        })
    }

    fn holds<'f>(
        &'f mut self,
        expr: &'f Expr,
        file: &'f File<'_>,
        pruned: &'f mut bool,
    ) -> Pin<Box<dyn Future<Output = bool> + 'f>> {
        Box::pin(async move {
            let base = super::super::coreutils::basename::last_component(file.path);
            match expr {
                Expr::True => true,
                Expr::False => false,
                Expr::Not(inner) => !self.holds(inner, file, pruned).await,
                Expr::And(a, b) => self.holds(a, file, pruned).await && !self.quit && self.holds(b, file, pruned).await,
                Expr::Or(a, b) => {
                    self.holds(a, file, pruned).await || (!self.quit && self.holds(b, file, pruned).await)
                }
                Expr::Comma(a, b) => {
                    self.holds(a, file, pruned).await;
                    !self.quit && self.holds(b, file, pruned).await
                }
                Expr::Name(pattern, false) => fnmatch(pattern, base),
                Expr::Name(pattern, true) => fnmatch(pattern, &base.to_lowercase()),
                Expr::Path(pattern) => fnmatch(pattern, file.path),
                Expr::Type(kinds) => kinds.contains(kind(&file.stat)),
                Expr::Perm(how, bits) => {
                    let mode = file.stat.st_mode & 0o7777;
                    match how {
                        '-' => mode & bits == *bits,
                        '/' => *bits == 0 || mode & bits != 0,
                        _ => mode == *bits,
                    }
                }
                Expr::Number(count, compare, wanted) => {
                    let value = match count {
                        Count::Uid => u64::from(file.stat.st_uid),
                        Count::Gid => u64::from(file.stat.st_gid),
                        Count::Links => u64::from(file.stat.st_nlink),
                        Count::Inode => file.stat.st_ino,
                        Count::Size(unit) => file.stat.st_size.div_ceil(*unit),
                    };
                    match compare {
                        Compare::Less => value < *wanted,
                        Compare::Equal => value == *wanted,
                        Compare::More => value > *wanted,
                    }
                }
                Expr::NoUser => self.accounts.user_by_id(file.stat.st_uid).is_none(),
                Expr::NoGroup => self.accounts.group_by_id(file.stat.st_gid).is_none(),
                Expr::Empty if file.stat.is_dir() => self.sys.read_dir(file.path).await.is_ok_and(|e| e.is_empty()),
                Expr::Empty => file.stat.file_type() == s::IFREG && file.stat.st_size == 0,
                Expr::Newer(time) => file.stat.st_mtime > *time,
                Expr::Print(end) => {
                    self.sys.print(format!("{}{end}", file.path)).await;
                    true
                }
                Expr::Printf(format) => {
                    let text = self.formatted(format, file).await;
                    self.sys.print(text).await;
                    true
                }
                Expr::Exec(command) => {
                    let words: Vec<String> = command.iter().map(|w| w.replace("{}", file.path)).collect();
                    self.run(&words).await == 0
                }
                Expr::ExecAll(index) => {
                    if let Some((_, files)) = self.batches.get_mut(*index) {
                        files.push(file.path.to_owned());
                    }
                    true
                }
                Expr::Delete if matches!(file.path, "." | "..") => true,
                Expr::Delete => {
                    let done = match file.stat.is_dir() {
                        true => self.sys.rmdir(file.path).await,
                        false => self.sys.unlink(file.path).await,
                    };
                    if let Err(e) = done {
                        self.sys.error(format!("cannot delete {}: {e}", quoteaf(file.path))).await;
                        self.status = 1;
                    }
                    done.is_ok()
                }
                Expr::Prune => {
                    *pruned = true;
                    true
                }
                Expr::Quit => {
                    self.quit = true;
                    true
                }
            }
        })
    }

    async fn run(&mut self, words: &[String]) -> i32 {
        self.sys.flush().await;
        let name = words.first().cloned().unwrap_or_default();
        match self.sys.fork().await {
            Ok(0) => {
                let e = self.sys.execvp(&name, words).await;
                self.sys.error(format!("{}: {e}", quoteaf(&name))).await;
                self.sys.exit(1).await;
                1
            }
            Ok(child) => self.sys.wait4(child, 0).await.map_or(1, |(_, status)| status.shell_status()),
            Err(e) => {
                self.sys.error(format!("cannot fork: {e}")).await;
                self.status = 1;
                1
            }
        }
    }

    async fn run_batch(&mut self, index: usize) {
        let Some((command, files)) = self.batches.get(index).cloned() else { return };
        if !files.is_empty() && self.run(&[command, files].concat()).await != 0 {
            self.status = 1;
        }
    }

    async fn formatted(&mut self, format: &str, file: &File<'_>) -> String {
        let mut out = String::new();
        let mut chars = format.chars();
        let stat = &file.stat;
        while let Some(c) = chars.next() {
            match c {
                '\\' => match chars.next() {
                    Some('n') => out.push('\n'),
                    Some('t') => out.push('\t'),
                    Some('0') => out.push('\0'),
                    Some('\\') | None => out.push('\\'),
                    Some(other) => out.extend(['\\', other]),
                },
                '%' => match chars.next() {
                    Some('p') => out += file.path,
                    Some('f') => out += super::super::coreutils::basename::last_component(file.path),
                    Some('h') => out += file.path.rsplit_once('/').map_or(".", |(dir, _)| dir),
                    Some('P') => {
                        out += file.path.strip_prefix(file.start).unwrap_or_default().trim_start_matches('/');
                    }
                    Some('H') => out += file.start,
                    Some('s') => out += &stat.st_size.to_string(),
                    Some('b') => out += &stat.st_blocks.to_string(),
                    Some('k') => out += &stat.st_blocks.div_ceil(2).to_string(),
                    Some('m') => out += &format!("{:o}", stat.st_mode & 0o7777),
                    Some('M') => out += &mode_string(stat.st_mode),
                    Some('n') => out += &stat.st_nlink.to_string(),
                    Some('i') => out += &stat.st_ino.to_string(),
                    Some('U') => out += &stat.st_uid.to_string(),
                    Some('G') => out += &stat.st_gid.to_string(),
                    Some('u') => out += &self.accounts.user_name(stat.st_uid),
                    Some('g') => out += &self.accounts.group_name(stat.st_gid),
                    Some('d') => out += &file.depth.to_string(),
                    Some('y') => out.push(kind(stat)),
                    Some('l') if stat.file_type() == s::IFLNK => {
                        out += &self.sys.readlink(file.path).await.unwrap_or_default();
                    }
                    Some('l') => {}
                    Some('%') | None => out.push('%'),
                    Some(other) => out.extend(['%', other]),
                },
                c => out.push(c),
            }
        }
        out
    }
}

/// The letter of `-type`.
fn kind(stat: &Stat) -> char {
    match stat.file_type() {
        s::IFBLK => 'b',
        s::IFCHR => 'c',
        s::IFDIR => 'd',
        s::IFIFO => 'p',
        s::IFLNK => 'l',
        s::IFSOCK => 's',
        _ => 'f',
    }
}
