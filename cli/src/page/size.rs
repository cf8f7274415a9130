//! What a visitor has to load.

use super::files_below;
use anyhow::Result;
use std::fmt;
use std::fs;
use std::io::Write;
use std::path::Path;

/// Bytes of one file, as they are and as a web server that compresses would send them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Size {
    /// Path below the page's folder.
    pub file: String,
    /// Bytes of the file.
    pub raw: usize,
    /// Bytes after brotli at its highest level.
    pub brotli: usize,
}

/// The sizes of the files of a page that a first visit loads: page, styles, scripts and wasm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// One row a file, in order of name.
    pub files: Vec<Size>,
}

impl Report {
    /// Measures the page in `folder`.
    pub fn of(folder: &Path) -> Result<Self> {
        let mut files = Vec::new();
        for path in files_below(folder)? {
            let loaded =
                path.extension().is_some_and(|kind| ["html", "css", "js", "wasm"].iter().any(|loaded| kind == *loaded));
            if loaded {
                let content = fs::read(folder.join(&path))?;
                files.push(Size {
                    file: path.display().to_string(),
                    raw: content.len(),
                    brotli: compressed(&content)?.len(),
                });
            }
        }
        Ok(Self { files })
    }

    /// Sum over all files.
    pub fn total(&self) -> Size {
        Size {
            file: "total".into(),
            raw: self.files.iter().map(|size| size.raw).sum(),
            brotli: self.files.iter().map(|size| size.brotli).sum(),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:>10} {:>10}  file", "bytes", "brotli")?;
        for size in self.files.iter().chain([&self.total()]) {
            writeln!(f, "{:>10} {:>10}  {}", size.raw, size.brotli, size.file)?;
        }
        Ok(())
    }
}

/// `content` after brotli at its highest level, with the largest window that browsers accept.
fn compressed(content: &[u8]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let (buffer_size, quality, window) = (4096, 11, 24);
    brotli::CompressorWriter::new(&mut out, buffer_size, quality, window).write_all(content)?;
    Ok(out)
}
