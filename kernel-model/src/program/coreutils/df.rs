//! df(1): `/proc/self/mountinfo` and statfs(2).

use crate::program;
use crate::program::Sys;
use crate::program::getopt::{Long, Options, Spec, Takes};
use crate::program::human::{human, human_si, parse_size};
use crate::program::quote::{quote, quotef};
use crate::program::util_linux::mountinfo::{MountInfo, mount_of};

program!(DF = "df" in "/usr/bin", "report file system space usage", df, "\
-a, --all  include pseudo, duplicate and inaccessible file systems
-B, --block-size SIZE; -k  units; -h, --human-readable; -H, --si
-i, --inodes  list inode information instead of block usage
-t, --type TYPE; -x, --exclude-type TYPE  limit the listing; -T, --print-type
-P, --portability  the POSIX output format; --total  a grand total
--output[=FIELDS]  source fstype itotal iused iavail ipcent size used avail pcent file target");

const SPEC: Spec = Spec {
    short: "aB:ihHklPTt:vx:",
    long: &[
        Long("all", Takes::Nothing, 'a'),
        Long("block-size", Takes::Value, 'B'),
        Long("inodes", Takes::Nothing, 'i'),
        Long("human-readable", Takes::Nothing, 'h'),
        Long("si", Takes::Nothing, 'H'),
        Long("local", Takes::Nothing, 'l'),
        Long("output", Takes::Maybe, 'o'),
        Long("portability", Takes::Nothing, 'P'),
        Long("print-type", Takes::Nothing, 'T'),
        Long("sync", Takes::Nothing, 'v'),
        Long("no-sync", Takes::Nothing, 'v'),
        Long("total", Takes::Nothing, 'c'),
        Long("type", Takes::Value, 't'),
        Long("exclude-type", Takes::Value, 'x'),
    ],
    ..Spec::COREUTILS
};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Field {
    Source,
    Fstype,
    Itotal,
    Iused,
    Iavail,
    Ipcent,
    Size,
    Used,
    Avail,
    Pcent,
    File,
    Target,
}

/// Names for `--output`, in its order.
const FIELDS: [(&str, Field); 12] = [
    ("source", Field::Source),
    ("fstype", Field::Fstype),
    ("itotal", Field::Itotal),
    ("iused", Field::Iused),
    ("iavail", Field::Iavail),
    ("ipcent", Field::Ipcent),
    ("size", Field::Size),
    ("used", Field::Used),
    ("avail", Field::Avail),
    ("pcent", Field::Pcent),
    ("file", Field::File),
    ("target", Field::Target),
];

impl Field {
    fn heading(self, options: &Options, units: &Units) -> String {
        let plain = !options.has('o');
        let text = match self {
            Field::Source => "Filesystem",
            Field::Fstype => "Type",
            Field::Itotal => "Inodes",
            Field::Iused => "IUsed",
            Field::Iavail => "IFree",
            Field::Ipcent => "IUse%",
            Field::Size => return units.heading(options.has('P')),
            Field::Used => "Used",
            Field::Avail if plain && matches!(units, Units::Blocks(_)) => "Available",
            Field::Avail => "Avail",
            Field::Pcent if options.has('P') => "Capacity",
            Field::Pcent => "Use%",
            Field::File => "File",
            Field::Target => "Mounted on",
        };
        text.to_owned()
    }

    fn least_width(self) -> usize {
        match self {
            Field::Source => 14,
            Field::Fstype | Field::Ipcent | Field::Pcent => 4,
            Field::Size | Field::Used | Field::Avail | Field::Itotal | Field::Iused | Field::Iavail => 5,
            Field::File | Field::Target => 0,
        }
    }

    fn is_left(self) -> bool {
        matches!(self, Field::Source | Field::Fstype | Field::File | Field::Target)
    }
}

/// In what sizes are shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Units {
    Human,
    Si,
    Blocks(u64),
}

impl Units {
    fn show(self, bytes: u64) -> String {
        match self {
            Units::Human => human(bytes),
            Units::Si => human_si(bytes),
            Units::Blocks(size) => bytes.div_ceil(size).to_string(),
        }
    }

    fn heading(self, posix: bool) -> String {
        let Units::Blocks(size) = self else { return "Size".into() };
        if posix {
            return format!("{size}-blocks");
        }
        // The shorter of the two ways to write the size.
        let mut scale = (size, 0);
        while scale.0 % 1024 == 0 && scale.1 < 6 && scale.0 > 0 {
            scale = (scale.0 / 1024, scale.1 + 1);
        }
        let mut decimal = (size, 0);
        while decimal.0 % 1000 == 0 && decimal.1 < 6 && decimal.0 > 0 {
            decimal = (decimal.0 / 1000, decimal.1 + 1);
        }
        let letter = |powers: &str, power: usize| powers.chars().nth(power).unwrap_or(' ').to_string();
        match (scale.1, decimal.1) {
            (0, 0) => format!("{size}B-blocks"),
            (b, d) if d > b => format!("{}{}B-blocks", decimal.0, letter(" kMGTPE", d)),
            (b, _) => format!("{}{}-blocks", scale.0, letter(" KMGTPE", b)),
        }
    }
}

/// A line of the table.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Line {
    source: String,
    fstype: String,
    target: String,
    file: String,
    inodes: u64,
    inodes_free: u64,
    /// In bytes.
    size: u64,
    free: u64,
    avail: u64,
}

impl Line {
    fn text(&self, field: Field, units: Units) -> String {
        let counted = |n: u64| match units {
            Units::Human => human(n),
            Units::Si => human_si(n),
            Units::Blocks(_) => n.to_string(),
        };
        match field {
            Field::Source => self.source.clone(),
            Field::Fstype => self.fstype.clone(),
            Field::Itotal => counted(self.inodes),
            Field::Iused => counted(self.inodes.saturating_sub(self.inodes_free)),
            Field::Iavail => counted(self.inodes_free),
            Field::Ipcent => percent(self.inodes.saturating_sub(self.inodes_free), self.inodes_free),
            Field::Size => units.show(self.size),
            Field::Used => units.show(self.size.saturating_sub(self.free)),
            Field::Avail => units.show(self.avail),
            Field::Pcent => percent(self.size.saturating_sub(self.free), self.avail),
            Field::File => self.file.clone(),
            Field::Target => self.target.clone(),
        }
    }
}

/// How much of it all is used, rounded up.
fn percent(used: u64, avail: u64) -> String {
    let (used, all) = (u128::from(used), u128::from(used) + u128::from(avail));
    if all == 0 { "-".into() } else { format!("{}%", (used * 100).div_ceil(all)) }
}

/// The columns that are asked for.
fn fields(options: &Options) -> Result<Vec<Field>, String> {
    if options.has('o') {
        let Some(list) = options.value('o') else { return Ok(FIELDS.iter().map(|f| f.1).collect()) };
        let mut chosen = Vec::new();
        for name in list.split(',') {
            let Some((_, field)) = FIELDS.iter().find(|f| f.0 == name) else {
                return Err(format!("option --output: field {} unknown", quote(name)));
            };
            if chosen.contains(field) {
                return Err(format!("option --output: field {} used more than once", quote(name)));
            }
            chosen.push(*field);
        }
        return Ok(chosen);
    }
    let mut chosen = vec![Field::Source];
    if options.has('T') {
        chosen.push(Field::Fstype);
    }
    chosen.extend(if options.has('i') {
        [Field::Itotal, Field::Iused, Field::Iavail, Field::Ipcent]
    } else {
        [Field::Size, Field::Used, Field::Avail, Field::Pcent]
    });
    chosen.push(Field::Target);
    Ok(chosen)
}

async fn df(sys: Sys) -> Result<i32, i32> {
    let options = sys.getopt(&SPEC).await?;
    for key in ['i', 'P', 'T'] {
        if options.has('o') && options.has(key) {
            sys.error(format!("options -{key} and --output are mutually exclusive")).await;
            sys.try_help().await;
            return Err(1);
        }
    }
    let fields = match fields(&options) {
        Ok(fields) => fields,
        Err(message) => return Err(sys.usage_error(message).await),
    };
    let units = match options.last_of("hHkB") {
        Some('h') => Units::Human,
        Some('H') => Units::Si,
        Some('B') => {
            let text = options.value('B').unwrap_or_default();
            let counted =
                if text.starts_with(|c: char| c.is_ascii_digit()) { text.to_owned() } else { format!("1{text}") };
            match parse_size(&counted).flatten().filter(|n| *n > 0) {
                Some(size) => Units::Blocks(size),
                None => {
                    sys.error(format!("invalid -B argument {}", quote(text))).await;
                    return Err(1);
                }
            }
        }
        _ if sys.env("POSIXLY_CORRECT").is_some() => Units::Blocks(512),
        _ => Units::Blocks(1024),
    };
    let mounts = match sys.mountinfo().await {
        Ok(mounts) => mounts,
        Err(e) => {
            sys.error(format!("cannot read table of mounted file systems: {e}")).await;
            return Err(1);
        }
    };
    let mut status = 0;
    let lines = if options.operands.is_empty() {
        all_lines(&sys, &options, &mounts).await
    } else {
        operand_lines(&sys, &options, &mounts, &mut status).await
    };
    if lines.is_empty() {
        if status == 0 {
            sys.error("no file systems processed").await;
        }
        return Err(1);
    }
    sys.print(render(&lines, &fields, &options, units)).await;
    Ok(status)
}

fn render(lines: &[Line], fields: &[Field], options: &Options, units: Units) -> String {
    let mut rows = vec![fields.iter().map(|f| f.heading(options, &units)).collect::<Vec<_>>()];
    rows.extend(lines.iter().map(|l| fields.iter().map(|f| l.text(*f, units)).collect()));
    if options.has('c') {
        let sum = |of: fn(&Line) -> u64| lines.iter().map(of).fold(0, u64::saturating_add);
        let total = Line {
            source: "total".into(),
            fstype: "-".into(),
            target: "-".into(),
            file: "-".into(),
            inodes: sum(|l| l.inodes),
            inodes_free: sum(|l| l.inodes_free),
            size: sum(|l| l.size),
            free: sum(|l| l.free),
            avail: sum(|l| l.avail),
        };
        rows.push(fields.iter().map(|f| total.text(*f, units)).collect());
    }
    let widths: Vec<usize> = (fields.iter().enumerate())
        .map(|(i, f)| {
            let longest = rows.iter().filter_map(|r| r.get(i)).map(|t| t.chars().count()).max().unwrap_or(0);
            longest.max(f.least_width())
        })
        .collect();
    let mut out = String::new();
    for row in rows {
        for (i, ((text, field), width)) in row.iter().zip(fields).zip(&widths).enumerate() {
            if i > 0 {
                out.push(' ');
            }
            out += &match field.is_left() {
                true if i + 1 == fields.len() => text.clone(),
                true => format!("{text:<width$}"),
                false => format!("{text:>width$}"),
            };
        }
        out.push('\n');
    }
    out
}

/// Whether a file system holds nothing on a device or in memory that could run out.
fn is_dummy(mount: &MountInfo) -> bool {
    const DUMMIES: [&str; 12] = [
        "autofs",
        "proc",
        "subfs",
        "debugfs",
        "devpts",
        "fusectl",
        "fuse.portal",
        "mqueue",
        "rpc_pipefs",
        "sysfs",
        "devfs",
        "kernfs",
    ];
    DUMMIES.contains(&mount.fstype.as_str()) || mount.fstype == "none"
}

async fn line(sys: &Sys, mount: &MountInfo, path: &str, file: &str) -> Option<Line> {
    let fs = sys.statfs(path).await.ok()?;
    let unit = if fs.f_frsize > 0 { fs.f_frsize } else { fs.f_bsize };
    Some(Line {
        source: mount.source.clone(),
        fstype: mount.fstype.clone(),
        target: mount.target.clone(),
        file: file.to_owned(),
        inodes: fs.f_files,
        inodes_free: fs.f_ffree,
        size: fs.f_blocks.saturating_mul(unit),
        free: fs.f_bfree.saturating_mul(unit),
        avail: fs.f_bavail.saturating_mul(unit),
    })
}

/// Whether `-t` and `-x` let it through.
fn is_chosen(options: &Options, mount: &MountInfo) -> bool {
    (!options.has('t') || options.values('t').any(|t| t == mount.fstype))
        && !options.values('x').any(|t| t == mount.fstype)
}

async fn all_lines(sys: &Sys, options: &Options, mounts: &[MountInfo]) -> Vec<Line> {
    let all = options.has('a');
    let mut seen: Vec<(String, usize)> = Vec::new();
    let mut lines: Vec<Line> = Vec::new();
    for mount in mounts {
        if !is_chosen(options, mount) || (is_dummy(mount) && !all) {
            continue;
        }
        let Some(line) = line(sys, mount, &mount.target, "-").await else { continue };
        if line.size == 0 && !all && !options.has('t') {
            continue;
        }
        if all {
            lines.push(line);
            continue;
        }
        // Of several mounts of one file system the one nearest to the root is shown.
        match seen.iter().find(|(device, _)| *device == mount.maj_min) {
            None => {
                seen.push((mount.maj_min.clone(), lines.len()));
                lines.push(line);
            }
            Some((_, index)) => {
                if let Some(old) = lines.get_mut(*index).filter(|l| l.target.len() > line.target.len()) {
                    *old = line;
                }
            }
        }
    }
    lines
}

async fn operand_lines(sys: &Sys, options: &Options, mounts: &[MountInfo], status: &mut i32) -> Vec<Line> {
    let mut lines = Vec::new();
    for name in &options.operands {
        if let Err(e) = sys.stat(name).await {
            sys.error(format!("{}: {e}", quotef(name))).await;
            *status = 1;
            continue;
        }
        let path = sys.canonicalize(name).await.unwrap_or_else(|| name.clone());
        let Some(mount) = mount_of(mounts, &path).filter(|m| is_chosen(options, m)) else { continue };
        lines.extend(line(sys, mount, name, name).await);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_as_in_coreutils() {
        let line = Line {
            source: "small".into(),
            fstype: "tmpfs".into(),
            target: "/mnt".into(),
            size: 1 << 20,
            free: 1 << 19,
            avail: 1 << 19,
            ..Line::default()
        };
        let options = Options::default();
        let table =
            render(std::slice::from_ref(&line), &fields(&options).expect("fields"), &options, Units::Blocks(1024));
        assert_eq!(
            table,
            "Filesystem     1K-blocks  Used Available Use% Mounted on\n\
             small               1024   512       512  50% /mnt\n"
        );
        let table = render(&[line], &fields(&options).expect("fields"), &options, Units::Human);
        assert_eq!(
            table,
            "Filesystem      Size  Used Avail Use% Mounted on\nsmall           1.0M  512K  512K  50% /mnt\n"
        );
        assert_eq!(percent(1, 1000), "1%");
        assert_eq!(percent(0, 0), "-");
        assert_eq!(Units::Blocks(1_000_000).heading(false), "1MB-blocks");
        assert_eq!(Units::Blocks(512).heading(false), "512B-blocks");
    }
}
