//! `pushd`, `popd` and `dirs`: a stack of directories, on top of which is the working directory.

use std::sync::Arc;

use super::super::{Run, Shell};

impl Shell {
    pub(super) async fn builtin_pushd(&mut self, name: &str, args: &[String]) -> Run<i32> {
        let push = name == "pushd";
        let (mut stay, mut rest) = (false, args);
        while let Some((first, more)) = rest.split_first().filter(|(f, _)| matches!(f.as_str(), "-n" | "--")) {
            stay = first == "-n";
            rest = more;
        }
        let mut stack: Vec<Arc<str>> = self.st.elements("DIRSTACK").into_iter().map(|(_, dir)| dir).collect();
        match rest.first().map(String::as_str) {
            None if push && stack.len() < 2 => return self.fail(name, "no other directory", 1).await,
            None if push => stack.swap(0, 1),
            None if stack.len() < 2 => return self.fail(name, "directory stack empty", 1).await,
            None => {
                stack.remove(usize::from(stay));
            }
            Some(place) if place.starts_with(['+', '-']) && place.len() > 1 => {
                let Some(index) = self.place_on_stack(name, place, stack.len()).await? else { return Ok(1) };
                if push {
                    stack.rotate_left(index);
                } else {
                    stack.remove(index);
                }
            }
            Some(option) if option.starts_with('-') => return self.bad_option(name, option).await,
            Some(dir) if push => stack.insert(usize::from(stay), dir.into()),
            Some(other) => {
                self.complain(&format!("{name}: {other}: invalid argument")).await;
                return self.usage(name).await;
            }
        }
        let top = stack.remove(0);
        if !stay && *top != *self.st.cwd {
            let below = std::mem::take(&mut self.st.directories);
            let status = self.change_directory(name, &top).await?;
            if status != 0 {
                self.st.directories = below;
                return Ok(status);
            }
        }
        self.st.directories = stack.into_iter().collect();
        self.show_directories(false, false, false);
        Ok(0)
    }

    /// What `+N` and `-N` mean: counted from the top, or from the bottom.
    async fn place_on_stack(&mut self, name: &str, place: &str, depth: usize) -> Run<Option<usize>> {
        let Ok(n) = place[1..].parse::<usize>() else {
            self.complain(&format!("{name}: {place}: invalid number")).await;
            return self.usage(name).await.map(|_| None);
        };
        if n >= depth {
            let text = if depth < 2 {
                "directory stack empty".to_owned()
            } else {
                format!("{place}: directory stack index out of range")
            };
            return self.fail(name, &text, 1).await.map(|_| None);
        }
        Ok(Some(if place.starts_with('+') { n } else { depth - 1 - n }))
    }

    pub(super) async fn builtin_dirs(&mut self, args: &[String]) -> Run<i32> {
        let (mut full, mut lines, mut numbers) = (false, false, false);
        for arg in args {
            match arg.as_str() {
                "-c" => {
                    self.st.directories.clear();
                    return Ok(0);
                }
                "-l" => full = true,
                "-p" => lines = true,
                "-v" => numbers = true,
                place if place.starts_with(['+', '-']) && place[1..].parse::<usize>().is_ok() => {
                    let depth = self.st.directories.len() + 1;
                    let Some(index) = self.place_on_stack("dirs", place, depth).await? else { return Ok(1) };
                    let dir = self.st.element("DIRSTACK", index as i64).unwrap_or_default();
                    let line = format!("{}\n", self.short_directory(&dir, full));
                    self.out.push_str(&line);
                    return Ok(0);
                }
                option => return self.bad_option("dirs", option).await,
            }
        }
        self.show_directories(full, lines, numbers);
        Ok(0)
    }

    fn show_directories(&mut self, full: bool, lines: bool, numbers: bool) {
        let dirs = self.st.elements("DIRSTACK");
        let shown = dirs.iter().map(|(index, dir)| {
            let dir = self.short_directory(dir, full);
            if numbers { format!("{index:2}  {dir}") } else { dir }
        });
        let separator = if lines || numbers { "\n" } else { " " };
        let text = shown.collect::<Vec<_>>().join(separator);
        self.out.push_str(&format!("{text}\n"));
    }

    /// A directory with `~` for the home directory.
    pub(in super::super) fn short_directory(&self, dir: &str, full: bool) -> String {
        let home = self.st.get("HOME").map_or("", |home| home);
        match dir.strip_prefix(home) {
            Some(rest) if !full && !home.is_empty() && (rest.is_empty() || rest.starts_with('/')) => format!("~{rest}"),
            _ => dir.to_owned(),
        }
    }
}
