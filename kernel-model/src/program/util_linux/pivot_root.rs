//! `pivot_root`: changes the root mount.

use crate::program::Sys;
use crate::program::getopt::Spec;

crate::program!(
    PIVOT_ROOT = "pivot_root" in "/usr/sbin",
    "change the root filesystem",
    main,
    "  pivot_root NEW_ROOT PUT_OLD"
);

const SPEC: Spec = Spec { short: "", long: &[], unmodelled: "", version: "from util-linux 2.38.1", failure: 1 };

async fn main(sys: Sys) -> i32 {
    let options = match sys.getopt(&SPEC).await {
        Ok(options) => options,
        Err(status) => return status,
    };
    let [new_root, put_old] = options.operands.as_slice() else {
        sys.warnx("bad usage").await;
        sys.try_help().await;
        return 1;
    };
    match sys.pivot_root(new_root, put_old).await {
        Ok(()) => 0,
        Err(e) if sys.is_busybox() => {
            // It has no message of its own, and says so (`bb_perror_nomsg_and_die`).
            sys.error(format!("(null): {e}")).await;
            1
        }
        Err(e) => {
            sys.warn(format!("failed to change root from `{new_root}' to `{put_old}'"), e).await;
            1
        }
    }
}
