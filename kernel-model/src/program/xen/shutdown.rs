//! `xl shutdown`, `xl reboot`: a domain is asked to end. Source: Xen 4.17, `tools/xl/xl_vmcontrol.c` (`main_shutdown_or_reboot`),
//! `tools/libs/light/libxl_domain.c`.
//!
//! The wish is written to xenstore, where the guest's kernel watches `control/shutdown`; what becomes of it is the guest's affair.

use super::monitor;
use super::xl::{Xl, find};

/// `xl shutdown|reboot [-w] -a|DOMAIN`.
pub async fn ask(xl: &Xl<'_>, command: &str, words: &[String]) -> Result<i32, i32> {
    let has = |short: &str, long: &str| words.iter().any(|word| word == short || word == long);
    let operand = words.iter().find(|word| !word.starts_with('-'));
    let domids = match operand {
        _ if has("-a", "--all") => {
            let all = xl.xen.domains().await.map_err(|_| 1)?;
            all.into_iter().map(|info| info.domid).filter(|domid| *domid != 0).collect()
        }
        Some(word) => vec![find(xl, word).await?],
        None => {
            xl.sys.eprint("You must specify -a or a domain id.\n\n").await;
            return Err(1);
        }
    };
    let (doing, wish) = match command {
        "reboot" => ("Rebooting", "reboot"),
        _ => ("Shutting down", "poweroff"),
    };
    for domid in &domids {
        xl.sys.eprint(format!("{doing} domain {domid}\n")).await;
        if xl.store.write(&format!("/local/domain/{domid}/control/shutdown"), wish).await.is_err() {
            xl.sys.eprint(format!("{command} failed (rc=-3)\n")).await;
            return Err(1);
        }
    }
    if has("-w", "--wait") { monitor::wait_for_deaths(xl, domids).await } else { Ok(0) }
}
