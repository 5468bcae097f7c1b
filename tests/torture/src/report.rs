//! What a run came to.

use std::fmt;

use crate::{
    plan::Plan,
    provider::{KINDS, Kind},
};

/// With faults at their usual rates, so many calls to a provider an expiry are allowed at most.
pub const MAX_CALLS: f64 = 1.005;

/// What became of the connections of one kind of provider.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Row {
    /// Token sets that a refresh brought and the table has.
    pub cycles: u64,
    /// Calls to the provider, whatever became of them.
    pub calls: u64,
    /// New refresh tokens that were destroyed before anybody could save them.
    pub destroyed: u64,
    /// Connections that were lost.
    pub lost: u64,
    /// Of these the ones whose newest refresh token was not destroyed.
    pub unexplained: u64,
    /// Connections that were declared dead although a stored token was good.
    pub false_deaths: u64,
    /// Refreshes that followed one that never ended.
    pub recoveries: u64,
    /// Token sets that went to the recovery queue.
    pub spilled: u64,
    /// Of these the ones that came to the table from there.
    pub completed: u64,
    /// Of these the ones that came too late to be needed.
    pub superseded: u64,
    /// Verdicts that a token set from the recovery queue took back.
    pub taken_back: u64,
    /// New token sets that a worker had in hand, and neither saved nor spilled although it lived.
    pub dropped: u64,
    /// Calls for a connection while another was under way.
    pub overlaps: u64,
    /// Calls beyond the provider's budget.
    pub over_budget: u64,
    /// Refreshes of connections in use whose access token had ended.
    pub late: u64,
    /// Connections that at the end, after hours of calm, did not work.
    pub stuck: u64,
}

/// What is not of one kind of provider.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Totals {
    /// Workers that were killed.
    pub kills: u64,
    /// Workers that lived on when their time had ended, and were killed for that.
    pub overruns: u64,
    /// Messages that came twice.
    pub duplicates: u64,
    /// Messages that were received too often.
    pub dead_letters: u64,
    /// Calls of AWS that failed.
    pub failed_calls: u64,
    /// By how much a worker's own clock was wrong at most, in milliseconds.
    pub skew_ms: u64,
    /// How often a token was asked for and given, good as promised.
    pub uses: u64,
    /// How often none could be given.
    pub unserved: u64,
    /// How often one was given that the provider did not accept.
    pub bad_tokens: u64,
    /// Customers who connected again, asked or not.
    pub reconnects: u64,
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// What was run.
    pub plan: Plan,
    /// By kind of provider.
    pub rows: [Row; 4],
    /// Of all.
    pub totals: Totals,
    /// How much virtual time it took, in hours.
    pub hours: u64,
    /// Of everything that happened, in its order.
    pub digest: u64,
    /// The story of the connection that was to be traced.
    pub trace: Vec<String>,
    /// The first things that must not be, each with its connection.
    pub incidents: Vec<(usize, String)>,
}

impl Report {
    /// What became of one kind.
    #[must_use]
    pub fn of(&self, kind: Kind) -> &Row {
        &self.rows[kind as usize]
    }

    /// Refreshes of all kinds.
    #[must_use]
    pub fn cycles(&self) -> u64 {
        self.rows.iter().map(|row| row.cycles).sum()
    }

    /// Calls to a provider for each refresh.
    #[must_use]
    pub fn calls_per_expiry(&self) -> f64 {
        ratio(self.rows.iter().map(|row| row.calls).sum(), self.cycles())
    }

    /// What must not be, and was.
    #[must_use]
    pub fn failures(&self) -> Vec<String> {
        let mut failures = vec![];
        let mut refuse = |what: &str, kind: Kind, count: u64| {
            if count > 0 {
                failures.push(format!("{}: {what}: {count}", kind.as_str()));
            }
        };
        for kind in KINDS {
            let row = self.of(kind);
            let most = if kind == Kind::Strict { row.destroyed } else { 0 };
            refuse("lost, more than may be", kind, row.lost.saturating_sub(most));
            refuse("lost without a destroyed answer", kind, row.unexplained);
            refuse("declared dead with a good token stored", kind, row.false_deaths);
            refuse("token sets dropped by a worker that lived", kind, row.dropped);
            refuse("calls while another was under way", kind, row.overlaps);
            refuse("calls beyond the budget", kind, row.over_budget);
            refuse("not working after the calm", kind, row.stuck);
        }
        if self.totals.bad_tokens > 0 {
            failures.push(format!("access tokens given that were not good: {}", self.totals.bad_tokens));
        }
        let calls: u64 = self.rows.iter().map(|row| row.calls).sum();
        if self.plan.faults.is_empty() && calls != self.cycles() {
            failures.push(format!("{calls} calls for {} refreshes without faults", self.cycles()));
        }
        if self.plan.strain <= 1.0 && self.calls_per_expiry() > MAX_CALLS {
            failures.push(format!("{:.4} calls per expiry", self.calls_per_expiry()));
        }
        failures
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^52")]
fn ratio(calls: u64, cycles: u64) -> f64 {
    if cycles == 0 { 0.0 } else { calls as f64 / cycles as f64 }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        type Cell = fn(&Row) -> String;
        const CELLS: [(&str, Cell); 17] = [
            ("cycles", |row| row.cycles.to_string()),
            ("provider calls", |row| row.calls.to_string()),
            ("calls per expiry", |row| format!("{:.4}", ratio(row.calls, row.cycles))),
            ("answers destroyed", |row| row.destroyed.to_string()),
            ("connections lost", |row| row.lost.to_string()),
            ("  without a destroyed answer", |row| row.unexplained.to_string()),
            ("false deaths", |row| row.false_deaths.to_string()),
            ("token sets dropped", |row| row.dropped.to_string()),
            ("overlapping calls", |row| row.overlaps.to_string()),
            ("calls over budget", |row| row.over_budget.to_string()),
            ("stuck at the end", |row| row.stuck.to_string()),
            ("recoveries", |row| row.recoveries.to_string()),
            ("spilled", |row| row.spilled.to_string()),
            ("  completed", |row| row.completed.to_string()),
            ("  superseded", |row| row.superseded.to_string()),
            ("  verdicts taken back", |row| row.taken_back.to_string()),
            ("late refreshes", |row| row.late.to_string()),
        ];
        let Plan { seed, connections, workers, .. } = self.plan;
        writeln!(f, "seed {seed}: {connections} connections, {workers} workers, {} hours", self.hours)?;
        write!(f, "{:30}", "")?;
        KINDS.iter().try_for_each(|kind| write!(f, "{:>14}", kind.as_str()))?;
        for (name, cell) in CELLS {
            write!(f, "\n{name:30}")?;
            KINDS.iter().try_for_each(|kind| write!(f, "{:>14}", cell(self.of(*kind))))?;
        }
        let Totals { kills, overruns, duplicates, dead_letters, failed_calls, .. } = self.totals;
        let Totals { skew_ms, uses, unserved, bad_tokens, reconnects, .. } = self.totals;
        write!(
            f,
            "\nkills {kills}, overruns {overruns}, duplicates {duplicates}, dead letters {dead_letters}, \
             failed calls of AWS {failed_calls}, clocks wrong by up to {skew_ms} ms\n\
             tokens used {uses}, not to be had {unserved}, not good {bad_tokens}; connected again {reconnects}\n\
             calls per expiry {:.4}; digest {:016x}",
            self.calls_per_expiry(),
            self.digest
        )
    }
}
