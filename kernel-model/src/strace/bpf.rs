//! Filters of seccomp(2) in strace's words: `BPF_STMT(BPF_RET|BPF_K, SECCOMP_RET_ALLOW)` and
//! `BPF_JUMP(BPF_JMP|BPF_K|BPF_JEQ, 0x27, 0, 0x1)` for a `struct sock_filter`.

use super::parse::Expr;
use crate::security::bpf::op;
use crate::security::seccomp::ACTIONS;
use crate::syscall::{FlagNames, Value};

/// Classes of instructions.
const CLASSES: [&str; 8] = ["BPF_LD", "BPF_LDX", "BPF_ST", "BPF_STX", "BPF_ALU", "BPF_JMP", "BPF_RET", "BPF_MISC"];
/// Where a load takes its value from.
const MODES: FlagNames =
    &[("BPF_IMM", 0), ("BPF_ABS", 0x20), ("BPF_IND", 0x40), ("BPF_MEM", 0x60), ("BPF_LEN", 0x80), ("BPF_MSH", 0xa0)];
/// What arithmetic does.
const ALU: [&str; 11] = [
    "BPF_ADD", "BPF_SUB", "BPF_MUL", "BPF_DIV", "BPF_OR", "BPF_AND", "BPF_LSH", "BPF_RSH", "BPF_NEG", "BPF_MOD",
    "BPF_XOR",
];
/// When a jump is taken.
const JUMPS: [&str; 5] = ["BPF_JA", "BPF_JEQ", "BPF_JGT", "BPF_JGE", "BPF_JSET"];
/// Sizes and operands, and names of `linux/seccomp.h` inside structures.
const OTHERS: FlagNames = &[
    ("BPF_W", 0),
    ("BPF_H", 0x08),
    ("BPF_B", 0x10),
    ("BPF_K", 0),
    ("BPF_X", 0x08),
    ("BPF_A", 0x10),
    ("BPF_TAX", 0),
    ("BPF_TXA", 0x80),
    ("SECCOMP_MODE_DISABLED", 0),
    ("SECCOMP_MODE_STRICT", 1),
    ("SECCOMP_MODE_FILTER", 2),
    ("SECCOMP_RET_KILL", 0),
    ("AUDIT_ARCH_X86_64", 0xc000_003e),
];

/// The number of a name of this file.
pub(super) fn value(name: &str) -> Option<i64> {
    let place = |names: &[&str]| names.iter().position(|n| *n == name).map(|i| i as i64);
    let listed = |names: FlagNames| names.iter().find(|(n, _)| *n == name).map(|(_, v)| *v as i64);
    place(&CLASSES)
        .or_else(|| place(&ALU).map(|i| if i == 10 { 0xa0 } else { i << 4 }))
        .or_else(|| place(&JUMPS).map(|i| i << 4))
        .or_else(|| listed(MODES))
        .or_else(|| listed(OTHERS))
        .or_else(|| ACTIONS.iter().find(|(n, _)| *n == name).map(|(_, v)| i64::from(*v)))
}

/// `BPF_STMT(code, k)` or `BPF_JUMP(code, k, jt, jf)` as a structure; `None` for any other macro.
pub(super) fn insn(name: &str, args: &[Expr], constant: &dyn Fn(&str) -> Option<i64>) -> Option<Value> {
    if name != "BPF_STMT" && name != "BPF_JUMP" {
        return None;
    }
    let part = |i: usize| args.get(i).map_or(Some(0), |e| e.number(constant));
    Some(Value::record([
        ("code", part(0)?.into()),
        ("jt", part(2)?.into()),
        ("jf", part(3)?.into()),
        ("k", part(1)?.into()),
    ]))
}

/// An instruction as strace writes it; `None` for a structure that is none.
pub(super) fn print(value: &Value) -> Option<String> {
    let part = |name| value.field(name).and_then(Value::as_int);
    let (code, jt, jf, k) = (part("code")? as u16, part("jt")?, part("jf")?, part("k")? as u32);
    let code_text = code_names(code).join("|");
    let k_text = if code & 7 == op::RET && code & 0x18 == op::K { action(k) } else { number(k.into()) };
    Some(if jt == 0 && jf == 0 {
        format!("BPF_STMT({code_text}, {k_text})")
    } else {
        format!("BPF_JUMP({code_text}, {k_text}, {}, {})", number(jt), number(jf))
    })
}

/// An action as a number in a filter or of `SECCOMP_GET_ACTION_AVAIL`.
pub(super) fn action(ret: u32) -> String {
    let known = ACTIONS.iter().find(|(_, n)| *n == ret & 0xffff_0000);
    match (known, ret & 0xffff) {
        (None, _) => number(ret.into()),
        (Some((name, _)), 0) => (*name).to_owned(),
        (Some((name, _)), data) => format!("{name}|{data:#x}"),
    }
}

fn number(n: i64) -> String {
    if n == 0 { "0".to_owned() } else { format!("{n:#x}") }
}

/// The names that make up an instruction's code, in strace's order.
fn code_names(code: u16) -> Vec<&'static str> {
    let class = usize::from(code & 7);
    let mut names = vec![CLASSES[class]];
    let source = if code & op::X != 0 { "BPF_X" } else { "BPF_K" };
    match code & 7 {
        op::LD | op::LDX => {
            names.push(match code & 0x18 {
                0 => "BPF_W",
                0x08 => "BPF_H",
                _ => "BPF_B",
            });
            names.extend(MODES.iter().find(|(_, n)| *n == u64::from(code & 0xe0)).map(|(name, _)| *name));
        }
        op::ALU => {
            names.push(source);
            names.extend(match code & 0xf0 {
                0xa0 => Some(&"BPF_XOR"),
                what => ALU.get(usize::from(what >> 4)),
            });
        }
        op::JMP => {
            names.push(source);
            names.extend(JUMPS.get(usize::from(code >> 4 & 0xf)));
        }
        op::RET => names.push(match code & 0x18 {
            0 => "BPF_K",
            0x08 => "BPF_X",
            _ => "BPF_A",
        }),
        op::MISC => names.push(if code & 0x80 != 0 { "BPF_TXA" } else { "BPF_TAX" }),
        _ => {}
    }
    names
}

#[cfg(test)]
mod tests {
    use crate::security::seccomp::Action;
    use crate::strace::print::print_call;
    use crate::strace::typed::parse_call;

    #[test]
    fn filters_are_read_back_as_printed() {
        let text = "seccomp(SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_LOG, {len=9, filter=[\
                    BPF_STMT(BPF_LD|BPF_W|BPF_ABS, 0x4), BPF_JUMP(BPF_JMP|BPF_K|BPF_JEQ, 0xc000003e, 0x1, 0), \
                    BPF_STMT(BPF_RET|BPF_K, SECCOMP_RET_KILL_PROCESS), BPF_STMT(BPF_JMP|BPF_K|BPF_JSET, 0x7f), \
                    BPF_STMT(BPF_ALU|BPF_K|BPF_AND, 0xff), BPF_STMT(BPF_ST, 0x1), BPF_STMT(BPF_MISC|BPF_TXA, 0), \
                    BPF_STMT(BPF_RET|BPF_K, SECCOMP_RET_ERRNO|0x1), BPF_STMT(BPF_RET|BPF_K, SECCOMP_RET_ALLOW)]})";
        assert_eq!(print_call(&parse_call(text).expect("a call"), None), text);
        let avail = "seccomp(SECCOMP_GET_ACTION_AVAIL, 0, [SECCOMP_RET_LOG])";
        assert_eq!(print_call(&parse_call(avail).expect("a call"), None), avail);
        assert_eq!(Action::from_ret(0x5_0001).to_string(), "SECCOMP_RET_ERRNO|EPERM");
    }
}
