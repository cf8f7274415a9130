//! What is modelled and what is not, made from the records of the system calls and of the programs: the page
//! "Coverage" and `docs/coverage.md`.

use std::fmt::Write;

use crate::program::registry;
use crate::syscall::{self, Arg, NAMES, Support, Sysno};

/// How much of a call there is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Extent {
    /// All that can matter here.
    Modelled,
    /// A part; the sentence says what is left out.
    Partly,
    /// The call is known and does nothing; the sentence says why.
    Known,
    /// There is no record of it: the call gives ENOSYS.
    Absent,
}

/// One system call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallRow {
    /// Its number on x86-64.
    pub nr: u16,
    /// Its name.
    pub name: &'static str,
    /// Its manual page; empty for a call without a record.
    pub man: &'static str,
    /// How much of it there is.
    pub extent: Extent,
    /// What is left out, or why it does nothing.
    pub sentence: &'static str,
    /// The flags and values that are known by name, a parameter each.
    pub flags: Vec<(&'static str, Vec<&'static str>)>,
    /// The errors that it can give.
    pub errors: Vec<&'static str>,
}

/// One program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProgramRow {
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub summary: &'static str,
    /// The options that are modelled, as `help` prints them.
    pub usage: &'static str,
}

/// Everything that can be asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Coverage {
    /// All system calls of x86-64, by number.
    pub calls: Vec<CallRow>,
    /// Programs by area.
    pub areas: Vec<(&'static str, Vec<ProgramRow>)>,
}

impl Extent {
    /// All of them.
    pub const ALL: [Extent; 4] = [Extent::Modelled, Extent::Partly, Extent::Known, Extent::Absent];

    /// What a list calls it.
    pub fn label(self) -> &'static str {
        match self {
            Extent::Modelled => "modelled",
            Extent::Partly => "partly modelled",
            Extent::Known => "known, without effect",
            Extent::Absent => "not modelled",
        }
    }

    /// Its sign: told apart by shape first.
    pub fn sign(self) -> &'static str {
        match self {
            Extent::Modelled => "●",
            Extent::Partly => "◐",
            Extent::Known => "○",
            Extent::Absent => "–",
        }
    }
}

impl Coverage {
    /// From the records.
    pub fn of_records() -> Coverage {
        let calls = NAMES.iter().map(|(nr, name)| call_row(*nr, name)).collect();
        let areas = registry::areas()
            .map(|(area, programs)| {
                let row =
                    |p: &&'static registry::Program| ProgramRow { name: p.name, summary: p.summary, usage: p.usage };
                let mut rows: Vec<ProgramRow> = programs.iter().map(row).collect();
                rows.sort_by_key(|row| row.name);
                (area, rows)
            })
            .collect();
        Coverage { calls, areas }
    }

    /// How many calls are this far.
    pub fn count(&self, extent: Extent) -> usize {
        self.calls.iter().filter(|row| row.extent == extent).count()
    }

    /// How many programs there are.
    pub fn programs(&self) -> usize {
        self.areas.iter().map(|(_, rows)| rows.len()).sum()
    }

    /// `160 of 380 system calls modelled in full, 20 in part, ...`
    pub fn summary(&self) -> String {
        format!(
            "{} of {} system calls are modelled, {} in part, {} are known and have no effect, {} are not modelled. There are {} programs.",
            self.count(Extent::Modelled),
            self.calls.len(),
            self.count(Extent::Partly),
            self.count(Extent::Known),
            self.count(Extent::Absent),
            self.programs()
        )
    }

    /// Everything as Markdown; `conformance` is the figure of the recordings, a paragraph.
    pub fn markdown(&self, conformance: &str) -> String {
        let mut out = String::from("# Coverage\n\n");
        let _ = writeln!(
            out,
            "What the model has of Linux, and what it does not. This page is generated from the records of the system\n\
             calls and of the programs: `cargo run -- coverage`. The same list is in the page, as the view \"Coverage\".\n\n\
             {}\n\n## Conformance\n\n{conformance}\n",
            self.summary()
        );
        for extent in [Extent::Modelled, Extent::Partly, Extent::Known] {
            let _ = write!(out, "## System calls: {}\n\n", extent.label());
            out.push_str("| nr | call | what is left out | flags and values by name | errors |\n| ---: | --- | --- | --- | --- |\n");
            for row in self.calls.iter().filter(|row| row.extent == extent) {
                let flags: Vec<String> =
                    row.flags.iter().map(|(arg, names)| format!("{arg}: {}", names.join(" "))).collect();
                let _ = writeln!(
                    out,
                    "| {} | {} | {} | {} | {} |",
                    row.nr,
                    row.name,
                    cell(row.sentence),
                    cell(&flags.join("; ")),
                    row.errors.join(" ")
                );
            }
            out.push('\n');
        }
        let absent: Vec<&str> = self.calls.iter().filter(|r| r.extent == Extent::Absent).map(|r| r.name).collect();
        let _ = write!(
            out,
            "## System calls: {}\n\nThese give ENOSYS, with an event that says so.\n\n{}\n\n## Programs\n",
            Extent::Absent.label(),
            folded(&absent)
        );
        for (area, rows) in &self.areas {
            let _ = write!(
                out,
                "\n### {area}\n\n| program | what it is for | options that are modelled |\n| --- | --- | --- |\n"
            );
            for row in rows {
                let usage: Vec<&str> = row.usage.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
                let usage: Vec<String> =
                    usage.into_iter().map(|line| format!("`{}`", cell(line).replace('`', "'"))).collect();
                let _ = writeln!(out, "| {} | {} | {} |", row.name, cell(row.summary), usage.join("<br>"));
            }
        }
        out
    }
}

fn call_row(nr: u16, name: &'static str) -> CallRow {
    let Some(info) = syscall::info(Sysno(nr)) else {
        return CallRow {
            nr,
            name,
            man: "",
            extent: Extent::Absent,
            sentence: "",
            flags: Vec::new(),
            errors: Vec::new(),
        };
    };
    let (extent, sentence) = match info.support {
        Support::Full => (Extent::Modelled, ""),
        Support::Partial(sentence) => (Extent::Partly, sentence),
        Support::NotModelled(sentence) => (Extent::Known, sentence),
    };
    let names = |arg: &Arg| match arg {
        Arg::Flags(name, table) | Arg::Enum(name, table) => {
            Some((*name, table.iter().map(|(flag, _)| *flag).collect::<Vec<_>>()))
        }
        _ => None,
    };
    let mut errors: Vec<&'static str> = info.errno.iter().map(|(errno, _)| errno.name()).collect();
    errors.dedup();
    let mut seen = std::collections::BTreeSet::new();
    errors.retain(|name| seen.insert(*name));
    CallRow { nr, name, man: info.man, extent, sentence, flags: info.args.iter().filter_map(names).collect(), errors }
}

/// A text that stays inside one cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace('\n', " ")
}

/// Names in lines of a fair length.
fn folded(names: &[&str]) -> String {
    let mut lines = vec![String::new()];
    for name in names {
        if let Some(line) = lines.last_mut()
            && line.len() + name.len() < 110
        {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(name);
        } else {
            lines.push((*name).to_owned());
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_of_the_table_has_a_row_and_what_is_partial_says_so() {
        let coverage = Coverage::of_records();
        assert_eq!(coverage.calls.len(), NAMES.len());
        let total: usize = Extent::ALL.iter().map(|extent| coverage.count(*extent)).sum();
        assert_eq!(total, NAMES.len());
        for row in coverage.calls.iter().filter(|r| matches!(r.extent, Extent::Partly | Extent::Known)) {
            assert!(row.sentence.len() > 8, "{} says nothing about what is left out", row.name);
        }
        let unshare = coverage.calls.iter().find(|row| row.name == "unshare").expect("unshare");
        assert!(unshare.flags.iter().any(|(_, names)| names.contains(&"CLONE_NEWPID")));
    }

    #[test]
    fn markdown_has_every_call_by_name() {
        let coverage = Coverage::of_records();
        let text = coverage.markdown("none");
        for row in &coverage.calls {
            assert!(text.contains(row.name), "{}", row.name);
        }
    }
}
