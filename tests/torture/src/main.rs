//! Tortures the refresh engine and webhooks.

use std::process::ExitCode;

fn main() -> ExitCode {
    torture::cli::main()
}
