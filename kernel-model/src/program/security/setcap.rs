//! `setcap`: sets the capabilities of files.

use super::caps::Sets;
use crate::errno::Errno;
use crate::program::Sys;
use crate::security::capability::Cap;

crate::program!(
    SETCAP = "setcap" in "/usr/sbin",
    "set file capabilities",
    main,
    "  setcap [-q] [-v] (-r|-|CAPS) FILE ...
  CAPS are as in cap_from_text(3), such as 'cap_net_raw+ep'
  -r  take them away
  -   read them from standard input
  -q  say nothing while setting
  -v  compare with what the file has"
);

const USAGE: &str =
    "usage: setcap [-h] [-q] [-v] [-n <rootid>] (-r|-|<caps>) <filename> [ ... (-r|-|<capsN>) <filenameN> ]

 Note <filename> must be a regular (non-symlink) file.
 -r          remove capability from file
 -           read capability text from stdin
 <capsN>     cap_from_text(3) formatted file capability
 [ Note: capsh --suggest=\"something...\" might help you pick. ]
 -h          this message and exit status 0
 -q          quietly
 -v          validate supplied capability matches file
 -n <rootid> write a user namespace (!= 0) limited capability
 --license   display the license info
";

const NOTE: &str = "NOTE: Under Linux, effective file capabilities must either be empty, or
      exactly match the union of selected permitted and inheritable bits.
";

async fn main(sys: Sys) -> i32 {
    let mut words = sys.argv().get(1..).unwrap_or_default().to_vec().into_iter();
    let (mut quiet, mut verify, mut done) = (false, false, false);
    while let Some(word) = words.next() {
        let sets = match word.as_str() {
            "-q" => {
                quiet = true;
                continue;
            }
            "-v" => {
                verify = true;
                continue;
            }
            "-h" => {
                sys.print(USAGE).await;
                return 0;
            }
            "-n" | "--license" => {
                sys.not_modelled(&format!("option '{word}'")).await;
                return 1;
            }
            "-r" => None,
            "-" => {
                let bytes = sys.read_to_end(0).await.unwrap_or_default();
                Some(String::from_utf8_lossy(&bytes).into_owned())
            }
            text => Some(text.to_owned()),
        };
        let sets = match sets.map(|text| Sets::from_text(&text)) {
            None => None,
            Some(Some(sets)) => Some(sets),
            Some(None) => {
                sys.eprint(format!("fatal error: {}\n", Errno::EINVAL)).await;
                return usage(&sys).await;
            }
        };
        let Some(file) = words.next() else { return usage(&sys).await };
        done = true;
        let status =
            if verify { compare(&sys, &file, sets, quiet).await } else { set(&sys, &file, sets.as_ref()).await };
        if status != 0 {
            return status;
        }
    }
    if done { 0 } else { usage(&sys).await }
}

async fn usage(sys: &Sys) -> i32 {
    sys.eprint(USAGE).await;
    1
}

async fn compare(sys: &Sys, file: &str, wanted: Option<Sets>, quiet: bool) -> i32 {
    let found = sys.cap_get_file(file).await.unwrap_or_default();
    let wanted = wanted.unwrap_or_default();
    let differs = [
        ('p', found.permitted != wanted.permitted),
        ('i', found.inheritable != wanted.inheritable),
        ('e', found.effective != wanted.effective),
    ];
    let letters: String = differs.iter().filter(|(_, d)| *d).map(|(c, _)| *c).collect();
    if letters.is_empty() {
        if !quiet {
            sys.print(format!("{file}: OK\n")).await;
        }
        return 0;
    }
    if !quiet {
        sys.print(format!("{file} differs in [{letters}]\n")).await;
    }
    1
}

async fn set(sys: &Sys, file: &str, sets: Option<&Sets>) -> i32 {
    let mut own = match sys.capget(0).await {
        Ok(own) => own,
        Err(e) => {
            sys.eprint(format!("warning - unable to get process capabilities: {e}\n")).await;
            return 1;
        }
    };
    own.effective = own.effective.with(Cap::SETFCAP);
    if let Err(e) = sys.capset(&own).await {
        sys.eprint(format!("unable to set CAP_SETFCAP effective capability: {e}\n")).await;
        return 1;
    }
    let Err(e) = sys.cap_set_file(file, sets).await else { return 0 };
    if sets.is_some_and(|s| s.effective != (s.permitted | s.inheritable)) {
        sys.eprint(NOTE).await;
    }
    let message = match e {
        Errno::EINVAL => format!("Invalid file '{file}' for capability operation\n"),
        Errno::ENODATA if sets.is_none() => format!("File '{file}' has no capablity to remove\n"),
        e => format!("Failed to set capabilities on file '{file}': {e}\n"),
    };
    sys.eprint(message).await;
    1
}
