//! `ipcs`: shows System V objects, as `/proc/sysvipc` lists them. The tables are in [`tables`], limits and
//! summaries in [`summary`], single objects in [`details`].

mod details;
mod summary;
mod tables;

use crate::program::Sys;
use crate::program::getopt::{Long, Spec, Takes};

crate::program!(
    IPCS = "ipcs" in "/usr/bin",
    "show information on IPC facilities",
    main,
    "  -m, --shmems             shared memory segments
  -q, --queues             message queues
  -s, --semaphores         semaphores
  -a, --all                all of them, as without these options
  -i, --id ID              details of one (with -m, -q or -s)
  -t, --time               attach, detach and change times
  -p, --pid                PIDs of creator and last operator
  -c, --creator            creator and owner
  -l, --limits             limits
  -u, --summary            a summary
      --human, -b, --bytes sizes"
);

const SPEC: Spec = Spec {
    short: "ai:qmstlcpubVh",
    long: &[
        Long("id", Takes::Value, 'i'),
        Long("shmems", Takes::Nothing, 'm'),
        Long("queues", Takes::Nothing, 'q'),
        Long("semaphores", Takes::Nothing, 's'),
        Long("all", Takes::Nothing, 'a'),
        Long("time", Takes::Nothing, 't'),
        Long("pid", Takes::Nothing, 'p'),
        Long("creator", Takes::Nothing, 'c'),
        Long("limits", Takes::Nothing, 'l'),
        Long("summary", Takes::Nothing, 'u'),
        Long("human", Takes::Nothing, 'H'),
        Long("bytes", Takes::Nothing, 'b'),
    ],
    unmodelled: "",
    version: "from util-linux 2.38.1",
    failure: 1,
};

/// In which units sizes are shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Default,
    Kilobytes,
    Bytes,
    Human,
}

/// A file of `/proc/sysvipc`: the numbers of each line.
async fn rows(sys: &Sys, file: &str) -> Vec<Vec<i64>> {
    let text = sys.read_file(&format!("/proc/sysvipc/{file}")).await.unwrap_or_default();
    let numbers = |line: &str| {
        // The permissions are octal.
        let number =
            |(i, word): (usize, &str)| if i == 2 { i64::from_str_radix(word, 8).ok() } else { word.parse().ok() };
        line.split_whitespace().enumerate().map(|word| number(word).unwrap_or(0)).collect()
    };
    text.lines().skip(1).map(numbers).collect()
}

/// A column of such a line.
fn at(row: &[i64], column: usize) -> i64 {
    row.get(column).copied().unwrap_or(0)
}

/// A size as `ipc_print_size` shows it: with a title, or alone.
fn size(unit: Unit, title: &str, bytes: u64) -> String {
    match unit {
        Unit::Default => format!("{title} = {bytes}"),
        Unit::Bytes => format!("{title} (bytes) = {bytes}"),
        Unit::Kilobytes => format!("{title} (kbytes) = {}", bytes / 1024),
        Unit::Human => format!("{title} = {}", human(bytes)),
    }
}

/// `size_to_human_string` with one letter and at most one decimal: `9.8K`, `16E`.
fn human(bytes: u64) -> String {
    let power = (1..=6).rev().find(|power| bytes >> (10 * power) != 0).unwrap_or(0);
    let letter = "BKMGTPE".chars().nth(power).unwrap_or('B');
    let mut whole = bytes >> (10 * power);
    if power == 0 {
        return format!("{whole}{letter}");
    }
    // Rounded to tenths, from the next smaller unit.
    let rest = (bytes >> (10 * (power - 1))) & 1023;
    let tenths = (rest * 10 + 512) / 1024;
    whole += tenths / 10;
    match tenths % 10 {
        0 => format!("{whole}{letter}"),
        tenths => format!("{whole}.{tenths}{letter}"),
    }
}

async fn main(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&SPEC).await?;
    if options.has('h') {
        sys.print_help().await;
        return Ok(0);
    }
    if options.has('V') {
        sys.print("ipcs from util-linux 2.38.1\n").await;
        return Ok(0);
    }
    let id = match options.value('i').map(|text| (text, text.trim_start().parse::<i32>())) {
        None => None,
        Some((_, Ok(id))) => Some(i64::from(id)),
        Some((text, Err(_))) => {
            sys.warnx(format!("failed to parse id argument: '{text}'")).await;
            return Err(1);
        }
    };
    let named: Vec<char> = "qms".chars().filter(|key| options.has(*key) || options.has('a')).collect();
    if let Some(id) = id {
        let [kind] = named.as_slice() else {
            sys.warnx("when using an ID, a single resource must be specified").await;
            return Err(1);
        };
        details::print(&sys, *kind, id).await;
        return Ok(0);
    }
    let unit = match options.last_of("Hb") {
        Some('H') => Unit::Human,
        Some(_) => Unit::Bytes,
        None => Unit::Default,
    };
    let kinds = if named.is_empty() { vec!['q', 'm', 's'] } else { named };
    let accounts = sys.accounts().await;
    sys.print("\n").await;
    for kind in kinds {
        match options.last_of("tpclu") {
            Some('l') => summary::limits(&sys, kind, unit).await,
            Some('u') => summary::usage(&sys, kind, unit).await,
            format => tables::print(&sys, &accounts, kind, format, unit).await,
        }
        sys.print("\n").await;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_one_letter() {
        assert_eq!(human(0), "0B");
        assert_eq!(human(1), "1B");
        assert_eq!(human(8192), "8K");
        assert_eq!(human(10_000), "9.8K");
        assert_eq!(human(18_446_744_073_692_774_399), "16E");
    }
}
