//! sed(1): its options and files; [`script`] reads the commands, [`run`] carries them out.

mod run;
mod script;
mod substitute;

use super::regex::Syntax;
use crate::program;
use crate::program::Sys;
use crate::program::getopt::{Long, Spec, Takes};

program!(SED = "sed" in "/usr/bin", "stream editor for filtering and transforming text", sed, "\
-n, --quiet, --silent  no output but that of p
-e, --expression SCRIPT, -f, --file FILE  commands; without them the first operand
-E, -r, --regexp-extended  use extended regular expressions
-i[SUFFIX], --in-place[=SUFFIX]  write the files anew, with a copy under the longer name
-s, --separate  lines are counted in each file anew
commands: s/REGEX/REPLACEMENT/[gpiN], y/ABC/XYZ/, p, P, d, D, q, Q, =, n, N, g, G, h, H, x, a, i, c, r, b, t, T, {...}
addresses: N, $, /REGEX/[I], A,B, FIRST~STEP, A,+N, and ! after them");

const SPEC: Spec = Spec {
    short: "ne:f:Eri::s",
    long: &[
        Long("quiet", Takes::Nothing, 'n'),
        Long("silent", Takes::Nothing, 'n'),
        Long("expression", Takes::Value, 'e'),
        Long("file", Takes::Value, 'f'),
        Long("regexp-extended", Takes::Nothing, 'E'),
        Long("in-place", Takes::Maybe, 'i'),
        Long("separate", Takes::Nothing, 's'),
    ],
    unmodelled: "-l -u -z --line-length --unbuffered --null-data --debug --posix --follow-symlinks --sandbox",
    version: "(GNU sed) 4.9",
    failure: 1,
};

async fn sed(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&SPEC).await?;
    let mut files = options.operands.clone();
    let mut parts: Vec<String> = Vec::new();
    for option in options.given.iter().filter(|o| matches!(o.key, 'e' | 'f')) {
        let value = option.value.clone().unwrap_or_default();
        if option.key == 'e' {
            parts.push(value);
            continue;
        }
        match sys.read_file(&value).await {
            Ok(text) => parts.push(text.strip_suffix('\n').unwrap_or(&text).to_owned()),
            Err(e) => {
                sys.error(format!("couldn't open file {value}: {e}")).await;
                return Err(1);
            }
        }
    }
    if parts.is_empty() {
        if files.is_empty() {
            let name = sys.invocation_name().to_owned();
            sys.eprint(format!("Usage: {name} [OPTION]... {{script-only-if-no-other-script}} [input-file]...\n")).await;
            return Err(1);
        }
        parts.push(files.remove(0));
    }
    let syntax = if options.last_of("Er").is_some() { Syntax::Extended } else { Syntax::Basic };
    let script = match script::parse(&parts.join("\n"), syntax) {
        Ok(script) => script,
        Err(message) => {
            sys.error(message).await;
            return Err(1);
        }
    };
    if files.is_empty() {
        files.push("-".into());
    }
    let suffix = options.has('i').then(|| options.value('i').unwrap_or_default().to_owned());
    let separate = options.has('s') || suffix.is_some();
    let input = run::Input::new(sys.clone(), files, separate, suffix);
    Ok(run::run(input, script, options.has('n')).await)
}
