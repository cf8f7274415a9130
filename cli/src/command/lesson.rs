//! `ringside lesson`: for authors.

use crate::page::{self, Flavour};
use crate::preview::{self, State};
use crate::server;
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use lessons::catalog::{Catalog, LESSON_FILE};
use lessons::proof::{Names, faults, reading_minutes, stale};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::thread;

/// Write and check lessons.
#[derive(Args, Debug)]
pub struct LessonCommand {
    #[command(subcommand)]
    command: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Begin a lesson: make its folder with a draft that can be checked
    New {
        /// The folder, for instance lessons/course/25-mounts
        folder: PathBuf,
        /// Title of the lesson
        #[arg(long, default_value = "A lesson without a title")]
        title: String,
        /// What it is: lesson, lab or lecture
        #[arg(long, default_value = "lesson", value_parser = ["lesson", "lab", "lecture"])]
        kind: String,
    },
    /// Prove lessons: the start fails every task, the solution passes all, wrong answers get their hints, links lead
    /// somewhere. Exit status 1 when something is wrong
    Check {
        /// Folders of lessons, or of a course; the course of this program when there are none
        folders: Vec<PathBuf>,
    },
    /// Show a lesson in the page while it is being written: each time it is saved, it is checked and shown anew
    Preview {
        /// The folder of the lesson, or of a course
        folder: PathBuf,
        /// Port to listen on, 0 for any free one [default: 7007, or the next free port]
        #[arg(long, value_name = "PORT")]
        port: Option<u16>,
        /// Open the page in the default browser
        #[arg(long)]
        open: bool,
    },
}

impl LessonCommand {
    pub(super) fn execute(self) -> Result<ExitCode> {
        match self.command {
            What::New { folder, title, kind } => new(&folder, &title, &kind),
            What::Check { folders } => check(&folders),
            What::Preview { folder, port, open } => preview(&folder, port, open),
        }
    }
}

fn check(folders: &[PathBuf]) -> Result<ExitCode> {
    let catalogs = match folders {
        [] => vec![Catalog::built_in()?],
        folders => folders.iter().map(|folder| Catalog::of_folder(folder)).collect::<Result<_, _>>()?,
    };
    let mut wrong = 0;
    let mut all = 0;
    for catalog in &catalogs {
        let beside: Vec<String> = folders.iter().flat_map(|folder| preview::beside(folder)).collect();
        let names: Names<'_> =
            catalog.entries.iter().map(|e| e.lesson.id.as_str()).chain(beside.iter().map(String::as_str)).collect();
        for entry in &catalog.entries {
            all += 1;
            let faults = faults(entry, &names);
            let lesson = &entry.lesson;
            if faults.is_empty() {
                let (id, minutes) = (&lesson.id, reading_minutes(lesson));
                let (tasks, wrong, points) = (lesson.tasks.len(), entry.proofs.wrong.len(), lesson.points());
                println!("{id}: ok ({tasks} tasks, {wrong} wrong answers, {points} points, {minutes} min)");
            } else {
                wrong += 1;
                println!("{}: wrong", lesson.id);
                faults.iter().for_each(|fault| println!("  {fault}"));
            }
            stale(entry).iter().for_each(|remark| println!("  {remark}"));
        }
    }
    if all == 0 {
        bail!("there is no lesson");
    }
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn preview(folder: &Path, port: Option<u16>, open: bool) -> Result<ExitCode> {
    let folder = folder.canonicalize().with_context(|| format!("cannot look at {}", folder.display()))?;
    // First, so that what is no lesson and a port that is taken are known before a minute of compiling.
    Catalog::of_folder(&folder)?;
    let listener = server::bind(port)?;
    let page = page::build(Flavour::Development)?;
    let state = Arc::new(Mutex::new(State::default()));
    let app = preview::router(&page.folder, folder.clone(), Arc::clone(&state))?;
    let address = format!("http://{}/", listener.local_addr()?);
    println!("The lesson is at {address}  (Ctrl-C ends it)");
    thread::spawn(move || {
        preview::watch(&folder, &state, |now| match now.faults.as_slice() {
            [] => println!("saved: nothing is wrong"),
            faults => faults.iter().for_each(|fault| println!("saved: {fault}")),
        });
    });
    if open && let Err(error) = open::that_detached(&address) {
        eprintln!("ringside: no browser could be started ({error}): open {address} yourself");
    }
    server::serve(listener, app)?;
    Ok(ExitCode::SUCCESS)
}

fn new(folder: &Path, title: &str, kind: &str) -> Result<ExitCode> {
    let file = folder.join(LESSON_FILE);
    if file.exists() {
        bail!("{} is there already", file.display());
    }
    fs::create_dir_all(folder)?;
    let title = title.replace(['"', '\\', '\n'], " ");
    fs::write(&file, DRAFT.replace("{title}", &title).replace("{kind}", kind))?;
    println!("{}: begun. Next: ringside lesson check {}", file.display(), folder.display());
    Ok(ExitCode::SUCCESS)
}

/// What a new lesson begins with: small, and it passes its check.
const DRAFT: &str = r#"+++
title = "{title}"
kind = "{kind}"
summary = "One sentence for the list of lessons."
minutes = 5
sources = ["uts_namespaces(7)"]

[[task]]
id = "rename"
ask = "Call the machine `box`, in a UTS namespace of your own."
points = 1
check = 'namespaces.exists(n, n.kind == "uts" && n.hostname == "box" && n.inum != init.ns.uts)'
solution = ["unshare --uts sh -c 'hostname box; sleep 1000; true' &", "sleep 1"]

[[task.hint]]
id = "whole-machine"
check = 'namespaces.exists(n, n.inum == init.ns.uts && n.hostname == "box")'
say = "Now the whole machine has another name. Make a namespace first."

[[task.hint]]
id = "start"
say = "`unshare --uts` starts a program in a UTS namespace of its own."

[[wrong]]
name = "without a namespace"
task = "rename"
hint = "whole-machine"
run = ["hostname box"]

[[rubric]]
criterion = "The name is changed where it should be, and only there"
points = 1
by = ["rename"]
+++

# A name of one's own

Say what there is to be seen, in few words.

{{task rename}}
"#;
