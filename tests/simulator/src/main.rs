//! The simulator as a program: `simulator --port 9400`.

mod arguments;

use std::io::Write as _;

use clap::Parser as _;
use simulator::Simulator;
use tokio::signal::unix::{SignalKind, signal};

use arguments::Arguments;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let mut terminated = signal(SignalKind::terminate())?;
    let simulator = Simulator::start(Arguments::parse().into()).await?;
    writeln!(std::io::stdout(), "{}", simulator.base_url())?;
    tokio::select! {
        _ = terminated.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    simulator.shutdown().await;
    Ok(())
}
