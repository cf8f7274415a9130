//! `lsns`: lists namespaces, found by looking into `/proc/PID/ns` of every process.

use std::collections::BTreeMap;

use super::table::{Style, Table, TableColumn};
use crate::namespace::NsKind;
use crate::program::Sys;
use crate::program::getopt::{Long, Spec, Takes};
use crate::program::procps::process::Process;

crate::program!(
    LSNS = "lsns" in "/usr/bin",
    "list namespaces",
    main,
    "  lsns [NAMESPACE]         all namespaces, or the processes in one
  -t, --type NAME          mnt, net, ipc, user, pid, uts, cgroup or time
  -p, --task PID           those of one process
  -o, --output LIST        NS TYPE PATH NPROCS PID PPID COMMAND UID USER NETNSID NSFS
  -n, --noheadings         no headers
  -l, --list, -r, --raw, -J, --json, -u, --notruncate, -W, --nowrap  formats"
);

const SPEC: Spec = Spec {
    short: "Jlno:p:rut:W",
    long: &[
        Long("json", Takes::Nothing, 'J'),
        Long("list", Takes::Nothing, 'l'),
        Long("noheadings", Takes::Nothing, 'n'),
        Long("output", Takes::Value, 'o'),
        Long("task", Takes::Value, 'p'),
        Long("raw", Takes::Nothing, 'r'),
        Long("notruncate", Takes::Nothing, 'u'),
        Long("type", Takes::Value, 't'),
        Long("nowrap", Takes::Nothing, 'W'),
    ],
    unmodelled: "-T --tree --output-all",
    version: "from util-linux 2.38.1",
    failure: 1,
};

const COLUMNS: &[TableColumn] = &[
    TableColumn { name: "NS", right: true },
    TableColumn { name: "TYPE", right: false },
    TableColumn { name: "PATH", right: false },
    TableColumn { name: "NPROCS", right: true },
    TableColumn { name: "PID", right: true },
    TableColumn { name: "PPID", right: true },
    TableColumn { name: "COMMAND", right: false },
    TableColumn { name: "UID", right: true },
    TableColumn { name: "USER", right: false },
    TableColumn { name: "NETNSID", right: false },
    TableColumn { name: "NSFS", right: false },
];

/// A namespace with the processes in it.
struct Namespace {
    inode: u64,
    kind: NsKind,
    processes: Vec<usize>,
}

async fn main(sys: Sys) -> i32 {
    let options = match sys.getopt(&SPEC).await {
        Ok(options) => options,
        Err(status) => return status,
    };
    let mut kinds = Vec::new();
    for name in options.values('t') {
        match NsKind::from_name(name) {
            Some(kind) => kinds.push(kind),
            None => {
                sys.warnx(format!("unknown namespace type: {name}")).await;
                return 1;
            }
        }
    }
    let task = match options.value('p') {
        None => None,
        Some(text) => match text.parse::<i32>() {
            Ok(pid) if pid > 0 => Some(pid),
            _ => {
                sys.warnx(format!("invalid PID argument: '{text}'")).await;
                return 1;
            }
        },
    };
    let columns = match columns(&sys, options.value('o'), &kinds).await {
        Ok(columns) => columns,
        Err(status) => return status,
    };
    let wanted = if kinds.is_empty() { NsKind::ALL.to_vec() } else { kinds };
    let (processes, namespaces) = read_all(&sys, &wanted).await;
    let style = match options.last_of("rJ") {
        Some('r') => Style::Raw,
        Some('J') => Style::Json("namespaces"),
        _ => Style::Padded,
    };
    let headings = !options.has('n');
    if let Some(text) = options.operands.first() {
        let Some(ns) = text.parse::<u64>().ok().and_then(|inode| namespaces.get(&inode)) else {
            sys.warnx(format!("not found namespace: {text}")).await;
            return 1;
        };
        let columns = if options.value('o').is_some() { columns } else { default_member_columns() };
        let table = members(&sys, &processes, ns, columns, headings, style).await;
        sys.print(table.render()).await;
        return 0;
    }
    let accounts = sys.accounts().await;
    let mounts = sys.mountinfo().await.unwrap_or_default();
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut parents: Vec<Option<usize>> = Vec::new();
    // The line in which a process was named last as the first one of a namespace.
    let mut led: BTreeMap<i32, usize> = BTreeMap::new();
    for ns in namespaces.values() {
        let holds = |pid| ns.processes.iter().any(|i| processes[*i].pid == pid);
        if !task.is_none_or(holds) {
            continue;
        }
        let Some(first) = ns.processes.iter().map(|i| &processes[*i]).min_by_key(|p| p.pid) else { continue };
        let cell = |name: &str| match name {
            "NS" => ns.inode.to_string(),
            "TYPE" => ns.kind.name().to_owned(),
            "PATH" => format!("/proc/{}/ns/{}", first.pid, ns.kind.name()),
            "NPROCS" => ns.processes.len().to_string(),
            "PID" => first.pid.to_string(),
            "PPID" => first.ppid.to_string(),
            "COMMAND" => command(first),
            "UID" => first.uids[1].to_string(),
            "USER" => accounts.user_name(first.uids[1]),
            "NETNSID" if ns.kind == NsKind::Net => "unassigned".to_owned(),
            "NSFS" if ns.kind == NsKind::Net => {
                let root = format!("net:[{}]", ns.inode);
                let bound = mounts.iter().filter(|m| m.fstype == "nsfs" && m.root == root);
                // One that is mounted more than once in the same place is named once.
                let mut places: Vec<String> = bound.map(|m| m.target.clone()).collect();
                places.dedup();
                places.join(",")
            }
            _ => String::new(),
        };
        // A namespace hangs below the one that the parent of its first process leads.
        let parent = processes.iter().find(|p| p.pid == first.ppid).and_then(|p| led.get(&p.pid).copied());
        led.insert(first.pid, rows.len());
        rows.push(columns.iter().map(|c| cell(c.name)).collect::<Vec<String>>());
        parents.push(parent);
    }
    if style == Style::Padded && !options.has('l') {
        rows = as_tree(rows, &parents, columns.iter().position(|c| c.name == "COMMAND"));
    }
    if !rows.is_empty() {
        sys.print(Table { columns, rows, headings, style }.render()).await;
    }
    0
}

async fn columns(sys: &Sys, list: Option<&str>, kinds: &[NsKind]) -> Result<Vec<TableColumn>, i32> {
    let named = |name: &str| COLUMNS.iter().find(|c| c.name.eq_ignore_ascii_case(name)).copied();
    let mut names = vec!["NS", "TYPE", "NPROCS", "PID", "USER"];
    if kinds == [NsKind::Net] {
        names.extend(["NETNSID", "NSFS"]);
    }
    names.push("COMMAND");
    if let Some(list) = list {
        match list.strip_prefix('+') {
            Some(more) => names.extend(more.split(',')),
            None => names = list.split(',').collect(),
        }
    }
    let mut columns = Vec::new();
    for name in names {
        match named(name) {
            Some(column) => columns.push(column),
            None if name.eq_ignore_ascii_case("PNS") || name.eq_ignore_ascii_case("ONS") => {
                sys.not_modelled(&format!("the column {name}")).await;
                return Err(1);
            }
            None => {
                sys.warnx(format!("unknown column: {name}")).await;
                return Err(1);
            }
        }
    }
    Ok(columns)
}

/// Every process, and every namespace that one of them shows to the caller. Namespaces whose links cannot
/// be followed are left out.
async fn read_all(sys: &Sys, kinds: &[NsKind]) -> (Vec<Process>, BTreeMap<u64, Namespace>) {
    let processes = sys.processes().await.unwrap_or_default();
    let mut namespaces: BTreeMap<u64, Namespace> = BTreeMap::new();
    for (i, p) in processes.iter().enumerate() {
        for kind in kinds {
            let Ok(stat) = sys.stat(&format!("/proc/{}/ns/{}", p.pid, kind.name())).await else { continue };
            let new = || Namespace { inode: stat.st_ino, kind: *kind, processes: Vec::new() };
            namespaces.entry(stat.st_ino).or_insert_with(new).processes.push(i);
        }
    }
    (processes, namespaces)
}

/// The rows with those that hang below another one right after it, and the tree in front of the cells of `column`.
/// Without that column there is nothing to be drawn.
fn as_tree(rows: Vec<Vec<String>>, parents: &[Option<usize>], column: Option<usize>) -> Vec<Vec<String>> {
    let Some(column) = column else { return rows };
    let below = |of: Option<usize>| (0..rows.len()).filter(move |row| parents[*row] == of).collect::<Vec<usize>>();
    let mut todo: Vec<(String, String, usize)> =
        below(None).into_iter().rev().map(|row| (String::new(), String::new(), row)).collect();
    let mut drawn = Vec::with_capacity(rows.len());
    while let Some((branch, line, row)) = todo.pop() {
        let mut cells = rows[row].clone();
        cells[column].insert_str(0, &branch);
        drawn.push(cells);
        let children = below(Some(row));
        for (i, child) in children.iter().enumerate().rev() {
            let (sign, on) = if i + 1 == children.len() { ("`-", "  ") } else { ("|-", "| ") };
            todo.push((format!("{line}{sign}"), format!("{line}{on}"), *child));
        }
    }
    drawn
}

fn command(p: &Process) -> String {
    if p.argv.is_empty() { p.comm.clone() } else { p.argv.join(" ") }
}

fn default_member_columns() -> Vec<TableColumn> {
    let column = |name| COLUMNS.iter().find(|c| c.name == name).copied();
    ["PID", "PPID", "USER", "COMMAND"].into_iter().filter_map(column).collect()
}

/// The processes of one namespace, as a tree.
async fn members(
    sys: &Sys,
    processes: &[Process],
    ns: &Namespace,
    columns: Vec<TableColumn>,
    headings: bool,
    style: Style,
) -> Table {
    let accounts = sys.accounts().await;
    let inside: Vec<&Process> = ns.processes.iter().map(|i| &processes[*i]).collect();
    let mut rows = Vec::new();
    let roots = inside.iter().filter(|p| inside.iter().all(|other| other.pid != p.ppid));
    let mut todo: Vec<(String, String, &Process)> =
        roots.map(|p| (String::new(), String::new(), *p)).collect::<Vec<_>>().into_iter().rev().collect();
    while let Some((branch, below, p)) = todo.pop() {
        let cell = |name: &str| match name {
            "NS" => ns.inode.to_string(),
            "TYPE" => ns.kind.name().to_owned(),
            "PATH" => format!("/proc/{}/ns/{}", p.pid, ns.kind.name()),
            "NPROCS" => ns.processes.len().to_string(),
            "PID" => p.pid.to_string(),
            "PPID" => p.ppid.to_string(),
            "UID" => p.uids[1].to_string(),
            "USER" => accounts.user_name(p.uids[1]),
            "COMMAND" => format!("{branch}{}", command(p)),
            _ => String::new(),
        };
        rows.push(columns.iter().map(|c| cell(c.name)).collect::<Vec<String>>());
        let children: Vec<&&Process> = inside.iter().filter(|c| c.ppid == p.pid).collect();
        for (i, child) in children.iter().enumerate().rev() {
            let (sign, line) = if i + 1 == children.len() { ("`-", "  ") } else { ("|-", "| ") };
            todo.push((format!("{below}{sign}"), format!("{below}{line}"), child));
        }
    }
    Table { columns, rows, headings, style }
}
