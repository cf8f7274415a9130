//! Printing and typing calls: what is printed can be typed, and what is wrong is said in place.

use super::*;
use crate::errno::Errno;
use crate::syscall::{Call, CallResult, Ret, Sysno, Value};

/// Types a call and prints it back.
fn echo(text: &str) -> String {
    match parse_call(text) {
        Ok(call) => print::print_call(&call, None),
        Err(bad) => bad.to_string(),
    }
}

#[test]
fn what_is_typed_is_printed_in_the_same_words() {
    for text in [
        "unshare(CLONE_NEWNS|CLONE_NEWPID)",
        "kill(-1, SIGKILL)",
        "sethostname(\"a\\n\\\"b\\\"\", 5)",
        "setresuid(-1, 1000, -1)",
        "prlimit64(0, RLIMIT_NOFILE, {rlim_cur=20, rlim_max=30}, NULL)",
    ] {
        assert_eq!(echo(text), text);
    }
}

#[test]
fn numbers_may_be_written_as_expressions() {
    assert_eq!(echo("unshare(0x20000000)"), "unshare(CLONE_NEWPID)");
    assert_eq!(echo("unshare(1<<29 | CLONE_NEWNS)"), "unshare(CLONE_NEWNS|CLONE_NEWPID)");
    assert_eq!(echo("kill(2*3, 9)"), "kill(6, SIGKILL)");
}

#[test]
fn named_arguments_find_their_place() {
    let call = parse_call("clone(child_stack=NULL, flags=CLONE_NEWPID|SIGCHLD)");
    let flags = call.as_ref().ok().and_then(|c| c.args.first().cloned());
    assert_eq!(flags, Some(Value::Int(0x2000_0011)), "{call:?}");
}

#[test]
fn a_mistake_is_answered_with_the_place_and_what_would_do() {
    for (text, message) in [
        ("", "column 1: type a call"),
        ("unshar(0)", "column 1: there is no system call `unshar`; did you mean `unshare`?"),
        ("unshare", "column 8: write it with its arguments: unshare(flags)"),
        ("unshare(CLONE_NEWPDI)", "column 9: there is no `CLONE_NEWPDI`; did you mean `CLONE_NEWPID`?"),
        ("kill(1, SIGKIL)", "column 9: there is no `SIGKIL`; did you mean `SIGKILL`?"),
        ("kill(1)", "column 7: the argument `sig` is missing: kill takes 2 arguments: `pid`, `sig`"),
        ("kill(1, 2, 3)", "column 12: kill takes 2 arguments: `pid`, `sig`"),
        ("sethostname(x, 1)", "column 13: `name` is a string: write it in quotes, \"x\""),
        ("kill(1, 9", "column 10: expected `,` or the end of the arguments, `)`"),
        ("kill(1, 9) x", "column 12: expected nothing after the call"),
    ] {
        assert!(echo(text).starts_with(message), "{text}: {}", echo(text));
    }
}

#[test]
fn results_are_printed_as_strace_does() {
    let wait: Call = Call { nr: Sysno::WAIT4, args: vec![Value::Int(-1), Value::Null, Value::Int(0), Value::Null] };
    let status = |s: i32| -> CallResult { Ok(Ret::new(7).with(1, Value::Int(s.into()))) };
    assert_eq!(print(&wait, Some(&status(0))), "wait4(-1, [{WIFEXITED(s) && WEXITSTATUS(s) == 0}], 0, NULL) = 7");
    assert_eq!(print(&wait, Some(&status(9))), "wait4(-1, [{WIFSIGNALED(s) && WTERMSIG(s) == SIGKILL}], 0, NULL) = 7");
    assert_eq!(print(&wait, Some(&Err(Errno::ECHILD))), "wait4(-1, NULL, 0, NULL) = -1 ECHILD (No child processes)");
    assert_eq!(print(&wait, None), "wait4(-1, NULL, 0, NULL <unfinished ...>");
    let limits = Value::record([("rlim_cur", Value::Int(8192 * 1024)), ("rlim_max", Value::Int(-1))]);
    let call = Call { nr: Sysno::PRLIMIT64, args: vec![Value::Int(0), Value::Int(3), Value::Null, Value::Null] };
    let text = print(&call, Some(&Ok(Ret::new(0).with(3, limits))));
    assert!(text.ends_with("NULL, {rlim_cur=8192*1024, rlim_max=RLIM64_INFINITY}) = 0"), "{text}");
}

#[test]
fn strings_are_cut_and_escaped_as_strace_does() {
    let write = |bytes: &[u8]| {
        let args = vec![Value::Int(1), Value::bytes(bytes), Value::from(bytes.len())];
        print::print_call(&Call { nr: Sysno::WRITE, args }, None)
    };
    assert_eq!(write(b"a\0b\x001\xff"), r#"write(1, "a\0b\0001\377", 6)"#);
    assert!(write(&[b'x'; 40]).contains("xxxx\"..., 40"));
}

#[test]
fn completion_proposes_calls_flags_and_shows_the_parameter() {
    let texts = |text: &str| complete(text, text.len()).candidates.into_iter().map(|c| c.text).collect::<Vec<_>>();
    assert!(texts("unsh").contains(&"unshare(".to_owned()));
    assert!(texts("unshare(CLONE_NEWP").contains(&"CLONE_NEWPID".to_owned()));
    assert!(texts("unshare(CLONE_NEWNS|pid").contains(&"CLONE_NEWPID".to_owned()));
    assert!(!texts("unshare(CLONE_NEWNS|").contains(&"CLONE_NEWNS".to_owned()));
    assert!(texts("kill(1, SIGK").contains(&"SIGKILL".to_owned()));
    let hint = complete("kill(1, ", 8).call;
    assert_eq!(hint.as_ref().and_then(|h| h.parameter), Some(1));
    assert_eq!(hint.map(|h| h.signature), Some("kill(pid, sig)".to_owned()));
    assert_eq!(complete("kill(1, 9)", 10).call.and_then(|h| h.parameter), None);
}

#[test]
fn completion_takes_any_text() {
    for text in ["", "(", "é(", "kill(\"", "kill(é, ", "kill(1, 2, 3, ", "))((", "unshare(\\\"|"] {
        for cursor in 0..=text.len() + 1 {
            let _ = complete(text, cursor);
            let _ = parse_call(text);
        }
    }
}
