//! The `ledgerbridge` command for administrators.

mod import;
mod keys;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Administers a deployment of Ledgerbridge: keys with the AWS credentials of the environment, the rest with an API key.
#[derive(Debug, Parser)]
#[command(name = "ledgerbridge", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Makes connections of the rows of another system.
    Import(Box<import::Import>),
    /// API keys.
    #[command(subcommand)]
    Keys(keys::Command),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let is_done = match Arguments::parse().command {
        Command::Import(command) => import::run(*command).await?,
        Command::Keys(command) => keys::run(command).await.map(|()| true)?,
    };
    Ok(if is_done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
