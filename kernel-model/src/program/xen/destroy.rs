//! `xl destroy`. Source: Xen 4.17, `tools/libs/light/libxl_domain.c`.

use super::privcmd::DESTROYDOMAIN;
use super::xl::{Xl, find};

/// Ends a domain at once: Xen frees what it has, then its nodes are removed, and the daemons let go.
pub async fn destroy(xl: &Xl<'_>, word: &str) -> Result<i32, i32> {
    let domid = find(xl, word).await?;
    if domid == 0 {
        xl.sys.eprint("Cannot destroy privileged domain 0.\n\n").await;
        return Err(255);
    }
    destroy_domain(xl, domid).await
}

/// `libxl_domain_destroy`.
///
/// # Errors
/// The exit status, after a message.
pub async fn destroy_domain(xl: &Xl<'_>, domid: i64) -> Result<i32, i32> {
    if let Err(e) = xl.xen.domctl(DESTROYDOMAIN, domid, &[]).await {
        xl.sys.eprint(format!("libxl: error: libxl_domain.c: Domain {domid}:Unable to destroy guest: {e}\n")).await;
        return Err(1);
    }
    let _ = xl.store.release(domid).await;
    for kind in ["vbd", "vif", "console"] {
        let at = format!("/local/domain/0/backend/{kind}");
        let _ = xl.store.rm(&format!("{at}/{domid}")).await;
        // A directory that has nothing in it goes too (`libxl__xs_path_cleanup`).
        if xl.store.directory(&at).await.is_ok_and(|left| left.is_empty()) {
            let _ = xl.store.rm(&at).await;
        }
    }
    if xl.store.directory("/local/domain/0/backend").await.is_ok_and(|left| left.is_empty()) {
        let _ = xl.store.rm("/local/domain/0/backend").await;
    }
    let _ = xl.store.rm(&format!("/local/domain/{domid}")).await;
    Ok(0)
}
