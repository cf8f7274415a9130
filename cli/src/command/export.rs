//! `ringside export`: the course for others to host.

use crate::export::{Standard, package, site};
use crate::page::Flavour;
use anyhow::{Context, Result, bail};
use clap::Args;
use lessons::catalog::Catalog;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Export the page with the course, or with chosen lessons, for any web server or learning management system.
#[derive(Args, Debug)]
pub struct Export {
    /// Lessons by name, or folders of lessons; the whole course when there are none
    lessons: Vec<String>,
    /// A plain static folder, which works without a network after one visit, and opened as a file. What is in DIR of an
    /// earlier page is replaced
    #[arg(long, value_name = "DIR")]
    site: Option<PathBuf>,
    /// A package for SCORM 1.2
    #[arg(long, value_name = "FILE.zip")]
    scorm12: Option<PathBuf>,
    /// A package for SCORM 2004, 4th Edition
    #[arg(long, value_name = "FILE.zip")]
    scorm2004: Option<PathBuf>,
    /// A package for cmi5
    #[arg(long, value_name = "FILE.zip")]
    cmi5: Option<PathBuf>,
    /// Build the page as it is for working on it: larger, but made sooner
    #[arg(long)]
    development: bool,
}

impl Export {
    pub(super) fn execute(self) -> Result<ExitCode> {
        let packages =
            [(Standard::Scorm12, &self.scorm12), (Standard::Scorm2004, &self.scorm2004), (Standard::Cmi5, &self.cmi5)];
        if self.site.is_none() && packages.iter().all(|(_, file)| file.is_none()) {
            bail!("say what to export: --site DIR, --scorm12 FILE.zip, --scorm2004 FILE.zip or --cmi5 FILE.zip");
        }
        let catalog = chosen(&self.lessons)?;
        let flavour = if self.development { Flavour::Development } else { Flavour::Shipped };
        if let Some(folder) = &self.site {
            site(&catalog, flavour, folder)?;
            said(&catalog, folder);
        }
        for (standard, file) in packages {
            if let Some(file) = file {
                package(&catalog, flavour, standard, file)?;
                said(&catalog, file);
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn said(catalog: &Catalog, to: &Path) {
    println!("{}: {} lessons", to.display(), catalog.entries.len());
}

/// The lessons that were named, in the order of the course.
fn chosen(names: &[String]) -> Result<Catalog> {
    let course = Catalog::built_in()?;
    if names.is_empty() {
        return Ok(course);
    }
    let mut entries = Vec::new();
    for name in names {
        if Path::new(name).exists() {
            entries.extend(Catalog::of_folder(Path::new(name))?.entries);
        } else {
            let entry = course.find(name).with_context(|| format!("there is no lesson `{name}`"))?;
            entries.push(entry.clone());
        }
    }
    Ok(Catalog { course: course.course, entries })
}
