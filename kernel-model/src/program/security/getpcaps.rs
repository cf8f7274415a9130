//! `getpcaps`: shows the capabilities of processes.

use crate::program::Sys;

crate::program!(
    GETPCAPS = "getpcaps" in "/usr/sbin",
    "display process capabilities",
    main,
    "  getpcaps PID ...
  --verbose            a more verbose format
  --ugly, --legacy     the format of old
  --iab                the inheritable, ambient and bounding sets, too"
);

const USAGE: &str = "usage: getcaps [opts] <pid> [<pid> ...]

  This program displays the capabilities on the queried process(es).
  The capabilities are displayed in the cap_from_text(3) format.

  Optional arguments:
     --help, -h or --usage display this message.
     --verbose             use a more verbose output format.
     --ugly or --legacy    use the archaic legacy output format.
     --iab                 show IAB of process too.
     --license             display license info
";

/// How a process is shown; an option counts for the processes after it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    Verbose,
    Ugly,
}

async fn main(sys: Sys) -> i32 {
    let words = sys.argv().get(1..).unwrap_or_default().to_vec();
    if words.is_empty() {
        sys.eprint(USAGE).await;
        return 1;
    }
    let (mut form, mut iab, mut status) = (Form::Plain, false, 0);
    for word in &words {
        match word.as_str() {
            "--help" | "--usage" | "-h" => {
                sys.flush().await;
                sys.eprint(USAGE).await;
                return 0;
            }
            "--license" => {
                sys.not_modelled("--license").await;
                return 1;
            }
            "--verbose" => form = Form::Verbose,
            "--ugly" | "--legacy" => form = Form::Ugly,
            "--iab" => iab = true,
            pid => {
                if !show(&sys, pid, form, iab).await {
                    status = 1;
                }
            }
        }
    }
    status
}

/// Whether a process could be shown.
async fn show(sys: &Sys, pid: &str, form: Form, with_iab: bool) -> bool {
    let Ok(number) = pid.parse::<i32>() else {
        sys.flush().await;
        sys.eprint(format!("Cannot parse pid {pid}: (Invalid argument)\n")).await;
        return false;
    };
    let sets = match sys.capget(number).await {
        Ok(sets) => sets.to_text(),
        Err(e) => {
            sys.flush().await;
            sys.eprint(format!("Failed to get cap's for process {pid}: ({e})\n")).await;
            return false;
        }
    };
    let line = match form {
        _ if with_iab => {
            let iab = sys.iab_of(number).await.map(super::iab::Iab::to_text).unwrap_or_default();
            let verbose = form != Form::Plain;
            let sets = if verbose || sets != "=" { format!(" \"{sets}\"") } else { String::new() };
            let iab = if verbose || !iab.is_empty() { format!(" [{iab}]") } else { String::new() };
            format!("{pid}:{sets}{iab}\n")
        }
        Form::Plain => format!("{pid}: {sets}\n"),
        Form::Verbose => format!("Capabilities for '{pid}': {sets}\n"),
        Form::Ugly => format!("Capabilities for `{pid}': {sets}\n"),
    };
    sys.print(line).await;
    true
}
