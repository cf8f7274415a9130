//! `pstree`: processes as a tree from left to right (psmisc 23.6).

use std::fmt::Write;

use crate::namespace::NsKind;
use crate::program::Sys;
use crate::program::accounts::Accounts;
use crate::program::getopt::{Long, Options, Spec, Takes};
use crate::program::procps::process::Process;

crate::program!(
    PSTREE = "pstree" in "/usr/bin",
    "display a tree of processes",
    main,
    "  pstree [PID | USER]
  -p, --show-pids       with pids; nothing is drawn together then
  -a, --arguments       with arguments, one process a line
  -c, --compact-not     draw subtrees that are alike one by one
  -g, --show-pgids      with process groups
  -n, --numeric-sort    siblings by pid, not by name
  -S, --ns-changes      which namespaces differ from the parent's
  -u, --uid-changes     whose user differs from the parent's
  -s, --show-parents    with the parents of the process
  -T, --hide-threads, -l, --long, -A, --ascii, -U, --unicode"
);

const SPEC: Spec = Spec {
    short: "aAcglnpsSTuUV",
    long: &[
        Long("arguments", Takes::Nothing, 'a'),
        Long("ascii", Takes::Nothing, 'A'),
        Long("compact-not", Takes::Nothing, 'c'),
        Long("show-pgids", Takes::Nothing, 'g'),
        Long("long", Takes::Nothing, 'l'),
        Long("numeric-sort", Takes::Nothing, 'n'),
        Long("show-pids", Takes::Nothing, 'p'),
        Long("show-parents", Takes::Nothing, 's'),
        Long("ns-changes", Takes::Nothing, 'S'),
        Long("hide-threads", Takes::Nothing, 'T'),
        Long("uid-changes", Takes::Nothing, 'u'),
        Long("unicode", Takes::Nothing, 'U'),
    ],
    unmodelled: "-C --color -G --vt100 -h --highlight-all -H --highlight-pid -N --ns-sort -t --thread-names -Z --security-context",
    version: "(PSmisc) 23.6",
    failure: 1,
};

/// Columns of a line when nobody says how wide the terminal is.
const WIDTH: usize = 132;

/// A process of the tree, or a thread.
#[derive(Clone)]
struct Node {
    process: Process,
    name: String,
    namespaces: Vec<(NsKind, u64)>,
    children: Vec<Node>,
}

impl Node {
    /// Whether two subtrees look alike (`tree_equal`).
    fn looks_like(&self, other: &Node, of: &Drawing) -> bool {
        self.name == other.name
            && (!of.users || self.process.uids[1] == other.process.uids[1])
            && (!of.changes || self.namespaces == other.namespaces)
            && self.children.len() == other.children.len()
            && self.children.iter().zip(&other.children).all(|(a, b)| a.looks_like(b, of))
    }
}

async fn main(sys: Sys) -> i32 {
    let options = match sys.getopt(&SPEC).await {
        Ok(options) => options,
        Err(status) => return status,
    };
    if options.has('V') {
        sys.eprint("pstree (PSmisc) 23.6\n").await;
        return 0;
    }
    let Ok(processes) = sys.processes().await else {
        sys.eprint("/proc is empty (not mounted ?)\n").await;
        return 1;
    };
    let accounts = sys.accounts().await;
    let mut drawing = Drawing::new(&options);
    let mut roots: Vec<i32> = Vec::new();
    match options.operands.first() {
        None => roots.push(1),
        Some(word) if word.starts_with(|c: char| c.is_ascii_digit()) => roots.extend(word.parse::<i32>()),
        Some(name) => {
            let Some(user) = accounts.user(name) else {
                sys.eprint(format!("No such user name: {name}\n")).await;
                return 1;
            };
            let is_theirs = |p: &Process| p.uids[1] == user.uid;
            let below_theirs = |p: &Process| processes.iter().any(|q| q.pid == p.ppid && is_theirs(q));
            roots.extend(processes.iter().filter(|p| is_theirs(p) && !below_theirs(p)).map(|p| p.pid));
            if roots.is_empty() {
                sys.eprint("No processes found.\n").await;
                return 1;
            }
        }
    }
    drawing.accounts = accounts;
    let mut text = String::new();
    for root in roots {
        let Some(process) = processes.iter().find(|p| p.pid == root) else { continue };
        let mut tree = grow(&sys, &options, &processes, process).await;
        if options.has('s') {
            tree = below_its_parents(&sys, &options, &processes, tree).await;
        }
        text.push_str(&drawing.draw(&tree));
    }
    sys.print(text).await;
    0
}

/// A process with everything below it. A process that is its own ancestor cannot be: pids of `/proc` form a forest.
async fn grow(sys: &Sys, options: &Options, processes: &[Process], root: &Process) -> Node {
    // Breadth first and without recursion: each process after its parent, then put together from the end.
    let mut order = vec![(root.clone(), None::<usize>)];
    let mut next = 0;
    while next < order.len() {
        let pid = order[next].0.pid;
        let children = processes.iter().filter(|p| p.ppid == pid).cloned();
        order.extend(children.map(|p| (p, Some(next))));
        next += 1;
    }
    let mut nodes = Vec::new();
    for (process, _) in &order {
        nodes.push(Some(node(sys, options, process.clone()).await));
    }
    for (at, (_, parent)) in order.iter().enumerate().rev() {
        let Some(mut own) = nodes[at].take() else { continue };
        sort(&mut own.children, options.has('n'));
        match parent.and_then(|parent| nodes[parent].as_mut()) {
            // The last ones come first here.
            Some(parent) => parent.children.insert(0, own),
            None => return own,
        }
    }
    node(sys, options, root.clone()).await
}

/// By name, those of the same name by user, and in the order of their pids (`add_child`).
fn sort(children: &mut [Node], by_pid: bool) {
    if by_pid {
        children.sort_by_key(|n| n.process.tid);
    } else {
        children.sort_by(|a, b| a.name.cmp(&b.name).then(a.process.uids[1].cmp(&b.process.uids[1])));
    }
}

async fn node(sys: &Sys, options: &Options, process: Process) -> Node {
    let mut namespaces = Vec::new();
    if options.has('S') {
        for kind in NsKind::ALL {
            if let Ok(stat) = sys.stat(&format!("/proc/{}/ns/{}", process.pid, kind.name())).await {
                namespaces.push((kind, stat.st_ino));
            }
        }
        namespaces.sort_by_key(|(kind, _)| kind.name());
    }
    let mut children = Vec::new();
    if !options.has('T') && process.threads > 1 {
        for thread in sys.threads_of(&process).await {
            if thread.tid != process.pid {
                let name = format!("{{{}}}", process.comm);
                children.push(Node { process: thread, name, namespaces: namespaces.clone(), children: Vec::new() });
            }
        }
    }
    Node { name: process.comm.clone(), process, namespaces, children }
}

async fn below_its_parents(sys: &Sys, options: &Options, processes: &[Process], tree: Node) -> Node {
    let mut tree = tree;
    while let Some(parent) = processes.iter().find(|p| p.pid == tree.process.ppid) {
        let mut above = node(sys, options, parent.clone()).await;
        above.children = vec![tree];
        tree = above;
    }
    tree
}

/// What lines are made of.
struct Symbols {
    first: &'static str,
    single: &'static str,
    branch: &'static str,
    last: &'static str,
    through: &'static str,
}

const ASCII: Symbols = Symbols { first: "-+-", single: "---", branch: "|-", last: "`-", through: "| " };
const UNICODE: Symbols =
    Symbols { first: "─┬─", single: "───", branch: "├─", last: "└─", through: "│ " };

/// How a tree is drawn, and the line that is being written.
struct Drawing {
    symbols: Symbols,
    pids: bool,
    groups: bool,
    users: bool,
    changes: bool,
    arguments: bool,
    compact: bool,
    width: usize,
    accounts: Accounts,
    text: String,
    /// The column in which the next character stands, from 1.
    column: usize,
    /// For each level: how wide its name is, and whether siblings follow.
    levels: Vec<(usize, bool)>,
}

impl Drawing {
    fn new(options: &Options) -> Self {
        let (pids, groups) = (options.has('p'), options.has('g'));
        Drawing {
            symbols: if options.last_of("AU") == Some('U') { UNICODE } else { ASCII },
            pids,
            groups,
            users: options.has('u'),
            changes: options.has('S'),
            arguments: options.has('a'),
            compact: !(pids || groups || options.has('c') || options.has('a')),
            width: if options.has('l') { usize::MAX } else { WIDTH },
            accounts: Accounts::default(),
            text: String::new(),
            column: 1,
            levels: Vec::new(),
        }
    }

    fn draw(&mut self, tree: &Node) -> String {
        self.subtree(tree, None, Place { copies: 1, is_first: true, is_last: true, closing: 0 });
        std::mem::take(&mut self.text)
    }

    fn write(&mut self, text: &str) {
        for c in text.chars() {
            self.column += 1;
            if self.column <= self.width {
                self.text.push(c);
            } else if self.column == self.width + 1 {
                self.text.push('+');
            }
        }
    }

    fn new_line(&mut self) {
        self.text.push('\n');
        self.column = 1;
    }

    /// What stands before a process that is not the first child on its parent's line.
    fn indent(&mut self, is_last: bool) {
        let levels = self.levels.clone();
        for (at, (width, _)) in levels.iter().enumerate() {
            self.write(&" ".repeat(width + 1));
            let symbol = match levels.get(at + 1) {
                None if is_last => self.symbols.last,
                None => self.symbols.branch,
                Some((_, true)) => self.symbols.through,
                Some((_, false)) => "  ",
            };
            self.write(symbol);
        }
    }

    /// `dump_tree`
    fn subtree(&mut self, node: &Node, parent: Option<&Node>, place: Place) {
        if !place.is_first {
            self.indent(place.is_last);
        }
        let begin = self.column;
        if place.copies > 1 {
            self.write(&format!("{}*[", place.copies));
        }
        self.write(&node.name);
        let details = self.details(node, parent);
        if self.arguments {
            if !details.is_empty() {
                self.write(&format!(",{}", details.join(",")));
            }
            if !node.name.starts_with('{') {
                for argument in node.process.argv.iter().skip(1) {
                    self.write(&format!(" {}", escaped(argument)));
                }
            }
        } else if !details.is_empty() {
            self.write(&format!("({})", details.join(",")));
        }
        let width = if self.arguments { 1 } else { self.column - begin };
        if self.arguments || node.children.is_empty() {
            self.write(&"]".repeat(place.closing));
            self.new_line();
        }
        self.levels.push((width, !place.is_last));
        let groups = self.alike(&node.children);
        for (i, (child, copies)) in groups.iter().enumerate() {
            let (is_first, is_last) = (i == 0 && !self.arguments, i + 1 == groups.len());
            if is_first {
                self.write(if is_last { self.symbols.single } else { self.symbols.first });
            }
            let closing = usize::from(*copies > 1) + if is_last { place.closing } else { 0 };
            self.subtree(child, Some(node), Place { copies: *copies, is_first, is_last, closing });
        }
        self.levels.pop();
    }

    /// Children, those that look alike together.
    fn alike<'n>(&self, children: &'n [Node]) -> Vec<(&'n Node, usize)> {
        let mut groups: Vec<(&Node, usize)> = Vec::new();
        for child in children {
            match groups.iter_mut().find(|(known, _)| self.compact && known.looks_like(child, self)) {
                Some((_, copies)) => *copies += 1,
                None => groups.push((child, 1)),
            }
        }
        groups
    }

    /// What stands behind the name in brackets.
    fn details(&self, node: &Node, parent: Option<&Node>) -> Vec<String> {
        let mut details = Vec::new();
        if self.pids {
            details.push(node.process.tid.to_string());
        }
        if self.groups {
            // The program writes a 0 without any digit.
            details.push(if node.process.pgrp == 0 { String::new() } else { node.process.pgrp.to_string() });
        }
        if self.users && parent.is_some_and(|p| p.process.uids[1] != node.process.uids[1]) {
            details.push(self.accounts.user_name(node.process.uids[1]));
        }
        if self.changes
            && let Some(parent) = parent
        {
            for (kind, inode) in &node.namespaces {
                if parent.namespaces.iter().any(|(k, i)| k == kind && i != inode) {
                    details.push(kind.name().to_owned());
                }
            }
        }
        details
    }
}

/// Where a process stands among its siblings.
struct Place {
    copies: usize,
    is_first: bool,
    is_last: bool,
    /// How many brackets are to be closed at the end of the line.
    closing: usize,
}

/// Whatever cannot be printed in octal, a backslash twice.
fn escaped(argument: &str) -> String {
    let mut text = String::new();
    for byte in argument.bytes() {
        match byte {
            b'\\' => text.push_str("\\\\"),
            b' '..=b'~' => text.push(byte.into()),
            _ => {
                // Writing to a string does not fail.
                let _ = write!(text, "\\{byte:03o}");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use crate::testing::run;

    /// As pstree 23.6 prints it for the same processes on a real machine.
    #[test]
    fn what_looks_alike_is_drawn_once() {
        let line = "unshare --pid --fork --mount-proc sh -c '(sleep 5 & sleep 5 & (sleep 7; true) & sleep 6; true) & \
                    sleep 9 & sleep 0.3; pstree; pstree -c; pstree 2; pstree -n; true'";
        assert_eq!(
            run(&[line]),
            "\
sh-+-pstree
   |-sh-+-sh---sleep
   |    `-3*[sleep]
   `-sleep
sh-+-pstree
   |-sh-+-sh---sleep
   |    |-sleep
   |    |-sleep
   |    `-sleep
   `-sleep
sh-+-sh---sleep
   `-3*[sleep]
sh-+-sh-+-3*[sleep]
   |    `-sh---sleep
   |-sleep
   `-pstree
"
        );
    }
}
