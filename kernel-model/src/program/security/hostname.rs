//! `hostname`: shows or sets the nodename of the UTS namespace.

use crate::errno::Errno;
use crate::program::Sys;
use crate::program::getopt::{Long, Options, Spec, Stop, Takes, parse};

crate::program!(
    HOSTNAME = "hostname" in "/usr/bin",
    "show or set the host name",
    main,
    "  hostname              print the host name
  hostname NAME         set it
  -b, --boot            set it to 'localhost' if there is none
  -F, --file FILE       set it to the first line of the file that is no comment
  -s, --short           print it up to the first dot
  -f, --fqdn, --long    print the name that /etc/hosts has for it
  -d, --domain          print the domain part of that
  -a, --alias           print its other names in /etc/hosts
  -i, --ip-address      print its address in /etc/hosts
  -y, --yp, --nis       print the NIS domain name"
);

const SPEC: Spec = Spec {
    short: "abdfF:ishVy?",
    long: &[
        Long("alias", Takes::Nothing, 'a'),
        Long("boot", Takes::Nothing, 'b'),
        Long("domain", Takes::Nothing, 'd'),
        Long("file", Takes::Value, 'F'),
        Long("fqdn", Takes::Nothing, 'f'),
        Long("long", Takes::Nothing, 'f'),
        Long("ip-address", Takes::Nothing, 'i'),
        Long("short", Takes::Nothing, 's'),
        Long("yp", Takes::Nothing, 'y'),
        Long("nis", Takes::Nothing, 'y'),
    ],
    unmodelled: "-A --all-fqdns -I --all-ip-addresses",
    version: "3.23",
    failure: 255,
};

const USAGE: &str = "Usage: hostname [-b] {hostname|-F file}         set host name (from file)
       hostname [-a|-A|-d|-f|-i|-I|-s|-y]       display formatted name
       hostname                                 display host name

       {yp,nis,}domainname {nisdomain|-F file}  set NIS domain name (from file)
       {yp,nis,}domainname                      display NIS domain name

       dnsdomainname                            display dns domain name

       hostname -V|--version|-h|--help          print info and exit

Program name:
       {yp,nis,}domainname=hostname -y
       dnsdomainname=hostname -d

Program options:
    -a, --alias            alias names
    -A, --all-fqdns        all long host names (FQDNs)
    -b, --boot             set default hostname if none available
    -d, --domain           DNS domain name
    -f, --fqdn, --long     long host name (FQDN)
    -F, --file             read host name or NIS domain name from given file
    -i, --ip-address       addresses for the host name
    -I, --all-ip-addresses all addresses for the host
    -s, --short            short host name
    -y, --yp, --nis        NIS/YP domain name

Description:
   This command can get or set the host name or the NIS domain name. You can
   also get the DNS domain or the FQDN (fully qualified domain name).
   Unless you are using bind or NIS for host lookups you can change the
   FQDN (Fully Qualified Domain Name) and the DNS domain name (which is
   part of the FQDN) in the /etc/hosts file.
";

async fn main(sys: Sys) -> i32 {
    let words = sys.argv().get(1..).unwrap_or_default().to_vec();
    let options = match parse(&SPEC, &words, false) {
        Ok(options) => options,
        Err(Stop::Help) => {
            sys.print(USAGE).await;
            return 0;
        }
        Err(Stop::Version) => {
            sys.print("hostname 3.23\n").await;
            return 0;
        }
        Err(Stop::Wrong(message)) => {
            sys.warnx(message).await;
            sys.eprint(USAGE).await;
            return SPEC.failure;
        }
        Err(Stop::NotModelled(option)) => {
            sys.not_modelled(&format!("option '{option}'")).await;
            return SPEC.failure;
        }
    };
    match options.last_of("hVadfisy") {
        Some('h') => {
            sys.print(USAGE).await;
            return 0;
        }
        Some('V') => {
            sys.print("hostname 3.23\n").await;
            return 0;
        }
        _ => {}
    }
    if options.operands.len() > 1 {
        sys.eprint(USAGE).await;
        return SPEC.failure;
    }
    if let Some(file) = options.value('F') {
        return set_from_file(&sys, file, options.has('b')).await;
    }
    match options.operands.first() {
        Some(name) => set(&sys, name).await,
        None if options.has('b') => {
            let name = sys.uname("nodename").await.unwrap_or_default();
            let none = name.is_empty() || name == "(none)";
            set(&sys, if none { "localhost" } else { &name }).await
        }
        None => show(&sys, &options).await,
    }
}

async fn show(sys: &Sys, options: &Options) -> i32 {
    let name = match sys.uname("nodename").await {
        Ok(name) => name,
        Err(e) => {
            sys.warn("uname", e).await;
            return 1;
        }
    };
    let kind = options.last_of("adfisy");
    match kind {
        None => sys.print(format!("{name}\n")).await,
        Some('s') => sys.print(format!("{}\n", name.split('.').next().unwrap_or(&name))).await,
        Some('y') => {
            let domain = sys.uname("domainname").await.unwrap_or_default();
            if domain.is_empty() || domain == "(none)" {
                sys.warnx("Local domain name not set").await;
                return 1;
            }
            sys.print(format!("{domain}\n")).await;
        }
        Some(kind) => return show_resolved(sys, kind, &name).await,
    }
    0
}

/// What `/etc/hosts` says about the name.
async fn show_resolved(sys: &Sys, kind: char, name: &str) -> i32 {
    let hosts = sys.read_file("/etc/hosts").await.unwrap_or_default();
    let found = hosts.lines().find_map(|line| {
        let words: Vec<&str> = line.split('#').next().unwrap_or("").split_whitespace().collect();
        words.get(1..).is_some_and(|names| names.contains(&name)).then_some(words)
    });
    let Some([address, canonical, aliases @ ..]) = found.as_deref() else {
        sys.warnx("Name or service not known").await;
        return 1;
    };
    let domain = canonical.split_once('.').map(|(_, d)| d);
    match kind {
        'f' => sys.print(format!("{canonical}\n")).await,
        'i' => sys.print(format!("{address}\n")).await,
        'a' => sys.print(format!("{}\n", aliases.join(" "))).await,
        _ => {
            if let Some(domain) = domain {
                sys.print(format!("{domain}\n")).await;
            }
        }
    }
    0
}

async fn set_from_file(sys: &Sys, file: &str, boot: bool) -> i32 {
    let text = match sys.read_file(file).await {
        Ok(text) => text,
        Err(_) if boot => return set(sys, "localhost").await,
        Err(e) => {
            sys.warnx(e.text()).await;
            return 1;
        }
    };
    match text.lines().map(str::trim).find(|l| !l.is_empty() && !l.starts_with('#')) {
        Some(name) => set(sys, name).await,
        None => {
            sys.warnx("no host name found").await;
            1
        }
    }
}

/// What hostname(7) allows in a name, which is more than the kernel asks for.
fn is_valid(name: &str) -> bool {
    let b = name.as_bytes();
    let ends = |c: Option<&u8>| c.is_some_and(u8::is_ascii_alphanumeric);
    ends(b.first())
        && ends(b.last())
        && b.iter().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.'))
        && !["..", "-.", ".-"].iter().any(|bad| name.contains(bad))
}

async fn set(sys: &Sys, name: &str) -> i32 {
    if !is_valid(name) {
        sys.warnx("the specified hostname is invalid").await;
        return 1;
    }
    let message = match sys.sethostname(name).await {
        Ok(()) => return 0,
        Err(Errno::EPERM) => "you must be root to change the host name",
        Err(Errno::EINVAL) => "name too long",
        Err(e) => e.text(),
    };
    sys.warnx(message).await;
    1
}
