//! tee(1).

use crate::program;
use crate::program::Sys;
use crate::program::getopt::{Long, Spec, Takes};
use crate::program::libc::o;
use crate::program::quote::quotef;
use crate::task::signal::{Disposition, Signal};

program!(TEE = "tee" in "/usr/bin", "read from standard input and write to standard output and files", tee, "\
-a, --append  append to the given FILEs, do not overwrite
-i, --ignore-interrupts  ignore interrupt signals");

const SPEC: Spec = Spec {
    short: "ai",
    long: &[Long("append", Takes::Nothing, 'a'), Long("ignore-interrupts", Takes::Nothing, 'i')],
    unmodelled: "-p --output-error",
    ..Spec::COREUTILS
};

async fn tee(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&SPEC).await?;
    if options.has('i') {
        let _ = sys.sigaction(Signal::INT, Disposition::Ignore).await;
    }
    let mut status = 0;
    let mut outputs = vec![("standard output".to_owned(), 1)];
    let how = if options.has('a') { o::APPEND } else { o::TRUNC };
    for name in &options.operands {
        match sys.open(name, o::WRONLY | o::CREAT | how, 0o666).await {
            Ok(fd) => outputs.push((name.clone(), fd)),
            Err(e) => {
                sys.error(format!("{}: {e}", quotef(name))).await;
                status = 1;
            }
        }
    }
    while !outputs.is_empty() {
        let block = match sys.read(0, 1024).await {
            Ok(block) if block.is_empty() => break,
            Ok(block) => block,
            Err(e) => {
                sys.error(format!("read error: {e}")).await;
                status = 1;
                break;
            }
        };
        let mut working = Vec::new();
        for (name, fd) in outputs {
            match sys.write_all(fd, &block).await {
                Ok(()) => working.push((name, fd)),
                Err(e) => {
                    let shown = if fd == 1 { format!("'{name}'") } else { quotef(&name) };
                    sys.error(format!("{shown}: {e}")).await;
                    status = 1;
                }
            }
        }
        outputs = working;
    }
    Ok(status)
}
