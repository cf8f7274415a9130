//! The monitor (`monitor/hmp.c`): commands to QEMU itself.

use super::kvm::Context;
use super::options::Options;
use crate::program::Sys;

/// What it says when it gets the terminal.
pub const GREETING: &str = "QEMU 7.2.19 monitor - type 'help' for more information\n(qemu) ";

const HELP: &str = "help|? [cmd] -- show the help
info name -- show the current VM name
info status -- show the current VM status (running|paused)
info kvm -- show KVM information
info version -- show the version of QEMU
quit|q -- quit the emulator
";

/// Carries a command out. Whether QEMU is to end.
pub async fn command(sys: &Sys, options: &Options, _context: &mut Context, line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    let text = match words.as_slice() {
        [] => String::new(),
        ["quit" | "q"] => return true,
        ["help" | "?"] => HELP.to_owned(),
        ["info", "status"] => "VM status: running\n".to_owned(),
        ["info", "name"] => options.name.as_ref().map(|name| format!("{name}\n")).unwrap_or_default(),
        ["info", "kvm"] => "kvm support: enabled\n".to_owned(),
        ["info", "version"] => "7.2.19Debian 1:7.2+dfsg-7+deb12u16\n".to_owned(),
        ["info", other, ..] => format!("Error: info {other} is not modelled here\n"),
        [other, ..] => format!("unknown command: '{other}'\n"),
    };
    let _ = sys.write_all(1, format!("{text}(qemu) ").as_bytes()).await;
    false
}
