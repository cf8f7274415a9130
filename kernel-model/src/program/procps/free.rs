//! `free`: memory, as `/proc/meminfo` tells it.

use crate::program::Sys;
use crate::program::getopt::{Long, Spec, Takes};

crate::program!(
    FREE = "free" in "/usr/bin",
    "display amount of free and used memory in the system",
    main,
    "  -b, --bytes, -k, --kibi, -m, --mebi, -g, --gibi  units
  -h, --human  the unit that fits
  -t, --total  also the sums
  -w, --wide   buffers and cache apart"
);

const SPEC: Spec = Spec {
    short: "bkmghtw",
    long: &[
        Long("bytes", Takes::Nothing, 'b'),
        Long("kibi", Takes::Nothing, 'k'),
        Long("mebi", Takes::Nothing, 'm'),
        Long("gibi", Takes::Nothing, 'g'),
        Long("human", Takes::Nothing, 'h'),
        Long("total", Takes::Nothing, 't'),
        Long("wide", Takes::Nothing, 'w'),
    ],
    unmodelled: "-c --count -l --lohi -s --seconds --si --kilo --mega --giga --tera --peta --tebi --pebi -v --committed",
    version: "from procps-ng 4.0.2",
    failure: 1,
};

async fn main(sys: Sys) -> i32 {
    let options = match sys.getopt(&SPEC).await {
        Ok(options) => options,
        Err(status) => return status,
    };
    let text = match sys.read_file("/proc/meminfo").await {
        Ok(text) => text,
        Err(_) => {
            sys.error("Unable to create meminfo structure").await;
            return 1;
        }
    };
    // In kibibytes.
    let field = |name: &str| {
        let line = text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0)
    };
    let unit = options.last_of("bkmgh").unwrap_or('k');
    let show = |kib: u64| match unit {
        'b' => (kib * 1024).to_string(),
        'm' => (kib / 1024).to_string(),
        'g' => (kib / 1024 / 1024).to_string(),
        'h' => human(kib * 1024),
        _ => kib.to_string(),
    };
    let (total, free, available) = (field("MemTotal"), field("MemFree"), field("MemAvailable"));
    let (buffers, cache) = (field("Buffers"), field("Cached") + field("SReclaimable"));
    let used = total.saturating_sub(available);
    let (swap_total, swap_free) = (field("SwapTotal"), field("SwapFree"));
    let wide = options.has('w');
    let header: &[&str] = if wide {
        &["total", "used", "free", "shared", "buffers", "cache", "available"]
    } else {
        &["total", "used", "free", "shared", "buff/cache", "available"]
    };
    let memory = if wide {
        vec![total, used, free, field("Shmem"), buffers, cache, available]
    } else {
        vec![total, used, free, field("Shmem"), buffers + cache, available]
    };
    let row = |title: &str, cells: Vec<String>| {
        let cells: String = cells
            .iter()
            .enumerate()
            .map(|(i, c)| if i == 0 { format!("{c:>11}") } else { format!(" {c:>11}") })
            .collect();
        format!("{title:<9}{cells}\n")
    };
    let mut out = row("", header.iter().map(|h| (*h).to_owned()).collect());
    out.push_str(&row("Mem:", memory.into_iter().map(show).collect()));
    let swap_used = swap_total - swap_free;
    out.push_str(&row("Swap:", [swap_total, swap_used, swap_free].map(show).to_vec()));
    if options.has('t') {
        out.push_str(&row("Total:", [total + swap_total, used + swap_used, free + swap_free].map(show).to_vec()));
    }
    sys.print(out).await;
    0
}

/// Two or three digits and a unit, as `free -h` writes them.
fn human(bytes: u64) -> String {
    let units = ["B", "Ki", "Mi", "Gi", "Ti", "Pi"];
    let mut power = 0;
    while power + 1 < units.len() && bytes >> (10 * power) >= 1000 {
        power += 1;
    }
    let unit = 1u64 << (10 * power);
    let tenths = bytes * 10 / unit;
    if power > 0 && tenths < 100 {
        format!("{}.{}{}", tenths / 10, tenths % 10, units[power])
    } else {
        format!("{}{}", tenths / 10, units[power])
    }
}
