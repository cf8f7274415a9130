//! `lsevtchn`: the event channels of a domain. Source: Xen 4.17, `tools/xcutils/lsevtchn.c`.

use super::privcmd::{EVENT_CHANNEL_OP, PrivCmd, written};
use crate::errno::Errno;
use crate::program::Sys;

crate::program!(LSEVTCHN = "lsevtchn" in "/usr/sbin", "list the event channels of a domain", main, "[DOMID]  default 0");

/// `EVTCHNOP_status`.
const STATUS: i64 = 5;

async fn main(sys: Sys) -> i32 {
    let domid: i64 = sys.argv().get(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    let Ok(xen) = PrivCmd::open(&sys).await else { return 1 };
    for port in 0_i64.. {
        let fields = [("dom", domid.into()), ("port", port.into())];
        let status = match xen.call(EVENT_CHANNEL_OP, STATUS, &fields).await {
            Ok(status) => status,
            // A port beyond the last.
            Err(Errno::EINVAL) => break,
            Err(_) => return 1,
        };
        let (dom, number) = (written(&status, "dom"), written(&status, "number"));
        let text = match written(&status, "status") {
            0 => continue,
            1 => format!("Interdomain (Waiting connection) - Remote Domain {dom}"),
            2 => format!("Interdomain (Connected) - Remote Domain {dom}, Port {}", written(&status, "port")),
            3 => format!("Physical IRQ {number}"),
            4 => format!("Virtual IRQ {number}"),
            5 => "IPI".to_owned(),
            _ => "Unknown".to_owned(),
        };
        sys.print(format!("{port:>4}: VCPU {}: {text}\n", written(&status, "vcpu"))).await;
    }
    0
}
