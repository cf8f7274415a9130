//! `findmnt`: lists or searches mounts.

use super::mount::type_matches;
use super::mountinfo::{MountInfo, mount_of};
use super::table::{Style, Table, TableColumn};
use crate::program::Sys;
use crate::program::getopt::{Long, Options, Spec, Takes};

crate::program!(
    FINDMNT = "findmnt" in "/usr/bin",
    "find a filesystem",
    main,
    "  findmnt [TARGET|SOURCE]    all mounts as a tree, or the one
  -n, --noheadings          no headers
  -o, --output LIST         columns: TARGET SOURCE FSTYPE OPTIONS VFS-OPTIONS FS-OPTIONS PROPAGATION
                            MAJ:MIN ID PARENT TID FSROOT OPT-FIELDS (+LIST adds)
  -t, --types LIST          only these types
  -O, --options LIST        only with these options
  -R, --submounts           also what is mounted below
  -T, --target PATH         the mount that a path lies in
  -M, --mountpoint PATH     the mount on exactly this directory
  -S, --source WORD         by what is mounted
  -l, --list; -r, --raw; -P, --pairs; -J, --json   other formats
  -f, --first-only; -i, --invert; -v, --nofsroot"
);

const SPEC: Spec = Spec {
    short: "no:t:O:RT:M:S:lrPJfivkaA",
    long: &[
        Long("noheadings", Takes::Nothing, 'n'),
        Long("output", Takes::Value, 'o'),
        Long("types", Takes::Value, 't'),
        Long("options", Takes::Value, 'O'),
        Long("submounts", Takes::Nothing, 'R'),
        Long("target", Takes::Value, 'T'),
        Long("mountpoint", Takes::Value, 'M'),
        Long("source", Takes::Value, 'S'),
        Long("list", Takes::Nothing, 'l'),
        Long("raw", Takes::Nothing, 'r'),
        Long("pairs", Takes::Nothing, 'P'),
        Long("json", Takes::Nothing, 'J'),
        Long("first-only", Takes::Nothing, 'f'),
        Long("invert", Takes::Nothing, 'i'),
        Long("nofsroot", Takes::Nothing, 'v'),
        Long("kernel", Takes::Nothing, 'k'),
        Long("ascii", Takes::Nothing, 'a'),
        Long("all", Takes::Nothing, 'A'),
    ],
    unmodelled: "-s --fstab -m --mtab -p --poll -w --timeout -b --bytes -C --nocanonicalize -c --canonicalize -D --df \
                 -d --direction -e --evaluate -F --tab-file -N --task -u --notruncate -U --uniq -x --verify --deleted \
                 --pseudo --real --shadowed --tree --vfs-all --verbose --output-all --hyperlink",
    version: "from util-linux 2.38.1",
    failure: 1,
};

const COLUMNS: &[TableColumn] = &[
    TableColumn { name: "TARGET", right: false },
    TableColumn { name: "SOURCE", right: false },
    TableColumn { name: "FSTYPE", right: false },
    TableColumn { name: "OPTIONS", right: false },
    TableColumn { name: "VFS-OPTIONS", right: false },
    TableColumn { name: "FS-OPTIONS", right: false },
    TableColumn { name: "PROPAGATION", right: false },
    TableColumn { name: "MAJ:MIN", right: false },
    TableColumn { name: "ID", right: true },
    TableColumn { name: "PARENT", right: true },
    TableColumn { name: "TID", right: true },
    TableColumn { name: "FSROOT", right: false },
    TableColumn { name: "OPT-FIELDS", right: false },
];

/// Columns that exist and are not modelled.
const UNMODELLED: &[&str] = &[
    "LABEL",
    "UUID",
    "PARTLABEL",
    "PARTUUID",
    "ACTION",
    "OLD-TARGET",
    "OLD-OPTIONS",
    "SIZE",
    "AVAIL",
    "USED",
    "USE%",
    "FREQ",
    "PASSNO",
    "SOURCES",
];

async fn main(sys: Sys) -> i32 {
    let options = match sys.getopt(&SPEC).await {
        Ok(options) => options,
        Err(status) => return status,
    };
    let columns = match columns(&sys, options.value('o')).await {
        Ok(columns) => columns,
        Err(status) => return status,
    };
    let mounts = match sys.mountinfo().await {
        Ok(mounts) => mounts,
        Err(e) => {
            // This is the name that libmount tries last.
            sys.warn("can't read /proc/mounts", e).await;
            return 1;
        }
    };
    let Some(filter) = Filter::new(&sys, &options, &mounts).await else { return 1 };
    let mut chosen: Vec<&MountInfo> = mounts.iter().filter(|m| filter.matches(m) != options.has('i')).collect();
    if options.has('f') {
        chosen.truncate(1);
    }
    let style = match options.last_of("rPJ") {
        Some('r') => Style::Raw,
        Some('P') => Style::Pairs,
        Some('J') => Style::Json("filesystems"),
        _ => Style::Padded,
    };
    let is_list = filter.names_one || options.has('i') || options.has('l') || style != Style::Padded;
    let rows: Vec<(String, &MountInfo)> = if options.has('R') {
        let roots = chosen.clone();
        roots.into_iter().take(1).flat_map(|root| tree(&mounts, root)).collect()
    } else if is_list && !options.has('A') {
        chosen.into_iter().map(|m| (String::new(), m)).collect()
    } else {
        let is_root = |m: &&MountInfo| mounts.iter().all(|other| other.id != m.parent || m.id == m.parent);
        let shown = |m: &MountInfo| filter.matches(m) || options.has('A');
        let all = mounts.iter().filter(is_root).flat_map(|root| tree_of(&mounts, root, &shown));
        all.take(if options.has('f') { 1 } else { usize::MAX }).collect()
    };
    let with_root = !options.has('v');
    let cells = |(prefix, m): &(String, &MountInfo)| {
        columns.iter().map(|c| cell(c.name, prefix, m, with_root)).collect::<Vec<_>>()
    };
    let table =
        Table { rows: rows.iter().map(cells).collect(), columns: columns.clone(), headings: !options.has('n'), style };
    if rows.is_empty() {
        return 1;
    }
    sys.print(table.render()).await;
    0
}

async fn columns(sys: &Sys, list: Option<&str>) -> Result<Vec<TableColumn>, i32> {
    let mut chosen: Vec<TableColumn> = COLUMNS.iter().copied().take(4).collect();
    let Some(list) = list else { return Ok(chosen) };
    let list = match list.strip_prefix('+') {
        Some(rest) => rest,
        None => {
            chosen.clear();
            list
        }
    };
    for name in list.split(',') {
        let upper = name.to_ascii_uppercase();
        match COLUMNS.iter().find(|c| c.name == upper) {
            Some(column) => chosen.push(*column),
            None if UNMODELLED.contains(&upper.as_str()) => {
                sys.not_modelled(&format!("the column {upper}")).await;
                return Err(1);
            }
            None => {
                sys.warnx(format!("unknown column: {name}")).await;
                return Err(1);
            }
        }
    }
    Ok(chosen)
}

/// Which mounts are wanted.
#[derive(Default)]
struct Filter {
    /// A source or a target was asked for, so that the result is a list and not a tree (`is_listall_mode`).
    names_one: bool,
    types: Option<String>,
    options: Option<String>,
    target: Option<String>,
    source: Option<String>,
    /// A single operand: target or source.
    either: Option<(String, String)>,
    id: Option<u32>,
}

impl Filter {
    async fn new(sys: &Sys, options: &Options, mounts: &[MountInfo]) -> Option<Filter> {
        let own = |key| options.value(key).map(str::to_owned);
        let mut filter = Filter { types: own('t'), options: own('O'), source: own('S'), ..Filter::default() };
        match options.operands.as_slice() {
            [] => {}
            [one] => {
                let path = sys.canonicalize(one).await.unwrap_or_else(|| one.clone());
                filter.either = Some((one.clone(), path));
            }
            [source, target, ..] => {
                filter.source = Some(source.clone());
                filter.target = Some(sys.canonicalize(target).await.unwrap_or_else(|| target.clone()));
            }
        }
        if let Some(dir) = options.value('M') {
            filter.target = Some(sys.canonicalize(dir).await.unwrap_or_else(|| dir.to_owned()));
        }
        if let Some(path) = options.value('T') {
            let path = sys.canonicalize(path).await?;
            filter.id = Some(mount_of(mounts, &path)?.id);
        }
        filter.names_one =
            filter.target.is_some() || filter.source.is_some() || filter.either.is_some() || filter.id.is_some();
        Some(filter)
    }

    fn matches(&self, m: &MountInfo) -> bool {
        let has_options = |list: &String| {
            let present = m.options();
            let has = |option: &str| present.split(',').any(|p| p == option);
            // `no` before a word asks for its absence, also where that is an option of its own (`mnt_match_options`).
            list.split(',').all(|o| match (o.strip_prefix('+'), o.strip_prefix("no")) {
                (Some(literal), _) => has(literal),
                (None, Some(absent)) => !has(absent),
                (None, None) => has(o),
            })
        };
        let is_source = |word: &String| m.source == *word || m.source_with_root() == *word;
        self.types.as_ref().is_none_or(|list| type_matches(&m.fstype, list))
            && self.options.as_ref().is_none_or(has_options)
            && self.target.as_ref().is_none_or(|t| m.target == *t)
            && self.source.as_ref().is_none_or(is_source)
            && self.either.as_ref().is_none_or(|(word, path)| m.target == *path || is_source(word))
            && self.id.is_none_or(|id| m.id == id)
    }
}

/// A mount and everything below it, each with the lines of the tree in front of it.
fn tree<'a>(mounts: &'a [MountInfo], root: &'a MountInfo) -> Vec<(String, &'a MountInfo)> {
    tree_of(mounts, root, &|_| true)
}

/// The same of those that are wanted: what hangs below one that is not hangs below the next one above
/// (`create_treenode`).
fn tree_of<'a>(
    mounts: &'a [MountInfo],
    root: &'a MountInfo,
    wanted: &dyn Fn(&MountInfo) -> bool,
) -> Vec<(String, &'a MountInfo)> {
    let mut rows = Vec::new();
    let top = if wanted(root) { vec![root] } else { wanted_below(mounts, root, wanted) };
    for root in top {
        rows.push((String::new(), root));
        add_children(mounts, root, "", wanted, &mut rows);
    }
    rows
}

/// The mounts below one that are wanted, in order, with nothing wanted between.
fn wanted_below<'a>(
    mounts: &'a [MountInfo],
    parent: &MountInfo,
    wanted: &dyn Fn(&MountInfo) -> bool,
) -> Vec<&'a MountInfo> {
    let mut children: Vec<&MountInfo> = mounts.iter().filter(|m| m.parent == parent.id && m.id != parent.id).collect();
    children.sort_by_key(|m| m.id);
    let mut found = Vec::new();
    for child in children {
        if wanted(child) {
            found.push(child);
        } else {
            found.extend(wanted_below(mounts, child, wanted));
        }
    }
    found
}

fn add_children<'a>(
    mounts: &'a [MountInfo],
    parent: &'a MountInfo,
    indent: &str,
    wanted: &dyn Fn(&MountInfo) -> bool,
    rows: &mut Vec<(String, &'a MountInfo)>,
) {
    let children = wanted_below(mounts, parent, wanted);
    let last = children.len().saturating_sub(1);
    for (i, child) in children.into_iter().enumerate() {
        let (branch, below) = if i == last { ("`-", "  ") } else { ("|-", "| ") };
        rows.push((format!("{indent}{branch}"), child));
        add_children(mounts, child, &format!("{indent}{below}"), wanted, rows);
    }
}

fn cell(name: &str, prefix: &str, m: &MountInfo, with_root: bool) -> String {
    match name {
        "TARGET" => format!("{prefix}{}", m.target),
        "SOURCE" if with_root => m.source_with_root(),
        "SOURCE" => m.source.clone(),
        "FSTYPE" => m.fstype.clone(),
        "OPTIONS" => m.options(),
        "VFS-OPTIONS" => m.vfs_options.clone(),
        "FS-OPTIONS" => m.fs_options.clone(),
        "PROPAGATION" => m.propagation(),
        "MAJ:MIN" => m.maj_min.clone(),
        "ID" => m.id.to_string(),
        "PARENT" => m.parent.to_string(),
        "FSROOT" => m.root.clone(),
        "OPT-FIELDS" => m.opt_fields.join(" "),
        _ => String::new(),
    }
}
