//! The command: which seeds are run and what becomes of them, and how to see again what went wrong.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the story is told on the terminal")]

use std::{
    process::ExitCode,
    str::FromStr,
    thread::{self, JoinHandle},
};

use clap::{Parser, ValueEnum};

use crate::{
    FaultKind, Flaw, Plan, Report, run,
    webhooks::{self, WebhookFlaw, WebhookPlan, WebhookReport},
};

/// Refreshes between two lines of progress.
const PROGRESS: u64 = 100_000;
/// Deliveries between two lines of progress.
const DELIVERIES_PROGRESS: u64 = 20_000;

/// What is put into a modeled world.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Model {
    /// The refresh engine.
    Refresh,
    /// Webhooks, from the provider to the records.
    Webhooks,
}

/// Runs the refresh engine, and webhooks, in modeled worlds in which everything fails.
#[derive(Clone, Debug, Parser)]
struct Arguments {
    /// From which everything follows that is left to chance; further runs take the next ones
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds are run, side by side
    #[arg(long, default_value_t = 2)]
    runs: u64,
    /// Only one of the models
    #[arg(long, value_enum)]
    only: Option<Model>,
    /// Deliveries of each run of webhooks
    #[arg(long, default_value_t = 100_000)]
    deliveries: u64,
    /// What of webhooks is broken on purpose, to see whether it is noticed
    #[arg(long, value_enum)]
    webhook_flaw: Option<WebhookFlaw>,
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

    fn webhooks(&self, seed: u64) -> WebhookPlan {
        let usual = WebhookPlan::new(seed, self.deliveries);
        let faults = usual.faults.iter().copied().filter(|kind| self.faults.0.contains(kind)).collect();
        WebhookPlan { faults, strain: usual.strain * self.strain, flaw: self.webhook_flaw, ..usual }
    }

    fn has(&self, model: Model) -> bool {
        self.only.is_none_or(|only| only == model)
    }
}

/// Runs what the command line asks for; fails where a promise was broken.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut runs: Vec<JoinHandle<bool>> = vec![];
    for seed in arguments.seed..arguments.seed.saturating_add(arguments.runs.max(1)) {
        if arguments.has(Model::Refresh) {
            let plan = arguments.plan(seed);
            runs.push(thread::spawn(move || tell(&run(plan, progress((seed, "refreshes"), PROGRESS)))));
        }
        if arguments.has(Model::Webhooks) {
            let plan = arguments.webhooks(seed);
            let progress = progress((seed, "deliveries"), DELIVERIES_PROGRESS);
            runs.push(thread::spawn(move || tell_of_webhooks(&webhooks::run(plan, progress))));
        }
    }
    // Each is waited for, also when one before was not well.
    let are_well: Vec<_> = runs.into_iter().map(|run| run.join().unwrap_or_default()).collect();
    if are_well.into_iter().all(|is_well| is_well) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A line now and then.
fn progress((seed, what): (u64, &'static str), step: u64) -> impl FnMut(u64) {
    let mut told = 0;
    move |done| {
        if done / step > told {
            told = done / step;
            eprintln!("seed {seed}: {done} {what}");
        }
    }
}

/// Tells what a run of webhooks came to; whether all is well.
fn tell_of_webhooks(report: &WebhookReport) -> bool {
    println!("{report}\n");
    for failure in &report.failures {
        eprintln!("webhooks, seed {}: {failure}", report.plan.seed);
    }
    report.failures.is_empty()
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
