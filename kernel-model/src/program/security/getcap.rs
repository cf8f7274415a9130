//! `getcap`: shows the capabilities of files.

use crate::errno::Errno;
use crate::program::Sys;
use crate::program::getopt::Spec;

crate::program!(
    GETCAP = "getcap" in "/usr/sbin",
    "examine file capabilities",
    main,
    "  -v  also name files that have none"
);

const SPEC: Spec = Spec { short: "vh", long: &[], unmodelled: "-l -n -r --license", version: "2.66", failure: 1 };

const USAGE: &str = "usage: getcap [-h] [-l] [-n] [-r] [-v] <filename> [<filename> ...]

\tdisplays the capabilities on the queried file(s).
";

async fn main(sys: Sys) -> i32 {
    let options = match sys.getopt(&SPEC).await {
        Ok(options) => options,
        Err(status) => return status,
    };
    if options.operands.is_empty() || options.has('h') {
        sys.eprint(USAGE).await;
        return i32::from(!options.has('h'));
    }
    for file in &options.operands {
        if let Err(e) = sys.lstat(file).await {
            sys.flush().await;
            sys.eprint(format!("{file} ({e})\n")).await;
            continue;
        }
        match sys.cap_get_file(file).await {
            Ok(sets) => sys.print(format!("{file} {}\n", sets.to_text())).await,
            Err(Errno::ENODATA | Errno::EOPNOTSUPP) if !options.has('v') => {}
            Err(Errno::ENODATA) => sys.print(format!("{file}\n")).await,
            Err(e) => {
                sys.flush().await;
                sys.eprint(format!("Failed to get capabilities of file '{file}' ({e})\n")).await;
            }
        }
    }
    0
}
