//! The command: which seeds are run and what becomes of them, and how to see again what went wrong.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the story is told on the terminal")]

use std::{process::ExitCode, str::FromStr, thread};

use crate::{FaultKind, Flaw, Plan, Report, run};
use clap::{Parser, ValueEnum as _};

/// Refreshes between two lines of progress.
const PROGRESS: u64 = 100_000;

/// Runs the refresh engine in a modeled world in which everything fails.
#[derive(Clone, Debug, Parser)]
struct Arguments {
    /// From which everything follows that is left to chance; further runs take the next ones
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds are run, side by side
    #[arg(long, default_value_t = 2)]
    runs: u64,
    /// Refreshes of each run
    #[arg(long, default_value_t = 600_000)]
    cycles: u64,
    /// Connections; by default some hundreds
    #[arg(long)]
    connections: Option<usize>,
    /// Workers that wait for work; by default two to seven, by the seed
    #[arg(long)]
    workers: Option<usize>,
    /// What goes wrong: all, none, or some kinds, separated by commas
    #[arg(long, default_value = "all")]
    faults: Faults,
    /// How much more often it goes wrong than usual
    #[arg(long, default_value_t = 1.0)]
    strain: f64,
    /// What is broken on purpose, to see whether it is noticed
    #[arg(long, value_enum)]
    flaw: Option<Flaw>,
    /// Tells the story of one connection
    #[arg(long)]
    trace: Option<usize>,
}

/// Kinds of faults.
#[derive(Clone, Debug)]
struct Faults(Vec<FaultKind>);

impl FromStr for Faults {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self(FaultKind::value_variants().to_vec())),
            "none" => Ok(Self(vec![])),
            kinds => kinds
                .split(',')
                .map(|kind| FaultKind::from_str(kind, true))
                .collect::<Result<_, _>>()
                .map(Self),
        }
    }
}

impl Arguments {
    fn plan(&self, seed: u64) -> Plan {
        let usual = Plan::new(seed, self.cycles);
        Plan {
            connections: self.connections.unwrap_or(usual.connections),
            workers: self.workers.unwrap_or(usual.workers),
            faults: self.faults.0.clone(),
            strain: self.strain,
            flaw: self.flaw,
            trace: self.trace,
            ..usual
        }
    }
}

/// Runs what the command line asks for; fails where a promise was broken.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let seeds = arguments.seed..arguments.seed.saturating_add(arguments.runs.max(1));
    let runs: Vec<_> = seeds
        .map(|seed| {
            let plan = arguments.plan(seed);
            thread::spawn(move || run(plan, progress(seed)))
        })
        .collect();
    let mut is_well = true;
    for torturing in runs {
        match torturing.join() {
            Ok(report) => is_well &= tell(&report),
            Err(_) => is_well = false,
        }
    }
    if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A line now and then.
fn progress(seed: u64) -> impl FnMut(u64) {
    let mut told = 0;
    move |cycles| {
        if cycles / PROGRESS > told {
            told = cycles / PROGRESS;
            eprintln!("seed {seed}: {cycles} refreshes");
        }
    }
}

/// Tells what a run came to; whether all is well.
fn tell(report: &Report) -> bool {
    report.trace.iter().for_each(|line| println!("{line}"));
    println!("{report}\n");
    let failures = report.failures();
    for failure in &failures {
        eprintln!("seed {}: {failure}", report.plan.seed);
    }
    for (connection, incident) in &report.incidents {
        eprintln!("seed {}: connection {connection}: {incident}", report.plan.seed);
    }
    if let Some((connection, _)) = report.incidents.first() {
        let seed = report.plan.seed;
        eprintln!("To see it again: the same arguments with --seed {seed} --runs 1 --trace {connection}");
    }
    failures.is_empty()
}
