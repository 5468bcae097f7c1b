//! Tortures the refresh engine.

use std::process::ExitCode;

fn main() -> ExitCode {
    torture::cli::main()
}
