//! A shell script, command by command.

use brush_parser::{Parser, ParserOptions};
use kernel_model::security::lsm::LsmChoice;
use std::fmt;
use std::path::Path;

/// A script of complete commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The world that it wants to run in.
    pub world: StandardWorld,
    /// The security module that is to be active there: scripts whose header says `# lsm: apparmor` or `# lsm: selinux`.
    pub lsm: LsmChoice,
    /// Its commands, without comments and blank lines between them.
    pub commands: Vec<ScriptCommand>,
}

/// One complete command: a line, or the lines of a loop or a here-document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptCommand {
    /// Number of its first line.
    pub line: usize,
    /// Its text without the last newline.
    pub text: String,
}

/// Which of the two standard worlds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StandardWorld {
    /// Controllers in hierarchies of their own, as in control groups version 1.
    #[default]
    V1,
    /// One hierarchy with all controllers: scripts whose header says `# world: v2`.
    V2,
}

/// What is wrong with a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// Line in which the command begins that cannot be parsed.
    pub line: usize,
    /// What the parser says.
    pub message: String,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for SyntaxError {}

/// More lines than anybody writes as one command. Bounds the work on a script that never completes one.
const COMMAND_LINES_MAX: usize = 1000;

impl Script {
    /// Cuts a script into its commands: each ends with the first line after which it is complete.
    pub fn parse(text: &str) -> Result<Script, SyntaxError> {
        let mut commands: Vec<ScriptCommand> = Vec::new();
        let mut open: Option<ScriptCommand> = None;
        for (line, number) in text.split('\n').zip(1..) {
            let command = match open.take() {
                None if line.trim().is_empty() || line.trim_start().starts_with('#') => continue,
                None => ScriptCommand { line: number, text: line.to_owned() },
                Some(begun) => ScriptCommand { text: format!("{}\n{line}", begun.text), ..begun },
            };
            if !line.ends_with('\\') && incompleteness(&command.text).is_none() {
                commands.push(command);
            } else if number - command.line >= COMMAND_LINES_MAX {
                return Err(unfinished(&command));
            } else {
                open = Some(command);
            }
        }
        match open {
            Some(command) => Err(unfinished(&command)),
            None => Ok(Script { world: world_of(text), lsm: lsm_of(text), commands }),
        }
    }

    /// The same script, found in this file: in a folder called `cgroup2` scripts are for the world with version 2 even
    /// when their header does not say so, as the recordings on a freshly booted kernel.
    #[must_use]
    pub fn found_in(mut self, file: &Path) -> Script {
        // `freeze.sh`, named from within the folder, is in it, too.
        let file = file.canonicalize().unwrap_or_else(|_| file.to_owned());
        if file.parent().and_then(Path::file_name).is_some_and(|folder| folder == "cgroup2") {
            self.world = StandardWorld::V2;
        }
        self
    }
}

/// The world that the comments at the head of a script ask for.
fn world_of(text: &str) -> StandardWorld {
    let head = text.lines().take_while(|line| line.trim().is_empty() || line.starts_with('#'));
    let asks_for_v2 = |line: &str| line.trim_start_matches('#').trim() == "world: v2";
    if head.into_iter().any(asks_for_v2) { StandardWorld::V2 } else { StandardWorld::V1 }
}

/// The security module that the comments at the head of a script ask for: `# lsm: apparmor`.
fn lsm_of(text: &str) -> LsmChoice {
    let head = text.lines().take_while(|line| line.trim().is_empty() || line.starts_with('#'));
    let asks_for =
        |line: &str| line.trim_start_matches('#').trim().strip_prefix("lsm: ").and_then(LsmChoice::from_name);
    head.into_iter().find_map(asks_for).unwrap_or_default()
}

/// The error of a command that never became complete: the one of its first line when that line is
/// wrong whatever follows.
fn unfinished(command: &ScriptCommand) -> SyntaxError {
    let first = command.text.lines().next().unwrap_or_default();
    let said = |text: &str| match incompleteness(text) {
        Some(Incomplete::Wrong(message)) => Some(message),
        _ => None,
    };
    let message = said(first).or_else(|| said(&command.text)).unwrap_or_else(|| "the command is not complete".into());
    SyntaxError { line: command.line, message: format!("{message}: {first}") }
}

/// Why some text is not a complete command.
enum Incomplete {
    /// It may become one with more lines.
    More,
    /// It is wrong.
    Wrong(String),
}

fn incompleteness(text: &str) -> Option<Incomplete> {
    let options = ParserOptions { enable_extended_globbing: false, ..ParserOptions::default() };
    let mut text = text.to_owned();
    text.push('\n');
    match Parser::new(text.as_bytes(), &options).parse_program() {
        Ok(_) => None,
        Err(brush_parser::ParseError::ParsingAtEndOfInput) => Some(Incomplete::More),
        Err(brush_parser::ParseError::Tokenizing { inner, .. }) if inner.is_incomplete() => Some(Incomplete::More),
        Err(error) => Some(Incomplete::Wrong(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands(text: &str) -> Vec<String> {
        Script::parse(text).expect("a script").commands.into_iter().map(|command| command.text).collect()
    }

    #[test]
    fn a_command_ends_with_the_line_that_completes_it() {
        assert_eq!(
            commands(
                "# title\n\necho a; \\\n echo b\nfor i in 1\ndo\n  # in it\n  :\ndone\ncat <<X\n$a\nX\necho 'a\nb'\n"
            ),
            ["echo a; \\\n echo b", "for i in 1\ndo\n  # in it\n  :\ndone", "cat <<X\n$a\nX", "echo 'a\nb'"]
        );
        assert_eq!(commands("a &&\nb\nf() {\n:\n}\nx=$(\na)\n"), ["a &&\nb", "f() {\n:\n}", "x=$(\na)"]);
    }

    #[test]
    fn what_never_completes_is_an_error_with_its_line() {
        for (script, line) in [("echo\nif true\n", 2), ("a\n\nfi\nb\n", 3), ("echo 'x\n", 1), ("echo )\n", 1)] {
            assert_eq!(Script::parse(script).expect_err(script).line, line, "{script}");
        }
    }

    #[test]
    fn the_folder_chooses_the_world_where_the_header_does_not() {
        let world = |file| Script::parse("echo").expect("a script").found_in(Path::new(file)).world;
        assert_eq!(world("recordings/cgroup2/freeze.sh"), StandardWorld::V2);
        assert_eq!(world("recordings/shell/freeze.sh"), StandardWorld::V1);
    }

    #[test]
    fn the_header_chooses_the_world() {
        let world = |text| Script::parse(text).expect("a script").world;
        assert_eq!(world("# title: x\n# world: v2\necho"), StandardWorld::V2);
        assert_eq!(world("# title: x\necho\n# world: v2"), StandardWorld::V1);
    }
}
