//! The monitor (`monitor/hmp.c`): commands to QEMU itself.

use super::device::virtio::balloon::PAGE;
use super::device::{Machine, Work};
use super::kvm::Context;
use super::main_loop::with_machine;
use super::migration;
use super::options::Options;
use super::pause::{self, RunState};
use crate::program::Sys;

/// What it says when it gets the terminal.
pub const GREETING: &str = "QEMU 7.2.19 monitor - type 'help' for more information\n(qemu) ";

/// What it says when it waits for a command.
pub const PROMPT: &str = "(qemu) ";

const HELP: &str = "help|? [cmd] -- show the help
balloon target -- request VM to change its memory allocation (in MB)
info balloon -- show balloon information
cont|c -- resume emulation
info migrate -- show migration status
info migrate_parameters -- show current migration parameters
info name -- show the current VM name
info status -- show the current VM status (running|paused)
info kvm -- show KVM information
info version -- show the version of QEMU
migrate [-d] uri -- migrate to URI (using -d to not wait for completion)
migrate_cancel -- cancel the current VM migration
migrate_set_parameter parameter value -- Set the parameter for migration
quit|q -- quit the emulator
stop|s -- stop emulation
";

/// Carries a command out. Whether QEMU is to end.
pub async fn command(sys: &Sys, options: &Options, context: &mut Context, line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    let text = match words.as_slice() {
        [] => String::new(),
        ["quit" | "q"] => return true,
        ["help" | "?"] => HELP.to_owned(),
        ["balloon", rest @ ..] => balloon(sys, context, rest).await,
        ["info", "balloon"] => info_balloon(sys, context).await,
        ["info", "status"] => format!("VM status: {}\n", RunState::load(sys, context).await.text()),
        ["info", "migrate"] => migration::info(sys, context).await,
        ["info", "migrate_parameters"] => migration::info_parameters(sys, context).await,
        ["migrate", rest @ ..] => migration::start(sys, context, rest).await,
        ["migrate_set_parameter", rest @ ..] => migration::set_parameter(sys, context, rest).await,
        ["migrate_cancel"] => {
            migration::cancel(sys, context).await;
            String::new()
        }
        ["stop" | "s"] => stop(sys, context).await,
        ["cont" | "c"] => cont(sys, context).await,
        ["info", "name"] => options.name.as_ref().map(|name| format!("{name}\n")).unwrap_or_default(),
        ["info", "kvm"] => "kvm support: enabled\n".to_owned(),
        ["info", "version"] => "7.2.19Debian 1:7.2+dfsg-7+deb12u16\n".to_owned(),
        ["info", other, ..] => format!("Error: info {other} is not modelled here\n"),
        [other, ..] => format!("unknown command: '{other}'\n"),
    };
    let prompt = if context.monitor.is_waiting { "" } else { PROMPT };
    let _ = sys.write_all(1, format!("{text}{prompt}").as_bytes()).await;
    false
}

/// `stop` (`qmp_stop`).
async fn stop(sys: &Sys, context: &Context) -> String {
    if RunState::load(sys, context).await == RunState::Running {
        pause::stop(sys, context).await;
        RunState::Paused.store(sys, context).await;
    }
    String::new()
}

/// `cont` (`qmp_cont`).
async fn cont(sys: &Sys, context: &Context) -> String {
    match RunState::load(sys, context).await {
        RunState::Running => {}
        RunState::InMigrate => return "Error: Migration is in progress\n".to_owned(),
        RunState::FinishMigrate => return "Error: the migration is about to end\n".to_owned(),
        RunState::PostMigrate => {
            return "Error: the guest has gone elsewhere; that it goes on here as well is not modelled\n".to_owned();
        }
        RunState::Paused | RunState::Prelaunch => pause::go(sys, context).await,
    }
    String::new()
}

/// How many mebibytes of memory the guest is to have (`hmp_balloon`, `qmp_balloon`).
async fn balloon(sys: &Sys, context: &Context, words: &[&str]) -> String {
    let refused = |what: String| format!("{what}\nTry \"help balloon\" for more information\n");
    let Some(word) = words.first() else { return refused("unexpected end of expression".to_owned()) };
    let Ok(target) = word.parse::<u64>() else {
        return refused(format!("invalid char '{}' in expression", word.chars().next().unwrap_or(' ')));
    };
    if target == 0 {
        return "Error: Parameter 'target' expects a size\n".to_owned();
    }
    if Machine::load(sys, context).await.balloon().is_none() {
        return NO_BALLOON.to_owned();
    }
    // More than it has cannot be wanted.
    let wanted = target.saturating_mul(1 << 20).min(context.memory);
    with_machine(sys, context, Work::Balloon(((context.memory - wanted) / PAGE) as u32)).await;
    String::new()
}

/// How much memory the guest has (`hmp_info_balloon`).
async fn info_balloon(sys: &Sys, context: &Context) -> String {
    match Machine::load(sys, context).await.balloon() {
        Some(balloon) => {
            let left = context.memory.saturating_sub(u64::from(balloon.actual) * PAGE);
            format!("balloon: actual={}\n", left >> 20)
        }
        None => NO_BALLOON.to_owned(),
    }
}

const NO_BALLOON: &str = "Error: No balloon device has been activated\n";
