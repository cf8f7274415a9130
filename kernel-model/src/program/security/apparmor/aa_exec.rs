//! `aa-exec`: runs a program under a profile.

use crate::errno::Errno;
use crate::program::Sys;
use crate::program::getopt::{Long, Spec, Takes};
use crate::program::libc::o;

crate::program!(
    AA_EXEC = "aa-exec" in "/usr/bin",
    "run a program under an AppArmor profile",
    main,
    "  -p, --profile PROFILE   the profile (otherwise the program's own)
  -i, --immediate         change before the program is run, not with it
  -v, --verbose           say what is done"
);

const SPEC: Spec = Spec {
    short: "+p:iv",
    long: &[
        Long("profile", Takes::Value, 'p'),
        Long("immediate", Takes::Nothing, 'i'),
        Long("verbose", Takes::Nothing, 'v'),
    ],
    unmodelled: "-n --namespace -d --debug",
    version: "AppArmor 3.0.8",
    failure: 1,
};

async fn main(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&SPEC).await?;
    if options.operands.is_empty() {
        sys.eprint("USAGE: aa-exec [OPTIONS] <prog> <args>\n\nConfine <prog> with the specified PROFILE.\n").await;
        return Err(1);
    }
    if let Some(profile) = options.value('p') {
        let (file, command) = match options.has('i') {
            true => ("current", "changeprofile"),
            false => ("exec", "exec"),
        };
        if options.has('v') {
            sys.eprint(format!("aa-exec: [{}] {command} \"{profile}\"\n", sys.getpid().await)).await;
        }
        if let Err(e) = write_attr(&sys, file, &format!("{command} {profile}")).await {
            let message = match e {
                Errno::ENOENT | Errno::EACCES => format!("aa-exec: ERROR: profile '{profile}' does not exist\n\n"),
                Errno::EINVAL => "aa-exec: ERROR: AppArmor interface not available\n\n".to_owned(),
                other => format!("aa-exec: ERROR: {other}\n\n"),
            };
            sys.eprint(message).await;
            return Err(1);
        }
    }
    let program = options.operands[0].clone();
    let e = sys.execvp(&program, &options.operands).await;
    sys.eprint(format!("aa-exec: ERROR: Failed to execute \"{program}\": {e}\n\n")).await;
    Ok(if e == Errno::ENOENT { 127 } else { 126 })
}

/// Writes to the file of one's own in `/proc/self/attr`, that of AppArmor before the one that all modules share.
async fn write_attr(sys: &Sys, file: &str, text: &str) -> Result<(), Errno> {
    let mut opened = sys.open(&format!("/proc/self/attr/apparmor/{file}"), o::WRONLY, 0).await;
    if opened == Err(Errno::ENOENT) {
        opened = sys.open(&format!("/proc/self/attr/{file}"), o::WRONLY, 0).await;
    }
    let fd = opened?;
    let written = sys.write(fd, text.as_bytes()).await;
    sys.close(fd).await?;
    written.map(drop)
}
