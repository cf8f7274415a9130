//! What the parser reads, and that nothing makes it panic.

use super::*;
use crate::errno::Errno;

/// One line of every kind that the tools' logs have, in several of strace's styles.
const LINES: &str = include_str!("styles.strace");

fn line(text: &str) -> Line {
    parse(text).map(|log| log.lines[0].clone()).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn call(text: &str) -> TracedCall {
    match line(text).kind {
        LineKind::Call(call) => call,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn every_style_is_read() {
    let log = parse(LINES).unwrap_or_else(|e| panic!("{e}"));
    let unparsed: Vec<_> = log.unparsed().map(|(line, why)| format!("{}\n  {why}", line.text)).collect();
    assert!(unparsed.is_empty(), "{}", unparsed.join("\n"));
}

#[test]
fn pids_and_times_in_front_are_read() {
    for (text, pid, time) in [
        ("getpid() = 1", None, None),
        ("1234  getpid() = 1", Some(1234), None),
        ("[pid  1234] getpid() = 1", Some(1234), None),
        ("1234<sh> getpid() = 1", Some(1234), None),
        ("12:30:59 getpid() = 1", None, Some("12:30:59")),
        ("1234 12:30:59.123456 getpid() = 1", Some(1234), Some("12:30:59.123456")),
        ("1795329915.808604 getpid() = 1", None, Some("1795329915.808604")),
        ("     0.000123 getpid() = 1", None, Some("0.000123")),
        ("[pid 7] 12:30:59 (+     0.000123) getpid() = 1", Some(7), Some("12:30:59")),
        ("7 [  39] [00007f0123456789] getpid() = 1", Some(7), None),
    ] {
        let line = line(text);
        assert_eq!((line.pid, line.time.as_deref()), (pid, time), "{text}");
        assert!(matches!(line.kind, LineKind::Call(_)), "{text}: {:?}", line.kind);
    }
}

#[test]
fn results_are_read() {
    assert_eq!(call("read(3, \"\", 512) = 0 <0.000012>").duration.as_deref(), Some("0.000012"));
    assert_eq!(call("umask(000) = 022").ret.value(), Some(18));
    let opened = call("openat(AT_FDCWD</root>, \"/etc/passwd\", O_RDONLY) = 3</etc/passwd>");
    assert_eq!(opened.ret, Returned::Value { value: 3, described: Some("/etc/passwd".into()), note: None });
    assert_eq!(opened.args[0].described(), Some("/root"));
    assert_eq!(call("kill(1, 9) = -1 EPERM (Operation not permitted)").ret.errno(), Some(Errno::EPERM));
    assert_eq!(call("foo(1) = -1 (errno 38)").ret.errno(), Some(Errno::ENOSYS));
    assert_eq!(call("exit_group(0) = ?").ret, Returned::Never);
    let restart = "wait4(-1, 0x7ff, 0, NULL) = ? ERESTARTSYS (To be restarted if SA_RESTART is set)";
    assert_eq!(call(restart).ret, Returned::Interrupted("ERESTARTSYS".into()));
    let inner = call("getpid() = 2 /* 30006 in strace's PID NS */").ret;
    assert!(matches!(inner, Returned::Value { value: 2, note: Some(n), .. } if n.starts_with("30006 in")));
}

#[test]
fn values_are_read() {
    let constant = |_: &str| None;
    let number = |text: &str| call(&format!("f({text}) = 0")).args[0].number(&constant);
    assert_eq!(number("8*1024"), Some(8192));
    assert_eq!(number("1<<3|1<<4"), Some(24));
    assert_eq!(number("0x7fff000000000000"), Some(0x7fff_0000_0000_0000));
    assert_eq!(number("18446744073709551615"), Some(-1));
    assert_eq!(number("-9"), Some(-9));
    assert_eq!(number("0755"), Some(0o755));
    let clone3 = call("clone3({flags=CLONE_NEWPID, exit_signal=SIGCHLD} => {parent_tid=[5]}, 88) = 5");
    assert_eq!(clone3.args[0].plain().field("exit_signal"), Some(&Expr::Word("SIGCHLD".into())));
    assert_eq!(clone3.args[0].after().field("parent_tid"), Some(&Expr::List(vec![Expr::Int(5)])));
    let write = call(r#"write(1, "a\n\0\33\x1b\"b"..., 10) = 10"#);
    assert_eq!(write.args[1], Expr::Str { bytes: b"a\n\0\x1b\x1b\"b".to_vec(), whole: false });
    let mask = call("rt_sigprocmask(SIG_BLOCK, ~[RTMIN RT_1], [HUP INT], 8) = 0");
    assert_eq!(mask.args[2], Expr::List(vec![Expr::Word("HUP".into()), Expr::Word("INT".into())]));
}

#[test]
fn halves_are_joined_across_other_lines() {
    let log = "1 clone3({flags=CLONE_VM, exit_signal=0} <unfinished ...>\n\
               2 getpid( <unfinished ...>\n\
               1 <... clone3 resumed> => {parent_tid=[3]}, 88) = 3\n\
               2 <... getpid resumed>) = 2\n";
    let log = parse(log).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(log.begun.get(&2), Some(&0));
    assert_eq!(log.begun.get(&3), Some(&1));
    let clone3 = log.call_at(0).unwrap_or_else(|| panic!("no call"));
    assert_eq!((clone3.args.len(), clone3.ret.value()), (2, Some(3)));
}

#[test]
fn a_thread_that_executes_a_program_goes_on_as_its_leader() {
    let log = "11 execve(\"/bin/true\", [\"true\"], 0x7ffe /* 12 vars */ <unfinished ...>\n\
               10 +++ superseded by execve in pid 11 +++\n\
               10 <... execve resumed>) = 0\n";
    let log = parse(log).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(log.begun.get(&2), Some(&0));
}

#[test]
fn a_bad_line_says_where_and_what_was_expected() {
    for (text, column, expected) in [
        ("close(3", 8, "`,` or the end of the arguments, `)`"),
        ("close(3) ", 9, "`=` and the result of the call"),
        ("7 write(1, \"abc, 3) = 3", 24, "the end of the string, `\"`"),
        ("+++ exited with what +++", 17, "an exit status"),
        ("close(3) = x", 12, "the result of the call: a number or `?`"),
        ("[1, 2", 1, "a call such as"),
    ] {
        let LineKind::Unparsed(why) = line(text).kind else { panic!("{text} was read") };
        assert_eq!(why.column, column, "{text}: {why}");
        assert!(why.expected.starts_with(expected), "{text}: {why}");
    }
}

#[test]
fn what_is_no_log_is_refused_with_a_reason() {
    assert_eq!(parse(""), Err(LogError::Empty));
    assert_eq!(parse_bytes(b"\x7fELF\x02\x01\x01\0\0"), Err(LogError::Binary(7, 0)));
    assert!(matches!(parse_bytes(&[0xfe; 300]), Err(LogError::Binary(0, 0xfe))));
    assert!(matches!(parse(&"x".repeat(MAX_LOG + 1)), Err(LogError::TooLarge(_))));
}

#[test]
fn deep_and_long_lines_end_in_a_fault_or_a_value() {
    for unit in ["[", "{", "(", "-", "~", "a(", "a=", "1|2&", "1+2-", "\"\\", "[1 ", "/* */", "<", "3<a", "1 => "] {
        let _ = parse(&format!("f({} = 1", unit.repeat(100_000)));
        let _ = parse(&format!("f({} <unfinished ...>\n<... f resumed>) = 0", unit.repeat(100_000)));
    }
}

/// Numbers in a fixed order that look like chance.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n.max(1)
    }
}

#[test]
fn garbled_lines_never_panic() {
    const BITS: &[&str] = &[
        "",
        "\"",
        "\\",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "<",
        ">",
        "=",
        " => ",
        "/*",
        "*/",
        "...",
        "~",
        "-",
        "|",
        "é",
        "\t",
        "<unfinished ...>",
    ];
    let lines: Vec<&str> = LINES.lines().collect();
    let mut chance = Chance(7);
    for _ in 0..4000 {
        let mut chars: Vec<char> = lines[chance.below(lines.len())].chars().collect();
        for _ in 0..=chance.below(4) {
            let (a, b) = (chance.below(chars.len() + 1), chance.below(chars.len() + 1));
            match chance.below(3) {
                0 => chars.truncate(a),
                1 => drop(chars.drain(a.min(b)..a.max(b))),
                _ => {
                    let bit: Vec<char> = BITS[chance.below(BITS.len())].chars().collect();
                    chars.splice(a..a, bit);
                }
            }
        }
        let garbled: String = chars.into_iter().collect();
        let other = lines[chance.below(lines.len())];
        if let Ok(log) = parse(&format!("{garbled}\n{other}\n{garbled}\n")) {
            assert_eq!(log.lines.len(), 3);
        }
    }
}
