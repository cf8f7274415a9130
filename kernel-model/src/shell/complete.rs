//! Completion for a terminal: what could stand at the cursor.

use crate::kernel::Trace;
use crate::program::libc::{AT_FDCWD, o};
use crate::program::registry;
use crate::program::{Image, Resume};
use crate::pv_ops::NoMachine;
use crate::step::Running;
use crate::syscall::{Call, Sysno, Value};
use crate::task::TaskId;
use crate::world::World;

/// The `d_type` of a directory.
const DT_DIR: i64 = 4;

/// What could stand at the cursor.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Completion {
    /// The byte of the line where the word begins that is completed.
    pub start: usize,
    /// What the word could be, in order. Directories end in a slash.
    pub candidates: Vec<String>,
}

/// Completes the word before the cursor (a byte of the line), as the shell that runs in `task` sees the world.
pub fn complete(world: &World, task: TaskId, line: &str, cursor: usize) -> Completion {
    let before = line.get(..cursor).unwrap_or(line);
    let start = word_start(before);
    let word = &before[start..];
    let shell = world.tasks.get(task).map(|t| &t.user);
    let state = shell.and_then(|user| match &user.resume {
        Resume::Shell(state) => Some(state),
        _ => None,
    });
    if let Some(at) = word.rfind('$') {
        let (braced, prefix) = match word[at + 1..].strip_prefix('{') {
            Some(prefix) => (true, prefix),
            None => (false, &word[at + 1..]),
        };
        if prefix.chars().all(super::word::is_name_char) {
            let names: Vec<String> = match (state, shell) {
                (Some(state), _) => state.vars.keys().map(|k| k.to_string()).collect(),
                (None, Some(user)) => names_of(&user.image),
                (None, None) => Vec::new(),
            };
            let skip = word.len() - prefix.len();
            let end = if braced { "}" } else { "" };
            let found = names.into_iter().filter(|n| n.starts_with(prefix)).map(|n| format!("{n}{end}"));
            return finish(start + skip, found.collect());
        }
    }
    if is_command_position(&before[..start]) && !word.contains('/') {
        let programs = registry::programs().map(|p| p.name);
        let builtins = super::builtins().iter().map(|b| b.name);
        let mut names: Vec<String> = programs.chain(builtins).map(str::to_owned).collect();
        if let Some(state) = state {
            names.extend(state.functions.keys().map(|k| k.to_string()));
        }
        names.retain(|n| n.starts_with(word) && n != "[" && n != ":" && n != ".");
        return finish(start, names);
    }
    finish(start, paths(world, task, word))
}

fn finish(start: usize, mut candidates: Vec<String>) -> Completion {
    candidates.sort();
    candidates.dedup();
    Completion { start, candidates }
}

/// The names in an environment.
fn names_of(image: &Image) -> Vec<String> {
    image.envp.iter().filter_map(|v| v.split_once('=')).map(|(n, _)| n.to_owned()).collect()
}

/// Where the word at the end of the text begins.
fn word_start(text: &str) -> usize {
    let separates = |c: char| c.is_whitespace() || matches!(c, ';' | '&' | '|' | '(' | ')' | '<' | '>' | '=' | '`');
    text.char_indices().rev().find(|(_, c)| separates(*c)).map_or(0, |(i, c)| i + c.len_utf8())
}

/// Whether a command stands behind this text.
fn is_command_position(before: &str) -> bool {
    let trimmed = before.trim_end();
    if trimmed.is_empty() || trimmed.ends_with(['|', '&', ';', '(', '`', '{', '\n']) {
        return true;
    }
    // These run the command behind them.
    const OPENERS: [&str; 14] = [
        "if", "then", "else", "elif", "while", "until", "do", "!", "time", "exec", "command", "xargs", "sudo", "nohup",
    ];
    let last = trimmed.rsplit(|c: char| c.is_whitespace() || matches!(c, ';' | '&' | '|' | '(')).next().unwrap_or("");
    before.ends_with(char::is_whitespace) && OPENERS.contains(&last)
}

/// Names in the file system that begin so.
fn paths(world: &World, task: TaskId, word: &str) -> Vec<String> {
    let (dir, prefix) = match word.rfind('/') {
        Some(i) => word.split_at(i + 1),
        None => ("", word),
    };
    entries(world, task, if dir.is_empty() { "." } else { dir })
        .into_iter()
        .filter(|(name, _)| name.starts_with(prefix) && (prefix.starts_with('.') || !name.starts_with('.')))
        .map(|(name, is_dir)| format!("{dir}{name}{}", if is_dir { "/" } else { "" }))
        .collect()
}

/// What is in a directory, and whether it is a directory itself. The question is put to a copy of the world,
/// in the shell's own name: permissions, mounts and a changed root count as they would for its commands.
fn entries(world: &World, task: TaskId, dir: &str) -> Vec<(String, bool)> {
    let mut copy = Running::new(world.clone(), NoMachine);
    let mut call =
        |nr: Sysno, args: Vec<Value>| copy.call_as(task, Call { nr, args }, &mut Trace::silent()).and_then(Result::ok);
    let flags = o::RDONLY | o::DIRECTORY;
    let Some(opened) = call(Sysno::OPENAT, vec![AT_FDCWD.into(), dir.into(), flags.into(), 0.into()]) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    while let Some(ret) = call(Sysno::GETDENTS64, vec![opened.value.into(), Value::Null, 32_768.into()])
        && ret.value > 0
    {
        for entry in ret.output(1).as_list().unwrap_or_default() {
            let name = entry.field("d_name").and_then(Value::as_str).unwrap_or_default();
            let is_dir = entry.field("d_type").and_then(Value::as_int) == Some(DT_DIR);
            if name != "." && name != ".." {
                found.push((name.to_owned(), is_dir));
            }
        }
    }
    found
}
