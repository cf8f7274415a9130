//! `xl block-list`, `xl network-list`: the devices of a domain, as xenstore has them. Source: Xen 4.17, `tools/xl/xl_block.c`,
//! `xl_nic.c`, `tools/libs/light/libxl_disk.c`, `libxl_nic.c`.

use super::xl::{Xl, find};

/// The numbers of the devices of a class.
async fn numbers(xl: &Xl<'_>, domid: i64, class: &str) -> Vec<String> {
    xl.store.directory(&format!("/local/domain/{domid}/device/{class}")).await.unwrap_or_default()
}

/// A number of a node; -1 for one that is not there.
async fn number(xl: &Xl<'_>, at: &str, name: &str) -> i64 {
    text(xl, at, name).await.parse().unwrap_or(-1)
}

async fn text(xl: &Xl<'_>, at: &str, name: &str) -> String {
    xl.store.read(&format!("{at}/{name}")).await.unwrap_or_default()
}

/// `xl block-list DOMAIN...`.
pub async fn block_list(xl: &Xl<'_>, words: &[String]) -> Result<i32, i32> {
    let row = |cells: [&str; 7]| {
        let [vdev, backend, handle, state, channel, ring, path] = cells;
        format!("{vdev:<5} {backend:<3} {handle:<6} {state:<5} {channel:<6} {ring:<8} {path:<30}\n")
    };
    xl.sys.print(row(["Vdev", "BE", "handle", "state", "evt-ch", "ring-ref", "BE-path"])).await;
    for word in words {
        let domid = find(xl, word).await?;
        for devid in numbers(xl, domid, "vbd").await {
            let at = format!("/local/domain/{domid}/device/vbd/{devid}");
            let mut cells = vec![devid, text(xl, &at, "backend-id").await, domid.to_string()];
            for name in ["state", "event-channel", "ring-ref"] {
                cells.push(number(xl, &at, name).await.to_string());
            }
            cells.push(text(xl, &at, "backend").await);
            if let Ok(cells) = <[String; 7]>::try_from(cells) {
                xl.sys.print(row(cells.each_ref().map(String::as_str))).await;
            }
        }
    }
    Ok(0)
}

/// `xl network-list DOMAIN...`.
pub async fn network_list(xl: &Xl<'_>, words: &[String]) -> Result<i32, i32> {
    xl.sys
        .print(format!(
            "{:<3} {:<2} {:<17} {:<6} {:<5} {:<6} {:>5}/{:<5} {:<30}\n",
            "Idx", "BE", "Mac Addr.", "handle", "state", "evt-ch", "tx-", "rx-ring-ref", "BE-path"
        ))
        .await;
    for word in words {
        let domid = find(xl, word).await?;
        for devid in numbers(xl, domid, "vif").await {
            let at = format!("/local/domain/{domid}/device/vif/{devid}");
            let (backend, mac) = (number(xl, &at, "backend-id").await, text(xl, &at, "mac").await);
            let (state, channel) = (number(xl, &at, "state").await, number(xl, &at, "event-channel").await);
            let (tx, rx) = (number(xl, &at, "tx-ring-ref").await, number(xl, &at, "rx-ring-ref").await);
            let path = text(xl, &at, "backend").await;
            xl.sys
                .print(format!(
                    "{devid:<3} {backend:<2} {mac} {devid:>6} {state:>5} {channel:>6} {tx:>5}/{rx:<11} {path:<30}\n"
                ))
                .await;
        }
    }
    Ok(0)
}
