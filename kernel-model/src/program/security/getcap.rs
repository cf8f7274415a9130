//! `getcap`: shows the capabilities of files.

use crate::errno::Errno;
use crate::program::Sys;
use crate::program::getopt::Spec;
use crate::program::libc::s;

crate::program!(
    GETCAP = "getcap" in "/usr/sbin",
    "examine file capabilities",
    main,
    "  -v  also name files that have none
  -r  also what lies below the directories"
);

const SPEC: Spec = Spec { short: "vhr", long: &[], unmodelled: "-l -n --license", version: "2.66", failure: 1 };

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
    let mut todo: Vec<String> = options.operands.iter().rev().cloned().collect();
    while let Some(file) = todo.pop() {
        let file = &file;
        let file_type = match sys.lstat(file).await {
            Ok(stat) => stat.file_type(),
            Err(e) => {
                sys.flush().await;
                sys.eprint(format!("{file} ({e})\n")).await;
                continue;
            }
        };
        // With -r the tree is walked (nftw(3)).
        if file_type == s::IFDIR && options.has('r') {
            let entries = sys.read_dir(file).await.unwrap_or_default();
            let slash = if file.ends_with('/') { "" } else { "/" };
            todo.extend(entries.into_iter().rev().map(|e| format!("{file}{slash}{}", e.d_name)));
        }
        if file_type != s::IFREG {
            if options.has('v') {
                sys.print(format!("{file} (Not a regular file)\n")).await;
            }
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

#[cfg(test)]
mod tests {
    use crate::testing::run;

    #[test]
    fn only_regular_files_are_looked_at() {
        let made = "mkdir t; cp /usr/bin/true t/x; setcap cap_net_raw+ep t/x; ln -s x t/l; mkdir t/d";
        assert_eq!(run(&[made, "getcap -r t; getcap t t/l"]), "t/x cap_net_raw=ep\n");
        assert_eq!(
            run(&[made, "getcap -v t t/x t/l"]),
            "t (Not a regular file)\nt/x cap_net_raw=ep\nt/l (Not a regular file)\n"
        );
    }
}
