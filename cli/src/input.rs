//! Files from outside: read with care, refused with a reason.

use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Largest script that is read, in bytes.
pub const SCRIPT_MAX: u64 = 1 << 20;
/// Largest recording that is read, in bytes.
pub const RECORDING_MAX: u64 = 32 << 20;

/// Reads a text file of at most `max` bytes. Line ends become `\n`, as where the recordings were made.
pub fn read_text(path: &Path, max: u64) -> Result<String> {
    let name = path.display();
    let file = File::open(path).with_context(|| format!("cannot open {name}"))?;
    let meta = file.metadata().with_context(|| format!("cannot look at {name}"))?;
    if meta.is_dir() {
        bail!("{name} is a folder: a file is needed here (`ringside conform` takes folders)");
    }
    let mut bytes = Vec::new();
    // One byte more than allowed: a device or a pipe has no length to look at before.
    let reading = if meta.len() > max { Ok(0) } else { (&file).take(max + 1).read_to_end(&mut bytes) };
    reading.with_context(|| format!("cannot read {name}"))?;
    let length = meta.len().max(bytes.len() as u64);
    if length > max {
        bail!("{name} is too large ({}): at most {} are read. Cut out the part of interest", mib(length), mib(max));
    }
    if let Some(at) = bytes.iter().position(|&byte| byte == 0) {
        bail!("{name} is not a text file: byte {at} (line {}) is zero", line_of(&bytes, at));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(unix_lines(text)),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let line = line_of(error.as_bytes(), at);
            bail!("{name} is not a text file in UTF-8: byte {at} (line {line}) does not fit")
        }
    }
}

/// `\r\n` and a lone `\r` as `\n`.
pub fn unix_lines(text: String) -> String {
    if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text }
}

fn line_of(bytes: &[u8], at: usize) -> usize {
    bytes.iter().take(at).filter(|&&byte| byte == b'\n').count() + 1
}

fn mib(bytes: u64) -> String {
    // Rounded up, so that a file just above the limit does not look as large as the limit.
    format!("{} MiB", bytes.div_ceil(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn message(content: &[u8], max: u64) -> String {
        let path = std::env::temp_dir().join(format!("ringside-input-{}-{}", std::process::id(), content.len()));
        File::create(&path).and_then(|mut file| file.write_all(content)).expect("a temporary file");
        let result = read_text(&path, max);
        std::fs::remove_file(&path).expect("to remove it");
        format!("{:#}", result.expect_err("an error")).replace(&path.display().to_string(), "FILE")
    }

    #[test]
    fn each_bad_file_says_what_and_where() {
        assert_eq!(message(b"a\nb\0", 9), "FILE is not a text file: byte 3 (line 2) is zero");
        assert_eq!(message(b"a\n\xff b", 9), "FILE is not a text file in UTF-8: byte 2 (line 2) does not fit");
        assert_eq!(
            message(&[b'x'; 1025], 1024),
            "FILE is too large (1 MiB): at most 1 MiB are read. Cut out the part of interest"
        );
        let missing = read_text(Path::new("/nonexistent/x.sh"), 1).expect_err("an error");
        assert!(format!("{missing:#}").starts_with("cannot open /nonexistent/x.sh: No such file"));
    }
}
