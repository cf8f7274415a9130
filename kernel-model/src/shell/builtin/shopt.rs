//! `shopt`: the options of bash that are no options of `set`. Of them [`NULLGLOB`] makes a difference here.

use super::super::{Run, Shell};

/// A pattern that matches nothing is no argument.
const NULLGLOB: &str = "nullglob";

/// The others that scripts name, with what bash says of them when nobody types into it.
const FIXED: [(&str, bool); 16] = [
    ("autocd", false),
    ("cdspell", false),
    ("checkhash", false),
    ("checkwinsize", true),
    ("cmdhist", true),
    ("dotglob", false),
    ("execfail", false),
    ("expand_aliases", true),
    ("extglob", false),
    ("failglob", false),
    ("globstar", false),
    ("histappend", false),
    ("inherit_errexit", true),
    ("lastpipe", false),
    ("nocasematch", false),
    ("sourcepath", true),
];

impl Shell {
    pub(super) async fn builtin_shopt(&mut self, args: &[String]) -> Run<i32> {
        let (mut set, mut quiet, mut reusable, mut names) = (None, false, false, Vec::new());
        for arg in args {
            match arg.strip_prefix('-').filter(|letters| !letters.is_empty()) {
                Some(letters) if names.is_empty() => {
                    for letter in letters.chars() {
                        match letter {
                            's' => set = Some(true),
                            'u' => set = Some(false),
                            'q' => quiet = true,
                            'p' => reusable = true,
                            'o' => return self.fail("shopt", "-o is not modelled; use set -o", 1).await,
                            _ => return self.bad_option("shopt", &format!("-{letter}")).await,
                        }
                    }
                }
                _ => names.push(arg.as_str()),
            }
        }
        let known = |name: &str| name == NULLGLOB || FIXED.iter().any(|(n, _)| *n == name);
        let all: Vec<&str> = if names.is_empty() {
            let mut all: Vec<&str> = FIXED.iter().map(|(n, _)| *n).chain([NULLGLOB]).collect();
            all.sort_unstable();
            all
        } else {
            names.clone()
        };
        let mut status = 0;
        for name in all {
            if !known(name) {
                self.complain(&format!("shopt: {name}: invalid shell option name")).await;
                status = 1;
                continue;
            }
            let fixed = FIXED.iter().find(|(n, _)| *n == name).map(|(_, on)| *on);
            let on = fixed.unwrap_or(self.st.nullglob);
            match (set, fixed) {
                (Some(wanted), None) => self.st.nullglob = wanted,
                (Some(wanted), Some(on)) if wanted != on && !names.is_empty() => {
                    status = self.fail("shopt", &format!("{name}: not modelled by this shell"), 1).await?;
                }
                (Some(wanted), _) if names.is_empty() && on == wanted => self.show_option(name, on, reusable),
                (Some(_), _) => {}
                (None, _) => {
                    status = if on || names.is_empty() { status } else { 1 };
                    if !quiet {
                        self.show_option(name, on, reusable);
                    }
                }
            }
        }
        Ok(status)
    }

    /// An option in a table, or as the command that sets it.
    fn show_option(&mut self, name: &str, on: bool, reusable: bool) {
        let line = match reusable {
            true => format!("shopt -{} {name}\n", if on { "s" } else { "u" }),
            false => format!("{name:<15}\t{}\n", if on { "on" } else { "off" }),
        };
        self.out.push_str(&line);
    }
}
