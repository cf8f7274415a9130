//! What differs from run to run, taken out of a transcript.
//!
//! The rules are those of the recorder, in its order: both sides of a comparison go through them.
//! Numbers that a kernel hands out (pids, namespaces, mounts, addresses, keys) become placeholders
//! that count first appearances, so that *which* things are the same still shows.

use regex::{Captures, Regex};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Gives each new text the next number: `<pid:1>`, `<pid:2>`, ...
struct Numberer {
    kind: &'static str,
    seen: BTreeMap<String, usize>,
}

impl Numberer {
    fn new(kind: &'static str) -> Self {
        Self { kind, seen: BTreeMap::new() }
    }

    fn placeholder(&mut self, text: &str) -> String {
        let next = self.seen.len() + 1;
        let number = *self.seen.entry(text.to_owned()).or_insert(next);
        format!("<{}:{number}>", self.kind)
    }
}

// As in the recorder's language, `\s` has the separators 1c to 1f in it.
macro_rules! pattern {
    ($name:ident, $source:expr) => {
        static $name: LazyLock<Regex> = LazyLock::new(|| match Regex::new($source) {
            Ok(regex) => regex,
            Err(error) => panic!("a pattern of this program: {error}"),
        });
    };
}

pattern!(CAPABILITIES, r"(?m)^(Cap(?:Inh|Prm|Eff|Bnd):[\s\x1c-\x1f]+)([0-9a-f]{16})$");
pattern!(
    DEAD_JOB,
    concat!(
        r"(?m)^[^\s\x1c-\x1f]*sh: line \d+: +\d+ (?:Killed|Terminated|Hangup|Aborted|Quit|Alarm clock|",
        r"Segmentation fault|User defined signal \d|Stopped|Done|Broken pipe|Bad system call|",
        r"File size limit exceeded|Real-time signal \d+|Exit \d+).*\n|",
        r"^(?:Killed|Terminated|Hangup|Aborted|Quit|Broken pipe|File size limit exceeded)\n"
    )
);
pattern!(
    DMESG_HINT,
    r"(?m)^ +dmesg\(1\) may have more information after failed (?:mount|mount_setattr|move_mount) system call\.\n"
);
pattern!(SHELL_LINE, r"(?m)^((?:[^\s\x1c-\x1f]*/)?(?:sh|bash)): (?:eval: )?line \d+: ");
pattern!(MOUNTINFO, r"(?m)^(\d+) (\d+) (\d+:\d+) (/)");
pattern!(PEER_GROUP, r"\b(shared|master|propagate_from):(\d+)");
pattern!(NAMESPACE, r"\b40265[34]\d{4}\b");
pattern!(DIGIT, r"^\d$");
pattern!(PID, r"3[01]\d{3}");
pattern!(ETHERNET, r"\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b");
pattern!(IPC_KEY, r"\b0x[0-9a-f]{8}\b");
pattern!(PING_TIME, r"time=[0-9.]+ ms");
pattern!(PING_TOTAL, r"time [0-9]+ms");
pattern!(PING_SUMMARY, r"rtt min/avg/max/mdev = .*");

/// Takes out of a transcript what differs from run to run.
///
/// ```
/// # use ringside::conformance::normalise::normalise;
/// assert_eq!(normalise("$ echo $$; cat x\n30000\nsh: line 3: cat: 30000\n"),
///            "$ echo $$; cat x\n<pid:1>\nsh: cat: <pid:1>\n");
/// ```
pub fn normalise(transcript: &str) -> String {
    let mut text = CAPABILITIES.replace_all(transcript, full_capabilities).into_owned();
    text = DEAD_JOB.replace_all(&text, "").into_owned();
    text = DMESG_HINT.replace_all(&text, "").into_owned();
    text = SHELL_LINE.replace_all(&text, "$1: ").into_owned();
    text = number_mounts(&text);
    text = number_pids_and_the_like(text);
    text = PING_TIME.replace_all(&text, "time=<ms> ms").into_owned();
    text = PING_TOTAL.replace_all(&text, "time <ms>ms").into_owned();
    PING_SUMMARY.replace_all(&text, "rtt min/avg/max/mdev = <rtt>").into_owned()
}

/// Sixteen digits, as the recorder writes them. The recorder also adds the capabilities that root
/// lacks on the recording machine; the standard world's root lacks none.
fn full_capabilities(found: &Captures) -> String {
    let mask = u64::from_str_radix(&found[2], 16).unwrap_or_default();
    format!("{}{mask:016x}", &found[1])
}

fn number_mounts(text: &str) -> String {
    let (mut mounts, mut devices, mut peers) = (Numberer::new("mnt"), Numberer::new("dev"), Numberer::new("peer"));
    let text = MOUNTINFO.replace_all(text, |found: &Captures| {
        let mount = mounts.placeholder(&found[1]);
        let parent = mounts.placeholder(&found[2]);
        format!("{mount} {parent} {} {}", devices.placeholder(&found[3]), &found[4])
    });
    PEER_GROUP
        .replace_all(&text, |found: &Captures| format!("{}:{}", &found[1], peers.placeholder(&found[2])))
        .into_owned()
}

fn number_pids_and_the_like(mut text: String) -> String {
    text = number(&text, &NAMESPACE, Numberer::new("ns"), |_, _, _| true);
    text = number(&text, &PID, Numberer::new("pid"), |before, _, after| is_pid(before, after));
    text = number(&text, &ETHERNET, Numberer::new("mac"), |_, address, _| {
        address != "00:00:00:00:00:00" && address != "ff:ff:ff:ff:ff:ff"
    });
    let about_ipc = ["msqid", "shmid", "semid", "Semaphore id"];
    if about_ipc.iter().any(|word| text.contains(word)) {
        // A key that another number follows after a space is a column of /proc/sysvipc or a mask;
        // key 0 is IPC_PRIVATE.
        text = number(&text, &IPC_KEY, Numberer::new("key"), |_, key, after| {
            !after.starts_with(" 0x") && key != "0x00000000"
        });
    }
    text
}

/// Whether five digits between `before` and `after` are a pid: not a piece of a longer number, of
/// an address, a time or a version.
fn is_pid(before: &str, after: &str) -> bool {
    let piece_before = before.chars().next_back().is_some_and(|c| is_digit(c) || c == '.' || c == ':' || c == 'x');
    let mut following = after.chars();
    let piece_after = match following.next() {
        Some('.' | ':') => following.next().is_some_and(is_digit),
        Some(c) => is_digit(c),
        None => false,
    };
    !piece_before && !piece_after
}

/// `\d` of a pattern.
fn is_digit(c: char) -> bool {
    c.is_ascii_digit() || !c.is_ascii() && DIGIT.is_match(c.encode_utf8(&mut [0; 4]))
}

/// Replaces what `pattern` finds and `wanted` (text before, match, text after) accepts by
/// placeholders. After a match that is not accepted the search goes on one character later.
fn number(text: &str, pattern: &Regex, mut numberer: Numberer, wanted: impl Fn(&str, &str, &str) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut copied, mut at) = (0, 0);
    while let Some(found) = pattern.find_at(text, at) {
        let (before, after) = (&text[..found.start()], &text[found.end()..]);
        if wanted(before, found.as_str(), after) {
            out.push_str(&text[copied..found.start()]);
            out.push_str(&numberer.placeholder(found.as_str()));
            copied = found.end();
            at = found.end();
        } else {
            at = found.start() + found.as_str().chars().next().map_or(1, char::len_utf8);
        }
    }
    out.push_str(&text[copied..]);
    out
}

#[cfg(test)]
mod tests {
    use super::normalise;

    #[test]
    fn five_digits_of_an_address_a_time_or_a_longer_number_are_no_pid() {
        for same in ["130001", "300012", "0.30001", "30001.5", "30001:5", "10:30001", "0x30001", "x30001"] {
            assert_eq!(normalise(same), same);
        }
        assert_eq!(normalise("30001. 30001: a30001b"), "<pid:1>. <pid:1>: a<pid:1>b");
    }

    #[test]
    fn key_zero_is_kept() {
        assert_eq!(normalise("msqid\n0x00000000 0x1234abcd\n0x1234abcd 1\n"), "msqid\n0x00000000 <key:1>\n<key:1> 1\n");
    }
}
