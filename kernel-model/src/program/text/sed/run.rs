//! Carrying out a script of sed: a cycle for each line, with the pattern space and the hold space.

use super::script::{Action, Address, Command};
use crate::errno::Errno;
use crate::program::Sys;
use crate::program::libc::{AT_FDCWD, o};
use crate::program::lines::{Lines, text};

/// The lines of the files, and where what is printed goes.
pub(super) struct Input {
    sys: Sys,
    /// The files that are left, the next one last.
    files: Vec<String>,
    current: Option<(String, Lines)>,
    /// The number of the line that was read last.
    number: u64,
    /// Each file is for itself: the last line of each is one.
    separate: bool,
    /// Files are written anew; what is appended to the name of the old one.
    in_place: Option<String>,
    /// What is to be the new contents of the file.
    written: String,
    status: i32,
}

/// A line, and the newline that it ends in.
struct Line {
    text: String,
    end: &'static str,
}

impl Input {
    pub(super) fn new(sys: Sys, files: Vec<String>, separate: bool, in_place: Option<String>) -> Input {
        let files = files.into_iter().rev().collect();
        let written = String::new();
        Input { sys, files, current: None, number: 0, separate, in_place, written, status: 0 }
    }

    async fn print(&mut self, text: &str) {
        match (&self.in_place, &self.current) {
            (Some(_), Some(_)) => self.written.push_str(text),
            _ => self.sys.print(text).await,
        }
    }

    /// Opens the next file that can be read. Whether there is one.
    async fn open_next(&mut self) -> bool {
        while let Some(file) = self.files.pop() {
            match Lines::open(&self.sys, &file).await {
                Ok(lines) => {
                    if self.separate {
                        self.number = 0;
                    }
                    self.current = Some((file, lines));
                    return true;
                }
                Err(e) => {
                    self.sys.error(format!("can't read {file}: {e}")).await;
                    self.status = 2;
                }
            }
        }
        false
    }

    /// The file has been read: it is closed, and put in its place when it was written anew.
    async fn finish(&mut self) {
        let Some((file, lines)) = self.current.take() else { return };
        lines.close(&self.sys).await;
        let text = std::mem::take(&mut self.written);
        if let Some(suffix) = self.in_place.clone()
            && file != "-"
            && let Err(e) = self.replace(&file, &text, &suffix).await
        {
            self.sys.error(format!("couldn't edit {file}: {e}")).await;
            self.status = 4;
        }
    }

    /// Writes a file beside the old one, with its owner and mode, and gives it the name (`output_missing_newline`,
    /// `read_pattern_space` and `ck_rename` of sed).
    async fn replace(&self, file: &str, text: &str, suffix: &str) -> Result<(), Errno> {
        let sys = &self.sys;
        let stat = sys.stat(file).await?;
        let dir = file.rfind('/').map_or("./", |slash| &file[..=slash]);
        let new = format!("{dir}sed{:06}", sys.getpid().await);
        let fd = sys.open(&new, o::WRONLY | o::CREAT | o::EXCL, 0o600).await?;
        let written = sys.write_all(fd, text.as_bytes()).await;
        sys.close(fd).await?;
        written?;
        // Who may not give the file away keeps it.
        let _ = sys.fchownat(AT_FDCWD, &new, stat.st_uid, stat.st_gid, 0).await;
        sys.chmod(&new, stat.st_mode & 0o7777).await?;
        if !suffix.is_empty() {
            let old = match suffix.contains('*') {
                true => format!("{dir}{}", suffix.replace('*', &file[dir.len().min(file.len())..])),
                false => format!("{file}{suffix}"),
            };
            sys.rename(file, &old).await?;
        }
        sys.rename(&new, file).await
    }

    /// The next line; `None` at the end of everything.
    async fn next(&mut self) -> Option<Line> {
        loop {
            if self.current.is_none() && !self.open_next().await {
                return None;
            }
            let sys = self.sys.clone();
            let (file, lines) = self.current.as_mut()?;
            match lines.next(&sys).await {
                Ok(Some(line)) => {
                    self.number += 1;
                    let ended = line.last() == Some(&b'\n');
                    let line = text(line.strip_suffix(b"\n").unwrap_or(&line)).into_owned();
                    return Some(Line { text: line, end: if ended { "\n" } else { "" } });
                }
                Ok(None) => self.finish().await,
                Err(e) => {
                    let message = match e {
                        Errno::EISDIR if self.in_place.is_some() => format!("couldn't edit {file}: not a regular file"),
                        e => format!("couldn't read {file}: {e}"),
                    };
                    sys.error(message).await;
                    self.status = if self.in_place.is_some() { 4 } else { 2 };
                    self.current = None;
                }
            }
        }
    }

    /// Whether the line that was read last is the last one, as `$` means it.
    async fn at_last(&mut self) -> bool {
        self.at_end_of_file().await && (self.separate || self.files.is_empty())
    }

    /// Whether there is nothing more to read (`test_eof`).
    async fn at_end(&mut self) -> bool {
        self.at_end_of_file().await && self.files.is_empty()
    }

    async fn at_end_of_file(&mut self) -> bool {
        let sys = self.sys.clone();
        match self.current.as_mut() {
            Some((_, lines)) => lines.at_end(&sys).await.unwrap_or(true),
            None => true,
        }
    }
}

/// How a cycle ends.
enum End {
    /// The pattern space is printed.
    Normal,
    /// It is not.
    Deleted,
    /// It is not, and what is left of it goes through the script again.
    Again,
    /// No more is read.
    Quit { status: i32, print: bool },
}

/// A script at work.
struct Machine {
    input: Input,
    quiet: bool,
    space: Line,
    hold: String,
    /// What is printed at the end of the cycle: texts, and contents of files.
    queue: Vec<String>,
    /// A substitution was made since the line was read.
    substituted: bool,
}

/// Runs a script over its input. The exit status.
pub(super) async fn run(input: Input, mut commands: Vec<Command>, quiet: bool) -> i32 {
    let mut machine = Machine {
        input,
        quiet,
        space: Line { text: String::new(), end: "\n" },
        hold: String::new(),
        queue: Vec::new(),
        substituted: false,
    };
    let mut again = false;
    loop {
        if !again {
            let Some(line) = machine.input.next().await else { break };
            machine.space = line;
        }
        again = false;
        let end = machine.cycle(&mut commands).await;
        let print = match end {
            End::Normal => true,
            End::Deleted => false,
            End::Again => {
                again = true;
                false
            }
            End::Quit { print, .. } => print,
        };
        if print && !quiet {
            machine.print_space().await;
        }
        machine.print_queue().await;
        if let End::Quit { status, .. } = end {
            machine.copy_rest().await;
            return if status == 0 { machine.input.status } else { status };
        }
    }
    machine.input.status
}

impl Machine {
    async fn print_space(&mut self) {
        let text = format!("{}{}", self.space.text, self.space.end);
        self.input.print(&text).await;
    }

    async fn print_queue(&mut self) {
        for text in std::mem::take(&mut self.queue) {
            // What follows a line without newline begins on a line of its own.
            if self.space.end.is_empty() {
                self.input.print("\n").await;
                self.space.end = "\n";
            }
            self.input.print(&text).await;
        }
    }

    /// After `q`, the rest of a file that is written anew stays (`dump_append`, `closedown`).
    async fn copy_rest(&mut self) {
        if self.input.in_place.is_none() {
            return;
        }
        let sys = self.input.sys.clone();
        while let Some((_, lines)) = self.input.current.as_mut()
            && let Ok(Some(line)) = lines.next(&sys).await
        {
            let line = text(&line).into_owned();
            self.input.written.push_str(&line);
        }
        self.input.finish().await;
    }

    /// The next line in place of the pattern space. Whether there is one.
    async fn read_next(&mut self) -> Option<Line> {
        if self.input.at_end().await {
            return None;
        }
        self.print_queue().await;
        self.substituted = false;
        self.input.next().await
    }

    async fn cycle(&mut self, commands: &mut [Command]) -> End {
        self.substituted = false;
        let mut at = 0;
        while at < commands.len() {
            let Some(command) = commands.get_mut(at) else { break };
            at += 1;
            // Only who asks for the last line has to know what comes next.
            let last = command.asks_for_last() && self.input.at_last().await;
            let applies = command.applies(&self.space.text, self.input.number, last);
            if !applies {
                if let Action::Block(end) = command.action {
                    at = end;
                }
                continue;
            }
            let range_goes_on = command.to.is_some() && command.inside && !command.inverted;
            match &command.action {
                Action::Block(_) | Action::Nothing => {}
                Action::Print => self.print_space().await,
                Action::PrintFirst => {
                    let text = format!("{}\n", self.space.text.split('\n').next().unwrap_or_default());
                    self.input.print(&text).await;
                }
                Action::Number => {
                    let text = format!("{}\n", self.input.number);
                    self.input.print(&text).await;
                }
                Action::FileName => {
                    let name = self.input.current.as_ref().map_or("-", |(name, _)| name).to_owned();
                    self.input.print(&format!("{name}\n")).await;
                }
                Action::Delete => return End::Deleted,
                Action::DeleteFirst => match self.space.text.split_once('\n') {
                    None => return End::Deleted,
                    Some((_, rest)) => {
                        self.space.text = rest.to_owned();
                        return End::Again;
                    }
                },
                Action::Quit { status, print } => return End::Quit { status: *status, print: *print },
                Action::Substitute(substitution) => {
                    if let Some(new) = substitution.apply(&self.space.text) {
                        self.space.text = new;
                        self.substituted = true;
                        if substitution.print {
                            self.print_space().await;
                        }
                    }
                }
                Action::Translate(map) => {
                    self.space.text = self.space.text.chars().map(|c| map.get(&c).copied().unwrap_or(c)).collect();
                }
                Action::Next => {
                    if !self.input.at_end().await && !self.quiet {
                        self.print_space().await;
                    }
                    match self.read_next().await {
                        Some(line) => self.space = line,
                        None => return End::Quit { status: 0, print: true },
                    }
                }
                Action::AppendNext => match self.read_next().await {
                    Some(line) => {
                        self.space.text.push('\n');
                        self.space.text.push_str(&line.text);
                        self.space.end = line.end;
                    }
                    None => return End::Quit { status: 0, print: true },
                },
                Action::Get => self.space.text = self.hold.clone(),
                Action::GetAppend => {
                    self.space.text.push('\n');
                    self.space.text.push_str(&self.hold);
                }
                Action::Hold => self.hold = self.space.text.clone(),
                Action::HoldAppend => {
                    self.hold.push('\n');
                    self.hold.push_str(&self.space.text);
                }
                Action::Exchange => std::mem::swap(&mut self.space.text, &mut self.hold),
                Action::Zap => self.space.text.clear(),
                Action::Append(text) => self.queue.push(text.clone()),
                Action::Insert(text) => {
                    let text = text.clone();
                    self.input.print(&text).await;
                }
                Action::Change(text) => {
                    if !range_goes_on {
                        let text = text.clone();
                        self.input.print(&text).await;
                    }
                    return End::Deleted;
                }
                Action::ReadFile(name) => {
                    // A file that cannot be read is an empty one.
                    let text = self.input.sys.read_file(name).await.unwrap_or_default();
                    if !text.is_empty() {
                        self.queue.push(text);
                    }
                }
                Action::Branch(to) => at = *to,
                Action::BranchIf(wanted, to) => {
                    if self.substituted == *wanted {
                        at = *to;
                    }
                    self.substituted = false;
                }
            }
        }
        End::Normal
    }
}

impl Command {
    fn asks_for_last(&self) -> bool {
        [&self.from, &self.to].into_iter().any(|address| matches!(address, Some(Address::Last)))
    }

    /// Whether the command applies to this line (`match_address_p`).
    fn applies(&mut self, space: &str, number: u64, last: bool) -> bool {
        let at = |address: &Address| match address {
            Address::Line(n) => *n == number,
            Address::Last => last,
            Address::Match(regex) => regex.is_match(space.as_bytes()),
            Address::Every(first, 0) => *first == number,
            Address::Every(first, step) => number >= *first && (number - first).is_multiple_of(*step),
            Address::Plus(_) | Address::Multiple(_) => false,
        };
        let applies = match (&self.from, &self.to) {
            (None, _) => true,
            (Some(from), None) => at(from),
            (Some(_), Some(to)) if self.inside => {
                let past = matches!(to, Address::Line(n) if *n < number);
                self.inside = !(past || self.until.is_some_and(|n| n <= number) || at(to));
                !past
            }
            // `0,/REGEX/`: the range may end with the first line.
            (Some(Address::Line(0)), Some(Address::Match(regex))) if number == 1 => {
                self.inside = !regex.is_match(space.as_bytes());
                true
            }
            (Some(from), Some(to)) => {
                let begins = at(from);
                self.until = match to {
                    Address::Plus(n) => Some(number.saturating_add(*n)),
                    Address::Multiple(n) if *n > 0 => Some(number.div_ceil(*n).saturating_mul(*n)),
                    Address::Multiple(_) => Some(number),
                    Address::Line(n) => Some(*n),
                    _ => None,
                };
                self.inside = begins && self.until.is_none_or(|n| n > number) && !(matches!(to, Address::Last) && last);
                begins
            }
        };
        applies != self.inverted
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::run;

    #[test]
    fn texts_before_and_after() {
        assert_eq!(run(&["seq 3 | sed -e '$a end' -e '1i begin' -e '2c two'"]), "begin\n1\ntwo\n3\nend\n");
        assert_eq!(run(&["seq 4 | sed '2,3c\\\nmiddle'"]), "1\nmiddle\n4\n");
        assert_eq!(run(&["printf 'a\\nb' | sed 'a x'"]), "a\nx\nb\nx\n");
    }

    #[test]
    fn two_spaces() {
        assert_eq!(run(&["seq 3 | sed '1!G;h;$!d'"]), "3\n2\n1\n");
        assert_eq!(run(&["seq 4 | sed 'N;s/\\n/ /'"]), "1 2\n3 4\n");
        assert_eq!(run(&["seq 3 | sed -n '$!{n;p}'"]), "2\n");
        assert_eq!(run(&["printf 'a\\n\\n\\nb\\n' | sed '/^$/{N;/^\\n$/D}'"]), "a\n\nb\n");
        assert_eq!(run(&["echo aaa | sed ':x;s/a/b/;tx'"]), "bbb\n");
        assert_eq!(run(&["echo abc | sed 'y/abc/xyz/;q7'"]), "xyz\n[exit 7]\n");
    }

    #[test]
    fn addresses() {
        assert_eq!(run(&["seq 6 | sed -n '0~3p;2,+1p'"]), "2\n3\n3\n6\n");
        assert_eq!(run(&["printf 'a\\na\\n' | sed '0,/a/s//x/'"]), "x\na\n");
        assert_eq!(run(&["seq 3 | sed '\\,2,d'"]), "1\n3\n");
        assert_eq!(run(&["seq 3 | sed -n '2,+18446744073709551615p'"]), "2\n3\n");
        assert_eq!(run(&["printf 'a]b\\n' | sed 's/[]/]/[/;s/[[:alpha:]]b*/x/'"]), "x[b\n");
    }

    #[test]
    fn what_is_not_modelled_is_no_mistake() {
        let message = "option `w' of the command `s' is not modelled in Ringside; see 'help sed'";
        assert_eq!(run(&["sed s/a/b/w"]), format!("sed: -e expression #1, char 7: {message}\n[exit 1]\n"));
    }

    #[test]
    fn files_are_written_anew() {
        let lines = ["seq 2 > f; chmod 640 f; sed -i.old 's/1/x/' f; cat f f.old; stat -c %a f", "sed -i p /nope"];
        assert_eq!(run(&lines), "x\n2\n1\n2\n640\nsed: can't read /nope: No such file or directory\n[exit 2]\n");
    }

    #[test]
    fn what_is_no_script() {
        let wrong = |script: &str| run(&[&format!("sed '{script}' /etc/hostname")]);
        assert_eq!(wrong("{p"), "sed: -e expression #1, char 0: unmatched `{'\n[exit 1]\n");
        assert_eq!(wrong("p}"), "sed: -e expression #1, char 2: unexpected `}'\n[exit 1]\n");
        assert_eq!(wrong("nosuch"), "sed: -e expression #1, char 2: extra characters after command\n[exit 1]\n");
        assert_eq!(wrong("s/x/y"), "sed: -e expression #1, char 5: unterminated `s' command\n[exit 1]\n");
    }
}
