//! Scripts run in a world.

use crate::action::Action;
use crate::console::ConsoleId;
use crate::event::EventKind;
use crate::kernel::Trace;
use crate::pv_ops::NoMachine;
use crate::step::Running;
use crate::world::{Config, World};

/// How many turns a line may take.
const BUDGET: u64 = 200_000;

/// What the lines print, with `[exit N]` after those whose status is not 0.
fn run(lines: &[&str]) -> String {
    let mut running = Running::new(World::boot(Config::default()), NoMachine);
    let mut text = String::new();
    let console = ConsoleId(1);
    for line in lines {
        let mut trace = Trace::new();
        running.run(BUDGET, &mut trace);
        running.inject(&Action::Line { console, text: (*line).to_owned() }, &mut trace);
        if !running.run(BUDGET, &mut trace) {
            text.push_str("[does not end]\n");
        }
        for event in trace.events {
            match event.kind {
                EventKind::Output { bytes, .. } => text.push_str(&String::from_utf8_lossy(&bytes)),
                EventKind::CommandEnded { status, .. } if status != 0 => text.push_str(&format!("[exit {status}]\n")),
                _ => {}
            }
        }
    }
    text
}

/// What one line prints.
fn line(text: &str) -> String {
    run(&[text])
}

#[test]
fn echo_and_status() {
    assert_eq!(line("echo hello"), "hello\n");
    assert_eq!(line("false"), "[exit 1]\n");
    assert_eq!(run(&["false", "echo $?"]), "[exit 1]\n1\n");
}

#[test]
fn expansions() {
    assert_eq!(line("x=5; echo $x ${x}y ${#x} $((x * 2))"), "5 5y 1 10\n");
    assert_eq!(line("echo ${nope:-word} ${nope-w} \"${nope:+no}\""), "word w \n");
    assert_eq!(
        line("f=a/b/c.txt; echo ${f##*/} ${f%.*} ${f#*/} ${f/b/X} ${f:2:3}"),
        "c.txt a/b/c b/c.txt a/X/c.txt b/c\n"
    );
    assert_eq!(line("set -- 'a b' c; for i in \"$@\"; do echo \"<$i>\"; done; echo $#"), "<a b>\n<c>\n2\n");
    assert_eq!(line("set -- 'a b' c; for i in $*; do echo \"<$i>\"; done"), "<a>\n<b>\n<c>\n");
    assert_eq!(line("set --; for i in \"$@\"; do echo no; done; echo \"<$*>\""), "<>\n");
    assert_eq!(line("IFS=:; x=a::b; for i in $x; do echo \"<$i>\"; done"), "<a>\n<>\n<b>\n");
    assert_eq!(line("echo ~ \"~\" '$x' \\$x"), "/root ~ $x $x\n");
}

#[test]
fn control_flow() {
    assert_eq!(line("if false; then echo a; elif true; then echo b; else echo c; fi"), "b\n");
    assert_eq!(line("i=0; while [ $i -lt 3 ]; do i=$((i+1)); echo $i; done"), "1\n2\n3\n");
    assert_eq!(line("for i in 1 2 3; do [ $i = 2 ] && continue; echo $i; done"), "1\n3\n");
    assert_eq!(line("for i in 1 2 3; do for j in a b; do [ $i = 2 ] && break 2; echo $i$j; done; done"), "1a\n1b\n");
    assert_eq!(line("case abc in x) echo 1;; a*) echo 2;; *) echo 3;; esac"), "2\n");
    assert_eq!(line("for ((i=0; i<3; i++)); do echo $i; done"), "0\n1\n2\n");
    assert_eq!(line("true && echo a || echo b; false && echo a || echo b; ! true; echo $?"), "a\nb\n1\n");
    assert_eq!(line("until true; do echo no; done; echo $?"), "0\n");
}

#[test]
fn functions() {
    assert_eq!(line("f() { local x=1; echo $1 $x; return 3; }; x=9; f a; echo $? $x"), "a 1\n3 9\n");
    assert_eq!(line("f() { [ $1 -gt 0 ] || return 0; echo $1; f $(($1 - 1)); }; f 3"), "3\n2\n1\n");
    assert_eq!(line("g() { echo $X; }; X=1 g; echo \"<$X>\""), "1\n<>\n");
}

#[test]
fn errors_of_bash() {
    assert_eq!(line("nosuchcommand"), "sh: line 1: nosuchcommand: command not found\n[exit 127]\n");
    assert_eq!(line("cat </nope"), "sh: line 1: /nope: No such file or directory\n[exit 1]\n");
    assert_eq!(line("echo x >/no/such"), "sh: line 1: /no/such: No such file or directory\n[exit 1]\n");
    assert_eq!(line("fi"), "sh: line 1: syntax error near unexpected token `fi'\nsh: line 1: `fi'\n[exit 2]\n");
    assert_eq!(line("echo ${x:?}; echo no"), "sh: line 1: x: parameter null or not set\n[exit 1]\n");
    assert_eq!(line("wait 12345"), "sh: line 1: wait: pid 12345 is not a child of this shell\n[exit 127]\n");
    assert_eq!(line("kill 99999"), "sh: line 1: kill: (99999) - No such process\n[exit 1]\n");
    assert_eq!(line("/tmp"), "sh: line 1: /tmp: Is a directory\n[exit 126]\n");
}

#[test]
fn forks_pipes_and_substitutions() {
    assert_eq!(line("echo $(echo a; echo b)"), "a b\n");
    assert_eq!(line("x=$(false); echo $?"), "1\n");
    assert_eq!(line("(exit 7); echo $?"), "7\n");
    assert_eq!(line("echo a | while read x; do echo \"<$x>\"; done"), "<a>\n");
    assert_eq!(line("echo `echo \\`echo deep\\``"), "deep\n");
    assert_eq!(line("x=1; (x=2; echo $x); echo $x"), "2\n1\n");
    assert_eq!(line("(exit 3) & wait $!; echo $?"), "3\n");
    assert_eq!(line("while read l; do echo \"[$l]\"; done <<E\na b\n$((1+1))\nE\n"), "[a b]\n[2]\n");
    assert_eq!(line("echo $$; (echo $$)"), "30000\n30000\n");
}

#[test]
fn shells_in_the_shell() {
    assert_eq!(line("sh -c 'echo $0 $1; exit 3' name arg"), "name arg\n[exit 3]\n");
    assert_eq!(line("echo 'echo in; exit 4' | sh"), "in\n[exit 4]\n");
    assert_eq!(line("printf 'read x\\ndata\\necho \"<$x>\"\\n' | sh"), "<data>\n");
    let message = "sh: line 2: syntax error: unexpected end of file\n[exit 2]\n";
    assert_eq!(line("echo 'if true' | sh"), message);
    assert_eq!(line("sh -c 'echo a; nosuch; echo $?'"), "a\nsh: line 1: nosuch: command not found\n127\n");
    assert_eq!(line("sh -c 'set -e; false; echo no'"), "[exit 1]\n");
    assert_eq!(line("sh -c 'trap \"echo t\" EXIT; exit 5'"), "t\n[exit 5]\n");
    assert_eq!(run(&["exec sh", "echo still here"]), "still here\n");
}

#[test]
fn a_signal_ends_the_line_and_its_children() {
    let mut running = Running::new(World::boot(Config::default()), NoMachine);
    let mut trace = Trace::new();
    let console = ConsoleId(1);
    running.run(BUDGET, &mut trace);
    running.inject(&Action::Line { console, text: "yes > /dev/null; echo not reached".into() }, &mut trace);
    running.run(5_000, &mut trace);
    running.inject(&Action::Interrupt { console }, &mut trace);
    assert!(running.run(5_000, &mut trace));
    assert_eq!(running.world.consoles[console].last_status, 130);
    running.inject(&Action::Line { console, text: "false".into() }, &mut trace);
    assert!(running.run(5_000, &mut trace));
    assert_eq!(running.world.consoles[console].last_status, 1);
}

#[test]
fn completions() {
    let mut running = Running::new(World::boot(Config::default()), NoMachine);
    running.run(BUDGET, &mut Trace::silent());
    let shell = running.world.consoles[ConsoleId(1)].shell;
    let at = |line: &str| super::complete(&running.world, shell, line, line.len());
    assert_eq!(at("unsh"), super::Completion { start: 0, candidates: vec!["unshare".into()] });
    assert_eq!(at("ls /et"), super::Completion { start: 3, candidates: vec!["/etc/".into()] });
    assert_eq!(at("ls | unal").candidates, ["unalias"]);
    assert_eq!(at("echo $HO").candidates, ["HOME"]);
    assert_eq!(at("cat < /etc/hostn").candidates, ["/etc/hostname"]);
}

#[test]
fn traps_and_signals() {
    assert_eq!(line("trap 'echo usr1' USR1; kill -USR1 $$; echo after"), "usr1\nafter\n");
    assert_eq!(line("(trap 'echo bye' EXIT; echo in)"), "in\nbye\n");
    assert_eq!(line("(kill -9 $PPID & wait) & sleep 0"), line("true"));
}

#[test]
fn an_endless_loop_can_be_interrupted() {
    let mut running = Running::new(World::boot(Config::default()), NoMachine);
    let mut trace = Trace::new();
    let console = ConsoleId(1);
    running.run(BUDGET, &mut trace);
    running.inject(&Action::Line { console, text: "while :; do :; done".into() }, &mut trace);
    assert!(!running.run(5_000, &mut trace));
    running.inject(&Action::Interrupt { console }, &mut trace);
    assert!(running.run(5_000, &mut trace));
    assert_eq!(running.world.consoles[console].last_status, 130);
}

#[test]
fn a_signal_caught_before_the_state_is_saved_is_not_lost_to_a_child() {
    let lines = ["sleep 9 & sleep 0.1; kill -STOP $!; sleep 0.1", "kill -CONT $!; sleep 0.1; echo done; kill $!"];
    assert_eq!(run(&lines), "done\n");
}

#[test]
fn the_jobs_of_a_shell_can_be_piped_and_substituted() {
    let text = run(&["sleep 5 & sleep 6 &", "jobs -p | wc -l", "echo $(jobs -p) | wc -w", "(jobs -p) | wc -l"]);
    assert_eq!(text, "2\n2\n0\n");
    // As on a real machine: the job of `$!` had ended before wait looked, and stays until somebody asks.
    let killed = "[2]+  Terminated              sleep 6\n";
    assert_eq!(run(&["sleep 5 & sleep 6 &", "kill $(jobs -p); wait; jobs"]), killed);
}

#[test]
fn arrays() {
    assert_eq!(
        line("a=(1 2 3); a[5]=9; echo ${a[*]} ${#a[@]} ${!a[@]} ${a[-1]} ${a[@]:1:2} \"${a[@]/1/X}\" $a"),
        "1 2 3 9 4 0 1 2 5 9 2 3 X 2 3 9 1\n"
    );
    assert_eq!(line("a=(x 'b c'); a+=(d); for i in \"${a[@]}\"; do echo \"<$i>\"; done"), "<x>\n<b c>\n<d>\n");
    assert_eq!(line("a=(1 2); unset 'a[0]'; echo ${a[@]} ${#a[*]}; declare -p a"), "2 1\ndeclare -a a=([1]=\"2\")\n");
    assert_eq!(line("a=(5 6); echo $((a[0] + a[1])); ((a[1]++)); echo ${a[1]}"), "11\n7\n");
    assert_eq!(line("true | false | (exit 3); echo \"${PIPESTATUS[@]}\""), "0 1 3\n");
    assert_eq!(
        line("read -a w <<< 'one two'; echo ${w[1]}; mapfile -t m < /etc/hostname; echo ${#m[@]} $m"),
        "two\n1 lab\n"
    );
}

#[test]
fn places_that_an_array_does_not_have() {
    let bad = |text: &str, answer: &str| assert_eq!(line(text), format!("sh: line 1: {answer}"));
    bad("a=(1 2); a[-5]=x; echo no", "a[-5]: bad array subscript\n[exit 1]\n");
    bad("a=(1 2); echo \"[${a[-5]}]\"", "a: bad array subscript\n[]\n");
    bad("s=abc; echo \"${s[-1]}\"", "s: bad array subscript\n\n");
    bad("c=([-1]=3); echo $? ${#c[@]}", "[-1]=3: bad array subscript\n0 0\n");
    bad("a=(1 2); unset 'a[-9]'; echo $?", "unset: [-9]: bad array subscript\n1\n");
    bad("s=abc; unset 's[1]'; echo $s", "unset: s: not an array variable\nabc\n");
    bad("a=(1); echo ${a[5]?}; echo no", "a[5]: parameter not set\n[exit 1]\n");
    bad("set -u; (echo ${a[7]})", "a[7]: unbound variable\n[exit 1]\n");
    assert_eq!(line("b=(1); b[9223372036854775807]=9; echo ${b[-1]} ${#b[@]}; b+=(3); echo ${#b[@]}"), "9 2\n3\n");
    assert_eq!(line("a=(1 2); echo ${a[3]:=z}; declare -p a"), "z\ndeclare -a a=([0]=\"1\" [1]=\"2\" [3]=\"z\")\n");
    assert_eq!(line("a=(1 2); unset 'a[-1]'; echo ${a[@]}; unset 'a[@]'; echo ${#a[@]}"), "1\n0\n");
    assert_eq!(line("unset 'x[0]'; echo $?; declare -p x 2> /dev/null || echo none"), "0\nnone\n");
}

#[test]
fn options_of_bash_as_commands() {
    assert_eq!(
        line("shopt -p nullglob; shopt -s nullglob; shopt -p nullglob"),
        "shopt -u nullglob\nshopt -s nullglob\n"
    );
}

#[test]
fn regular_expressions_in_tests() {
    let text = "[[ abc =~ ^a(.)(c)$ ]] && echo ${BASH_REMATCH[0]} ${BASH_REMATCH[2]}; [[ x =~ y ]]; echo $?";
    assert_eq!(line(text), "abc c\n1\n");
    assert_eq!(
        line("r='a+'; [[ aaa =~ $r ]] && echo matches; [[ 'a+' =~ \"$r\" ]] && echo itself"),
        "matches\nitself\n"
    );
}

#[test]
fn statuses_of_what_is_given_up() {
    assert_eq!(line("(echo ${u:?gone}; echo no); echo $?"), "sh: line 1: u: gone\n1\n");
    assert_eq!(line("sh -c 'echo $((1/0))' 2> /dev/null; echo $?"), "127\n");
    assert_eq!(line("sh -eu -c 'echo $u' 2> /dev/null; echo $?"), "1\n");
    assert_eq!(line("sh -c 'set -o nosuch; echo no' 2> /dev/null; echo $?"), "2\n");
    assert_eq!(line("f() { (return 4); echo $?; }; f"), "4\n");
    assert_eq!(
        line("sh -c 'foo(' 2>&1"),
        "sh: -c: line 1: syntax error near unexpected token `newline'\nsh: -c: line 1: `foo('\n[exit 2]\n"
    );
}

#[test]
fn a_trap_for_children_runs_once_for_each() {
    assert_eq!(line("(trap 'echo child' CHLD; true; sleep 0.1; /bin/true)"), "child\nchild\n");
}

#[test]
fn read_gives_up_in_time() {
    assert_eq!(line("sleep 5 | { read -t 0.2 x; echo $?; }"), "142\n");
    // Also from somebody who never stops.
    assert_eq!(line("yes | { read -t 0.01 -d X x; echo $?; }"), "142\n");
    assert_eq!(
        line("echo hi | { sleep 0.1; read -t 0 x; echo $? $x; read x; echo $x; }; sleep 1 | read -t 0; echo $?"),
        "0\nhi\n1\n"
    );
    assert_eq!(line("read -t 1e300 x; echo $?"), "sh: line 1: read: 1e300: invalid timeout specification\n1\n");
}

#[test]
fn directories_on_a_stack() {
    assert_eq!(run(&["pushd /tmp", "pushd /etc", "popd", "dirs -l"]), "/tmp ~\n/etc /tmp ~\n/tmp ~\n/tmp /root\n");
}

#[test]
fn a_shell_at_a_terminal_says_that_it_waits() {
    let mut running = Running::new(World::boot(Config { terminal: true, ..Config::default() }), NoMachine);
    let console = ConsoleId(1);
    let mut trace = Trace::new();
    running.run(BUDGET, &mut trace);
    for text in ["sh", "echo $((1/0))", "for i in 1 2", "do echo $i", "done", "exit 3", "echo $?"] {
        running.inject(&Action::Line { console, text: text.to_owned() }, &mut trace);
        assert!(running.run(BUDGET, &mut trace));
    }
    let printed = trace.events.iter().filter_map(|e| match &e.kind {
        EventKind::Output { bytes, .. } => Some(String::from_utf8_lossy(bytes).into_owned()),
        _ => None,
    });
    assert_eq!(
        printed.collect::<String>(),
        "sh-5.2# echo $((1/0))\nsh: 1/0: division by 0 (error token is \"0\")\nsh-5.2# for i in 1 2\n> do echo $i\n> done\n1\n2\nsh-5.2# exit 3\nexit\n3\n"
    );
}

#[test]
fn process_substitutions() {
    assert_eq!(
        line("echo <(:); cat <(echo a) <(echo b); while read x; do echo \"<$x>\"; done < <(seq 2)"),
        "/dev/fd/63\na\nb\n<1>\n<2>\n"
    );
    assert_eq!(line("echo in > >(cat); sleep 0.1; ls /proc/self/fd | wc -w"), "in\n4\n");
}
