//! ls(1): what is listed, and in which order. [`super::ls_format`] says how it looks.

use std::cmp::Ordering;

use super::ls_format::{Entry, Look, Style};
use crate::errno::Errno;
use crate::program;
use crate::program::Sys;
use crate::program::accounts::Accounts;
use crate::program::getopt::{Long, Options, Spec, Takes};
use crate::program::libc::{Stat, o, s};
use crate::program::quote::quoteaf;

program!(LS = "ls" in "/usr/bin", "list directory contents", ls, "\
-a, --all  do not ignore entries starting with .
-A, --almost-all  the same without . and ..
-d, --directory  list directories themselves, not their contents
-l  use a long listing format; -n numeric ids, -g no owner, -o no group, -G, --no-group no group
-h, --human-readable; --si  sizes like 1K 234M
-i, --inode  print the index number of each file
-s, --size  print the allocated size of each file, in blocks
-1, -C, -x, -m  one a line, in columns, in rows, with commas (default: one a line)
-w, --width N  width of the output
-F, --classify; -p  append one of */=>@| ; / to directories only
-R, --recursive  list subdirectories recursively
-r, --reverse; -t; -S; -X; -v; -U; -f  sort: reversed, by time, size, extension, version, not at all
--sort=WORD  none, time, size, extension, version, name
-u, -c, --time=WORD  show and sort by access or change time
--full-time, --time-style=STYLE  full-iso, long-iso, iso, locale, +FORMAT
-L, --dereference; -H  follow symbolic links: all, those in the command line
-Q, --quote-name; -N, --literal; -q  double quotes, as they are, ? for what cannot be printed
--color[=WHEN]  accepted for never and auto: there is no terminal
-Z, --context  print the security context of each file
--group-directories-first");

const SPEC: Spec = Spec {
    short: "aAdlngoGhis1CxmFpRrtSXvUfucLHQNqw:kZ",
    long: &[
        Long("all", Takes::Nothing, 'a'),
        Long("almost-all", Takes::Nothing, 'A'),
        Long("directory", Takes::Nothing, 'd'),
        Long("classify", Takes::Maybe, 'F'),
        Long("file-type", Takes::Nothing, '='),
        Long("full-time", Takes::Nothing, '+'),
        Long("group-directories-first", Takes::Nothing, '/'),
        Long("no-group", Takes::Nothing, 'G'),
        Long("human-readable", Takes::Nothing, 'h'),
        Long("si", Takes::Nothing, '%'),
        Long("inode", Takes::Nothing, 'i'),
        Long("numeric-uid-gid", Takes::Nothing, 'n'),
        Long("literal", Takes::Nothing, 'N'),
        Long("hide-control-chars", Takes::Nothing, 'q'),
        Long("quote-name", Takes::Nothing, 'Q'),
        Long("reverse", Takes::Nothing, 'r'),
        Long("recursive", Takes::Nothing, 'R'),
        Long("size", Takes::Nothing, 's'),
        Long("sort", Takes::Value, '*'),
        Long("time", Takes::Value, '@'),
        Long("time-style", Takes::Value, ','),
        Long("dereference", Takes::Nothing, 'L'),
        Long("dereference-command-line", Takes::Nothing, 'H'),
        Long("color", Takes::Maybe, '#'),
        Long("width", Takes::Value, 'w'),
        Long("kibibytes", Takes::Nothing, 'k'),
        Long("context", Takes::Nothing, 'Z'),
    ],
    unmodelled: "-b -B -D -I -T --escape --ignore-backups --dired --hide --ignore --indicator-style --tabsize \
                 --block-size --author --format --hyperlink --quoting-style --show-control-chars --zero \
                 --dereference-command-line-symlink-to-dir",
    failure: 2,
    ..Spec::COREUTILS
};

/// What decides the order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sort {
    None,
    Name,
    Time,
    Size,
    Extension,
    Version,
}

/// What the options ask for.
struct Listing {
    sort: Sort,
    reverse: bool,
    directories_first: bool,
    all: bool,
    almost_all: bool,
    recursive: bool,
    directory: bool,
    follow_all: bool,
    follow_operands: bool,
    follow_operand_directories: bool,
    needs_stat: bool,
    style: Style,
}

async fn ls(sys: Sys) -> i32 {
    let options = match sys.getopt(&SPEC).await {
        Ok(options) => options,
        Err(status) => return status,
    };
    let listing = match Listing::new(&sys, &options).await {
        Ok(listing) => listing,
        Err(status) => return status,
    };
    let mut run = Run { sys: &sys, listing, status: 0, printed_something: false };
    let operands = if options.operands.is_empty() { vec![".".to_owned()] } else { options.operands };
    run.operands(&operands).await;
    run.status
}

impl Listing {
    async fn new(sys: &Sys, options: &Options) -> Result<Listing, i32> {
        if let Some(Some("always" | "yes" | "force") | None) =
            options.given.iter().rev().find(|o| o.key == '#').map(|o| o.value.as_deref())
        {
            sys.not_modelled("option '--color=always'").await;
            return Err(2);
        }
        let look = match options.last_of("lngoCxm1+") {
            Some('l' | 'n' | 'g' | 'o' | '+') => Look::Long,
            Some('C') => Look::Columns,
            Some('x') => Look::Rows,
            Some('m') => Look::Commas,
            // -1 after -l does not undo it.
            Some('1') if options.last_of("lngo+").is_some() => Look::Long,
            _ => Look::OnePerLine,
        };
        let time = match (options.last_of("uc@"), options.value('@')) {
            (Some('u'), _) => 'u',
            (Some('c'), _) => 'c',
            (Some('@'), Some("atime" | "access" | "use")) => 'u',
            (Some('@'), Some("ctime" | "status")) => 'c',
            (Some('@'), Some(word)) if !matches!(word, "mtime" | "modification") => {
                sys.not_modelled(&format!("option '--time={word}'")).await;
                return Err(2);
            }
            _ => 'm',
        };
        let sort = match (options.last_of("tSXvUf*"), options.value('*')) {
            (Some('t'), _) => Sort::Time,
            (Some('S'), _) => Sort::Size,
            (Some('X'), _) => Sort::Extension,
            (Some('v'), _) => Sort::Version,
            (Some('U' | 'f'), _) => Sort::None,
            (Some('*'), Some("none")) => Sort::None,
            (Some('*'), Some("time")) => Sort::Time,
            (Some('*'), Some("size")) => Sort::Size,
            (Some('*'), Some("extension")) => Sort::Extension,
            (Some('*'), Some("version")) => Sort::Version,
            (Some('*'), Some("name")) => Sort::Name,
            (Some('*'), Some(word)) => {
                sys.not_modelled(&format!("option '--sort={word}'")).await;
                return Err(2);
            }
            // A time that is asked for but not shown is what is sorted by.
            _ if time != 'm' && look != Look::Long => Sort::Time,
            _ => Sort::Name,
        };
        let follow_all = options.has('L');
        let long = look == Look::Long;
        let style = Style::new(sys, options, look, time).await?;
        let sort_needs = matches!(sort, Sort::Time | Sort::Size);
        Ok(Listing {
            sort,
            reverse: options.has('r'),
            directories_first: options.has('/'),
            all: options.last_of("aAf").is_some_and(|k| k != 'A'),
            almost_all: options.last_of("aA") == Some('A'),
            recursive: options.has('R') && !options.has('d'),
            directory: options.has('d'),
            follow_all,
            follow_operands: follow_all || options.has('H'),
            follow_operand_directories: !long && !options.has('F') && !options.has('d'),
            needs_stat: long || sort_needs || options.has('s') || options.has('F') || (follow_all && options.has('R')),
            style,
        })
    }

    fn shows(&self, name: &str) -> bool {
        self.all || !name.starts_with('.') || (self.almost_all && name != "." && name != "..")
    }

    fn compare(&self, a: &Entry, b: &Entry) -> Ordering {
        let by_name = || a.name.cmp(&b.name);
        let order = match self.sort {
            Sort::None => return Ordering::Equal,
            Sort::Name => by_name(),
            Sort::Time => self.style.time_of(b).cmp(&self.style.time_of(a)).then_with(by_name),
            Sort::Size => b.size().cmp(&a.size()).then_with(by_name),
            Sort::Extension => extension(&a.name).cmp(extension(&b.name)).then_with(by_name),
            Sort::Version => super::filevercmp::filevercmp(&a.name, &b.name).then_with(by_name),
        };
        if self.reverse { order.reverse() } else { order }
    }

    fn sort(&self, entries: &mut [Entry]) {
        entries.sort_by(|a, b| {
            let first = if self.directories_first { b.is_dir().cmp(&a.is_dir()) } else { Ordering::Equal };
            first.then_with(|| self.compare(a, b))
        });
    }
}

fn extension(name: &str) -> &str {
    name.rfind('.').map_or("", |at| &name[at..])
}

struct Run<'a> {
    sys: &'a Sys,
    listing: Listing,
    status: i32,
    printed_something: bool,
}

impl Run<'_> {
    /// A failure: 2 when it concerns what was asked for, 1 when something below it.
    async fn fail(&mut self, serious: bool, what: &str, path: &str, e: Errno) {
        if self.sys.is_busybox() {
            let text = if what == "cannot open directory" { format!("can't open '{path}'") } else { path.to_owned() };
            self.sys.error(format!("{text}: {e}")).await;
            self.status = 1;
            return;
        }
        self.sys.error(format!("{what} {}: {e}", quoteaf(path))).await;
        self.status = self.status.max(if serious { 2 } else { 1 });
    }

    async fn operands(&mut self, operands: &[String]) {
        let (mut files, mut directories) = (Vec::new(), Vec::new());
        for operand in operands {
            match self.stat_operand(operand).await {
                Ok(stat) => {
                    let entry = self.entry(operand, operand, Some(stat), None).await;
                    if entry.is_dir() && !self.listing.directory { directories.push(entry) } else { files.push(entry) }
                }
                Err(e) => self.fail(true, "cannot access", operand, e).await,
            }
        }
        self.listing.sort(&mut files);
        self.listing.sort(&mut directories);
        if !files.is_empty() {
            self.print(&files, &directories).await;
            self.printed_something = true;
        }
        let headings = operands.len() > 1 || self.listing.recursive;
        for directory in directories {
            self.directory(directory.name, headings, true).await;
        }
    }

    async fn stat_operand(&self, path: &str) -> Result<Stat, Errno> {
        if self.listing.follow_operands {
            return self.sys.stat(path).await;
        }
        if self.listing.follow_operand_directories {
            // A link that leads nowhere is listed itself; any other trouble on the way is told.
            match self.sys.stat(path).await {
                Ok(stat) if stat.is_dir() => return Ok(stat),
                Ok(_) | Err(Errno::ENOENT | Errno::ELOOP) => {}
                Err(e) => return Err(e),
            }
        }
        self.sys.lstat(path).await
    }

    /// Lists a directory, and with -R those in it.
    async fn directory(&mut self, path: String, headings: bool, asked_for: bool) {
        // Depth first without recursion: what is found goes before what waits.
        let mut waiting = vec![(path, asked_for)];
        while let Some((path, asked_for)) = waiting.pop() {
            let below = self.one_directory(&path, headings, asked_for).await;
            waiting.extend(below.into_iter().rev().map(|p| (p, false)));
        }
    }

    /// Lists a directory and gives back the directories in it that are to follow.
    async fn one_directory(&mut self, path: &str, headings: bool, asked_for: bool) -> Vec<String> {
        let opened = self.sys.open(path, o::RDONLY | o::NONBLOCK | o::DIRECTORY | o::CLOEXEC, 0).await;
        let fd = match opened {
            Ok(fd) => fd,
            Err(e) => {
                self.fail(asked_for, "cannot open directory", path, e).await;
                return Vec::new();
            }
        };
        let names = self.sys.getdents(fd).await;
        let _ = self.sys.close(fd).await;
        if headings {
            let gap = if self.printed_something { "\n" } else { "" };
            self.sys.print(format!("{gap}{path}:\n")).await;
        }
        self.printed_something = true;
        let names = match names {
            Ok(names) => names,
            Err(e) => {
                self.fail(asked_for, "reading directory", path, e).await;
                Vec::new()
            }
        };
        let mut entries = Vec::new();
        for found in names {
            if !self.listing.shows(&found.d_name) {
                continue;
            }
            let full = if path == "." { found.d_name.clone() } else { join(path, &found.d_name) };
            let mut stat = None;
            if self.listing.needs_stat {
                let result =
                    if self.listing.follow_all { self.sys.stat(&full).await } else { self.sys.lstat(&full).await };
                match result {
                    Ok(known) => stat = Some(known),
                    Err(e) => self.fail(false, "cannot access", &full, e).await,
                }
            }
            entries.push(self.entry(&found.d_name, &full, stat, Some((found.d_ino, found.d_type))).await);
        }
        self.listing.sort(&mut entries);
        if self.listing.style.shows_total() {
            self.sys.print(self.listing.style.total(&entries)).await;
        }
        self.print(&entries, &[]).await;
        if !self.listing.recursive {
            return Vec::new();
        }
        let below = entries.iter().filter(|e| e.is_dir() && e.name != "." && e.name != "..");
        below.map(|e| join(path, &e.name)).collect()
    }

    /// What is known of a name: an operand, or one that a directory has.
    async fn entry(&mut self, name: &str, path: &str, stat: Option<Stat>, found: Option<(u64, u8)>) -> Entry {
        let (ino, d_type) = found.unwrap_or_default();
        let mut entry =
            Entry { name: name.to_owned(), stat, ino, d_type, target: None, target_mode: None, label: None };
        if self.listing.style.context {
            entry.label = self.sys.file_label(path, self.listing.follow_all).await.ok();
        }
        if entry.stat.is_some() && entry.file_type() == s::IFLNK && self.listing.style.look == Look::Long {
            match self.sys.readlink(path).await {
                Ok(target) => entry.target = Some(target),
                Err(e) => self.fail(found.is_none(), "cannot read symbolic link", path, e).await,
            }
            if self.listing.style.classify() {
                entry.target_mode = self.sys.stat(path).await.ok().map(|s| s.st_mode);
            }
        }
        entry
    }

    /// Prints entries; the columns are as wide as if the others stood there, too.
    async fn print(&mut self, entries: &[Entry], others: &[Entry]) {
        if self.listing.style.needs_accounts() {
            let accounts = self.sys.accounts().await;
            self.listing.style.set_accounts(accounts);
        }
        let text = self.listing.style.render(entries, others);
        self.sys.print(text).await;
    }
}

/// The path of a name in a directory.
pub(super) fn join(dir: &str, name: &str) -> String {
    if dir.ends_with('/') { format!("{dir}{name}") } else { format!("{dir}/{name}") }
}

/// Names are wanted; the accounts are read once, when they are first needed.
pub(super) type Names = Option<Accounts>;
