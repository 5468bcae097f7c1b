//! The `ledgerbridge` command for administrators.

mod keys;

use clap::{Parser, Subcommand};

/// Administers a deployment of Ledgerbridge, with the AWS credentials of the environment.
#[derive(Debug, Parser)]
#[command(name = "ledgerbridge", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// API keys.
    #[command(subcommand)]
    Keys(keys::Command),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Keys(command) => keys::run(command).await,
    }
}
