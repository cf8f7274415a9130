//! `aa-complain` and `aa-enforce`: change the mode of a profile in its file, and load it again.

use crate::program::Sys;
use crate::program::libc::o;

crate::program!(
    AA_COMPLAIN = "aa-complain" in "/usr/sbin",
    "set an AppArmor profile to complain mode",
    complain,
    "  aa-complain PROFILE|PROGRAM ...   a file of /etc/apparmor.d, or the program that it is for"
);

crate::program!(
    AA_ENFORCE = "aa-enforce" in "/usr/sbin",
    "set an AppArmor profile to enforce mode",
    enforce,
    "  aa-enforce PROFILE|PROGRAM ...   a file of /etc/apparmor.d, or the program that it is for"
);

async fn complain(sys: Sys) -> Result<i32, i32> {
    all(&sys, true).await
}

async fn enforce(sys: Sys) -> Result<i32, i32> {
    all(&sys, false).await
}

async fn all(sys: &Sys, complain: bool) -> Result<i32, i32> {
    let words = sys.argv().get(1..).unwrap_or_default().to_vec();
    if words.is_empty() || words[0].starts_with('-') {
        sys.eprint(format!("usage: {} [-h] [-d DIR] [--no-reload] program [program ...]\n", sys.name())).await;
        return Err(2);
    }
    for word in words {
        let Some(path) = file_of(sys, &word).await else {
            sys.eprint(format!("Can't find {word} in the system path list. If the name of the application\nis correct, please run 'which {word}' as a user with correct PATH\nenvironment set up in order to find the fully-qualified path and\nuse the full path as parameter.\n")).await;
            return Err(1);
        };
        let text = sys.read_file(&path).await.map_err(|_| 1)?;
        let mode = if complain { "complain" } else { "enforce" };
        sys.print(format!("Setting {path} to {mode} mode.\n")).await;
        sys.flush().await;
        let text: String = text.lines().map(|line| format!("{}\n", with_mode(line, complain))).collect();
        let fd = sys.open(&path, o::WRONLY | o::TRUNC, 0).await.map_err(|_| 1)?;
        let written = sys.write_all(fd, text.as_bytes()).await;
        sys.close(fd).await.map_err(|_| 1)?;
        written.map_err(|_| 1)?;
        let child = sys.fork().await.map_err(|_| 1)?;
        if child == 0 {
            let argv = ["apparmor_parser".to_owned(), "-r".to_owned(), path];
            let e = sys.execvp("apparmor_parser", &argv).await;
            sys.eprint(format!("apparmor_parser: {e}\n")).await;
            sys.exit(127).await;
        }
        let (_, status) = sys.wait4(child, 0).await.map_err(|_| 1)?;
        if status.shell_status() != 0 {
            return Err(1);
        }
    }
    Ok(0)
}

/// The file of a profile: itself, or that of a program by its path with dots for slashes.
async fn file_of(sys: &Sys, word: &str) -> Option<String> {
    let own = word.trim_start_matches('/').replace('/', ".");
    for path in [word.to_owned(), format!("/etc/apparmor.d/{word}"), format!("/etc/apparmor.d/{own}")] {
        if path.starts_with("/etc/apparmor.d/") && sys.stat(&path).await.is_ok_and(|st| !st.is_dir()) {
            return Some(path);
        }
    }
    None
}

/// The head of a profile with the flag `complain`, or without; other lines as they are.
fn with_mode(line: &str, complain: bool) -> String {
    let trimmed = line.trim();
    let is_head = trimmed.ends_with('{')
        && (trimmed.starts_with("profile ") || trimmed.starts_with('/') || trimmed.starts_with('^'));
    if !is_head {
        return line.to_owned();
    }
    let head = line.trim_end().trim_end_matches('{').trim_end();
    let (name, flags) = match head.split_once("flags=(") {
        Some((name, rest)) => (name.trim_end(), rest.trim_end_matches(')')),
        None => (head, ""),
    };
    let words = flags.split([',', ' ']).filter(|f| !f.is_empty() && !matches!(*f, "complain" | "enforce"));
    let mut words: Vec<&str> = words.collect();
    if complain {
        words.push("complain");
    }
    if words.is_empty() { format!("{name} {{") } else { format!("{name} flags=({}) {{", words.join(",")) }
}

#[cfg(test)]
mod tests {
    use super::with_mode;

    #[test]
    fn the_flag_comes_and_goes() {
        assert_eq!(with_mode("/usr/bin/x {", true), "/usr/bin/x flags=(complain) {");
        assert_eq!(
            with_mode("profile x flags=(attach_disconnected) {", true),
            "profile x flags=(attach_disconnected,complain) {"
        );
        assert_eq!(with_mode("/usr/bin/x flags=(complain) {", false), "/usr/bin/x {");
        assert_eq!(with_mode("  /etc/x r,", true), "  /etc/x r,");
    }
}
