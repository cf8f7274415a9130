//! The words of `iptables`.

use std::net::Ipv4Addr;

use super::{Failure, usage};
use crate::net::address::mask_of;
use crate::net::netfilter::conntrack::ConnState;
use crate::net::netfilter::rule::{Match, Rule, Target};

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    Append,
    Insert,
    Delete,
    Replace,
    Check,
    List,
    Spec,
    NewChain,
    DeleteChain,
    RenameChain,
    Flush,
    Zero,
    Policy,
}

/// All that was said.
#[derive(Default)]
pub(super) struct Wanted {
    pub table: Option<String>,
    pub command: Option<Command>,
    pub chain: Option<String>,
    pub number: Option<usize>,
    pub new_name: Option<String>,
    pub rule: Rule,
    pub numeric: bool,
    pub verbose: bool,
    pub exact: bool,
    pub line_numbers: bool,
    pub version: bool,
}

/// Services by name, as far as they are in `/etc/services` of the usual kind.
pub(in crate::program::net) const SERVICES: [(&str, u16); 10] = [
    ("echo", 7),
    ("ftp", 21),
    ("ssh", 22),
    ("telnet", 23),
    ("smtp", 25),
    ("domain", 53),
    ("http", 80),
    ("ntp", 123),
    ("https", 443),
    ("http-alt", 8080),
];

/// Types of ICMP messages by name.
pub(super) const ICMP_TYPES: [(&str, u8); 4] =
    [("echo-reply", 0), ("destination-unreachable", 3), ("echo-request", 8), ("time-exceeded", 11)];

struct Words<'w> {
    rest: std::slice::Iter<'w, String>,
}

impl<'w> Words<'w> {
    fn value(&mut self, option: &str) -> Result<&'w str, Failure> {
        match self.rest.next() {
            Some(word) => Ok(word),
            None => Err(usage(&format!("option \"{option}\" requires an argument"))),
        }
    }

    /// A word that is no option and may be left off.
    fn maybe(&mut self) -> Option<&'w str> {
        let next = self.rest.as_slice().first().filter(|w| !w.starts_with('-') && *w != "!")?;
        self.rest.next();
        Some(next)
    }
}

pub(super) fn parse(words: &[String]) -> Result<Wanted, Failure> {
    let mut wanted = Wanted::default();
    let mut target = None;
    let mut words = Words { rest: words.iter() };
    let mut inverted = false;
    let mut last_match = "";
    while let Some(word) = words.rest.next() {
        let word = word.as_str();
        if word == "!" {
            inverted = true;
            continue;
        }
        let command = match word {
            "-A" | "--append" => Some(Command::Append),
            "-I" | "--insert" => Some(Command::Insert),
            "-D" | "--delete" => Some(Command::Delete),
            "-R" | "--replace" => Some(Command::Replace),
            "-C" | "--check" => Some(Command::Check),
            "-L" | "--list" => Some(Command::List),
            "-S" | "--list-rules" => Some(Command::Spec),
            "-N" | "--new-chain" => Some(Command::NewChain),
            "-X" | "--delete-chain" => Some(Command::DeleteChain),
            "-E" | "--rename-chain" => Some(Command::RenameChain),
            "-F" | "--flush" => Some(Command::Flush),
            "-Z" | "--zero" => Some(Command::Zero),
            "-P" | "--policy" => Some(Command::Policy),
            _ => None,
        };
        if let Some(command) = command {
            read_command(&mut wanted, &mut words, command, word)?;
            continue;
        }
        match word {
            "-t" | "--table" => wanted.table = Some(words.value(word)?.to_owned()),
            "-n" | "--numeric" => wanted.numeric = true,
            "-v" | "--verbose" => wanted.verbose = true,
            "-x" | "--exact" => wanted.exact = true,
            "-w" | "--wait" => drop(words.maybe()),
            "--line-numbers" | "--line-number" => wanted.line_numbers = true,
            "-V" | "--version" => wanted.version = true,
            "-j" | "--jump" | "-g" => target = Some(words.value(word)?.to_owned()),
            "-m" | "--match" => last_match = words.value(word)?,
            // Options may be written together.
            _ if word.len() > 2 && word.starts_with('-') && word[1..].bytes().all(|b| b"nvxL".contains(&b)) => {
                for letter in word[1..].chars() {
                    match letter {
                        'n' => wanted.numeric = true,
                        'v' => wanted.verbose = true,
                        'x' => wanted.exact = true,
                        _ => read_command(&mut wanted, &mut words, Command::List, word)?,
                    }
                }
            }
            _ => {
                read_match(&mut wanted.rule, &mut words, word, inverted, last_match)?;
                if matches!(word, "--reject-with" | "--to-source" | "--to-destination" | "--to-ports" | "--log-prefix")
                {
                    read_target_option(&mut wanted.rule, &mut words, word)?;
                }
            }
        }
        inverted = false;
    }
    if let Some(name) = target {
        wanted.rule.target = named_target(&name, &wanted.rule.target)?;
    }
    let drops = wanted.rule.target == Target::Drop
        || wanted.command == Some(Command::Policy) && wanted.new_name.as_deref() == Some("DROP");
    if drops && wanted.table.as_deref() == Some("nat") {
        let text = "The \"nat\" table is not intended for filtering, the use of DROP is therefore inhibited.";
        return Err(usage(&format!("\n{text}\n\n")));
    }
    Ok(wanted)
}

fn read_command(wanted: &mut Wanted, words: &mut Words<'_>, command: Command, word: &str) -> Result<(), Failure> {
    wanted.command = Some(command);
    match command {
        Command::Append | Command::Check | Command::NewChain => {
            wanted.chain = Some(words.value(word)?.to_owned());
        }
        Command::Insert | Command::Delete | Command::Replace => {
            wanted.chain = Some(words.value(word)?.to_owned());
            wanted.number = words.maybe().and_then(|n| n.parse().ok());
        }
        Command::RenameChain | Command::Policy => {
            wanted.chain = Some(words.value(word)?.to_owned());
            wanted.new_name = Some(words.value(word)?.to_owned());
        }
        _ => wanted.chain = words.maybe().map(str::to_owned),
    }
    Ok(())
}

/// `10.0.0.0/24`, `10.0.0.0/255.255.255.0` or `10.0.0.1`.
fn network(text: &str) -> Result<(Ipv4Addr, u8), Failure> {
    let bad = || usage(&format!("host/network `{text}' not found"));
    let (address, mask) = text.split_once('/').unwrap_or((text, "32"));
    let address: Ipv4Addr = address.parse().map_err(|_| bad())?;
    let len = match (mask.parse::<u8>(), mask.parse::<Ipv4Addr>()) {
        (Ok(len), _) if len <= 32 => len,
        (_, Ok(mask)) => u32::from(mask).leading_ones() as u8,
        _ => return Err(usage(&format!("invalid mask `{mask}' specified"))),
    };
    Ok((Ipv4Addr::from(u32::from(address) & mask_of(len)), len))
}

fn port(text: &str) -> Result<u16, Failure> {
    let known = SERVICES.iter().find(|(n, _)| *n == text).map(|(_, p)| *p);
    known.or_else(|| text.parse().ok()).ok_or_else(|| usage(&format!("invalid port/service `{text}' specified")))
}

fn ports(text: &str) -> Result<(u16, u16), Failure> {
    match text.split_once(':') {
        Some((first, last)) => {
            let first = if first.is_empty() { 0 } else { port(first)? };
            Ok((first, if last.is_empty() { u16::MAX } else { port(last)? }))
        }
        None => port(text).map(|p| (p, p)),
    }
}

fn read_match(
    rule: &mut Rule,
    words: &mut Words<'_>,
    word: &str,
    inverted: bool,
    last_match: &str,
) -> Result<(), Failure> {
    let has_ports = matches!(rule.protocol.as_ref().map(|p| p.value), Some(6 | 17));
    match word {
        "-s" | "--source" | "--src" => rule.source = Some(Match { value: network(words.value(word)?)?, inverted }),
        "-d" | "--destination" | "--dst" => {
            rule.destination = Some(Match { value: network(words.value(word)?)?, inverted });
        }
        "-i" | "--in-interface" => rule.in_device = Some(Match { value: words.value(word)?.to_owned(), inverted }),
        "-o" | "--out-interface" => rule.out_device = Some(Match { value: words.value(word)?.to_owned(), inverted }),
        "-p" | "--protocol" => {
            let name = words.value(word)?;
            let value = match name {
                "icmp" => 1,
                "tcp" => 6,
                "udp" => 17,
                "all" => return Ok(()),
                number => number.parse().map_err(|_| usage(&format!("unknown protocol \"{name}\" specified")))?,
            };
            rule.protocol = Some(Match { value, inverted });
        }
        "--sport" | "--source-port" if has_ports => {
            rule.source_ports = Some(Match { value: ports(words.value(word)?)?, inverted });
        }
        "--dport" | "--destination-port" if has_ports => {
            rule.destination_ports = Some(Match { value: ports(words.value(word)?)?, inverted });
        }
        "--icmp-type" => {
            let name = words.value(word)?;
            let known = ICMP_TYPES.iter().find(|(n, _)| *n == name).map(|(_, t)| *t).or_else(|| name.parse().ok());
            let value = known.ok_or_else(|| usage(&format!("Invalid ICMP type `{name}'")))?;
            rule.icmp_type = Some(Match { value, inverted });
        }
        "--syn" => rule.syn = Some(Match { value: (), inverted }),
        "--state" | "--ctstate" => {
            let text = words.value(word)?;
            let states: Option<Vec<ConnState>> = text.split(',').map(ConnState::from_name).collect();
            let value = states.ok_or_else(|| usage(&format!("Bad ctstate \"{text}\"")))?;
            rule.states = Some((Match { value, inverted }, word == "--state"));
        }
        "--comment" if last_match == "comment" => rule.comment = Some(words.value(word)?.to_owned()),
        "--reject-with" | "--to-source" | "--to-destination" | "--to-ports" | "--log-prefix" => {}
        _ => return Err(usage(&format!("unknown option \"{word}\""))),
    }
    Ok(())
}

fn read_target_option(rule: &mut Rule, words: &mut Words<'_>, word: &str) -> Result<(), Failure> {
    let text = words.value(word)?;
    rule.target = match word {
        "--reject-with" => Target::Reject { with: text.to_owned() },
        "--log-prefix" => Target::Log { prefix: text.to_owned() },
        "--to-source" => Target::Snat(text.parse().map_err(|_| usage(&format!("Bad IP address \"{text}\"")))?),
        "--to-ports" => Target::Redirect(Some(port(text)?)),
        _ => {
            let (address, port_text) = text.split_once(':').unwrap_or((text, ""));
            let address = if address.is_empty() {
                None
            } else {
                Some(address.parse().map_err(|_| usage(&format!("Bad IP address \"{address}\"")))?)
            };
            Target::Dnat(address, if port_text.is_empty() { None } else { Some(port(port_text)?) })
        }
    };
    Ok(())
}

/// The target after `-j`, with what its options have said.
fn named_target(name: &str, options: &Target) -> Result<Target, Failure> {
    let needs = |option: &str| usage(&format!("{name}: option \"{option}\" must be specified"));
    Ok(match (name, options) {
        ("ACCEPT", _) => Target::Accept,
        ("DROP", _) => Target::Drop,
        ("RETURN", _) => Target::Return,
        ("REJECT", Target::Reject { .. })
        | ("LOG", Target::Log { .. })
        | ("SNAT", Target::Snat(_))
        | ("DNAT", Target::Dnat(..))
        | ("REDIRECT", Target::Redirect(_)) => options.clone(),
        ("REJECT", _) => Target::Reject { with: "icmp-port-unreachable".to_owned() },
        ("LOG", _) => Target::Log { prefix: String::new() },
        ("MASQUERADE", _) => Target::Masquerade,
        ("SNAT", _) => return Err(needs("--to-source")),
        ("DNAT", _) => return Err(needs("--to-destination")),
        ("REDIRECT", _) => Target::Redirect(None),
        _ => Target::Jump(name.to_owned()),
    })
}
