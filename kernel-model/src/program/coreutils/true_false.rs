//! true(1) and false(1).

use crate::program;
use crate::program::Sys;

program!(TRUE = "true" in "/usr/bin", "do nothing, successfully", true_, "");
program!(FALSE = "false" in "/usr/bin", "do nothing, unsuccessfully", false_, "");

async fn true_(sys: Sys) -> i32 {
    help_or_version(&sys).await;
    0
}

async fn false_(sys: Sys) -> i32 {
    help_or_version(&sys).await;
    1
}

async fn help_or_version(sys: &Sys) {
    match sys.argv() {
        [_, only] if only == "--help" => sys.print_help().await,
        [_, only] if only == "--version" => sys.print(format!("{} (GNU coreutils) 9.1\n", sys.program_name())).await,
        _ => {}
    }
}
