//! Complaints that the programs of coreutils have in common.

use crate::program::Sys;
use crate::program::quote::quoteaf;

impl Sys {
    /// `missing operand`, and a hint at `--help`. Gives back the exit status.
    pub(super) async fn missing_operand(&self) -> i32 {
        self.error("missing operand").await;
        self.try_help().await;
        self.exit_failure()
    }

    /// `missing operand after 'x'`
    pub(super) async fn missing_operand_after(&self, word: &str) -> i32 {
        self.error(format!("missing operand after {}", crate::program::quote::quote(word))).await;
        self.try_help().await;
        self.exit_failure()
    }

    /// `extra operand 'x'`
    pub(super) async fn extra_operand(&self, word: &str) -> i32 {
        self.error(format!("extra operand {}", crate::program::quote::quote(word))).await;
        self.try_help().await;
        self.exit_failure()
    }

    /// A complaint about how the program was called, followed by the hint at `--help`.
    pub(super) async fn usage_error(&self, message: impl std::fmt::Display) -> i32 {
        self.error(message).await;
        // busybox prints its usage, which is not modelled, or nothing.
        if !self.is_busybox() {
            self.try_help().await;
        }
        self.exit_failure()
    }

    /// `WHAT 'path': error`
    pub(super) async fn path_error(&self, what: &str, path: &str, e: crate::errno::Errno) {
        if self.is_busybox() {
            // chmod and chown only name the file.
            match what {
                "cannot access" => self.error(format!("{path}: {e}")).await,
                what => self.error(format!("{} '{path}': {e}", what.replacen("cannot", "can't", 1))).await,
            }
        } else {
            self.error(format!("{what} {}: {e}", quoteaf(path))).await;
        }
    }

    /// The umask, which can only be read by setting it.
    pub(super) async fn current_umask(&self) -> u32 {
        let mask = self.umask(0).await.unwrap_or(0);
        let _ = self.umask(mask).await;
        mask
    }
}
