//! `help`: what exists, and what is modelled of it.

use crate::program;
use crate::program::Sys;
use crate::program::registry::{self, Program};
use crate::shell;

program!(
    HELP = "help" in "/usr/bin",
    "list the commands that exist, or explain one",
    main,
    "[COMMAND]...  say what is modelled of each; without one, list all"
);

async fn main(sys: Sys) -> i32 {
    let names: Vec<String> = sys.argv().iter().skip(1).filter(|a| *a != "--").cloned().collect();
    if names.is_empty() {
        sys.print(overview()).await;
        return 0;
    }
    let mut status = 0;
    for (i, name) in names.iter().enumerate() {
        if i > 0 {
            sys.print("\n").await;
        }
        match describe(name) {
            Some(text) => sys.print(text).await,
            None => {
                let near = shell::suggest(name).map(|n| format!(" Did you mean {n}?")).unwrap_or_default();
                sys.flush().await;
                sys.eprint(format!("help: there is no command {name} here.{near} Try help alone for a list.\n")).await;
                status = 1;
            }
        }
    }
    status
}

/// Everything by area, one line each.
fn overview() -> String {
    let mut text = String::from("help COMMAND says what is modelled of a command.\n");
    for (area, programs) in registry::areas() {
        text.push_str(&format!("\n{area}\n"));
        let mut rows: Vec<(&str, &str)> = programs.iter().map(|p| (p.name, p.summary)).collect();
        rows.sort_unstable();
        for (name, summary) in rows {
            text.push_str(&format!("  {name:<14} {summary}\n"));
        }
    }
    text.push_str("\nCommands of the shell itself\n");
    for builtin in shell::builtins() {
        text.push_str(&format!("  {:<14} {}\n", builtin.name, builtin.summary));
    }
    text
}

/// What there is to say about one command.
fn describe(name: &str) -> Option<String> {
    let program = registry::find(name).map(program_text);
    let builtin = shell::builtins().iter().find(|b| b.name == name).map(|b| {
        let kind = if b.special { "special builtin of the shell" } else { "builtin of the shell" };
        format!("{name}: {} ({kind})\nusage: {}\n", b.summary, b.synopsis)
    });
    match (builtin, program) {
        (Some(b), Some(p)) => Some(format!("{b}\nThere is a program of this name, too:\n{p}")),
        (b, p) => b.or(p),
    }
}

fn program_text(program: &Program) -> String {
    let mut text = format!("{}: {} ({}/{})\n", program.name, program.summary, program.dir, program.name);
    if !program.usage.is_empty() {
        text.push_str("modelled:\n");
        for line in program.usage.lines() {
            text.push_str(&format!("  {line}\n"));
        }
    }
    text
}
