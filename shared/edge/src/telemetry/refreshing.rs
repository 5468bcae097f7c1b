//! Metrics of refreshing.
//!
//! What stands for a moment (whether a breaker is open, how far the sweep is behind) is recorded as a value, not as a gauge:
//! a gauge would be written again with each invocation of the process, long after somebody else has measured anew.

use std::{
    io,
    sync::atomic::{AtomicUsize, Ordering},
};

use domain::{
    provider::Provider,
    refresh::{BreakerState, CompleteOutcome, RefreshOutcome, RefreshReport, SweepReport, Trigger},
};
use metrics::{counter, histogram};

/// EMF takes so many values of one metric in a line, and the collector drops what comes beyond: a batch of messages may
/// bring five times as many refreshes.
const MAX_VALUES: usize = 100;

/// Counts one refresh by how it ended, with what it measured; none is one that the store let end in nothing.
///
/// `RefreshSuccess` is 1 or 0 for each attempt, so that its average is the rate, and its count that of the attempts.
pub fn count_refresh(trigger: Trigger, report: Option<&RefreshReport>) {
    record(trigger, report);
    fill(&mut io::stdout());
}

/// Writes what was gathered when a line is full.
fn fill(writer: &mut dyn io::Write) {
    static GATHERED: AtomicUsize = AtomicUsize::new(0);
    // Counted over all invocations: a line that is written a little early holds as much.
    if (GATHERED.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(MAX_VALUES) {
        super::flush(writer);
    }
}

fn record(trigger: Trigger, report: Option<&RefreshReport>) {
    let provider = report.and_then(|report| report.provider).map_or("unknown", Provider::as_str);
    let outcome = report.map_or("store_unavailable", |report| report.outcome.as_str());
    let trigger = trigger.as_str();
    counter!("RefreshAttempts", "provider" => provider, "trigger" => trigger, "outcome" => outcome)
        .increment(1);
    let Some(report) = report else { return };
    if let Some(duration_ms) = report.duration_ms {
        histogram!("RefreshDuration", "provider" => provider).record(whole(duration_ms));
    }
    if let Some(left) = report.replaced_left {
        histogram!("TimeUntilExpiry", "provider" => provider).record(left.as_secs_f64());
    }
    match &report.outcome {
        RefreshOutcome::Refreshed => histogram!("RefreshSuccess", "provider" => provider).record(1.0),
        RefreshOutcome::Failed { failure, .. } => {
            histogram!("RefreshSuccess", "provider" => provider).record(0.0);
            counter!("RefreshFailures", "provider" => provider, "class" => failure.class.as_str())
                .increment(1);
        }
        _ => {}
    }
}

/// Counts what one sweep did.
pub fn count_sweep(report: &SweepReport) {
    histogram!("SweepEnqueued").record(whole(u64::try_from(report.enqueued).unwrap_or(u64::MAX)));
    histogram!("SweepLag").record(report.lag.as_secs_f64());
}

/// Measures whether a provider's breaker holds calls back: 1 while it does, also while one of them tries.
pub fn measure_breaker(provider: Provider, state: BreakerState) {
    let is_open = if state == BreakerState::Closed { 0.0 } else { 1.0 };
    histogram!("BreakerOpen", "provider" => provider.as_str()).record(is_open);
}

/// Counts a token set that came by the recovery queue, by what became of it.
pub fn count_recovered(outcome: CompleteOutcome) {
    counter!("RecoveredTokens", "outcome" => outcome.as_str()).increment(1);
}

#[expect(clippy::cast_precision_loss, reason = "what is measured here is far below 2^52")]
fn whole(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use domain::{
        connection::ConnectionKey,
        refresh::{AttemptFailure, FailureClass},
    };
    use jiff::SignedDuration;
    use metrics_cloudwatch_embedded::Builder;
    use serde_json::Value;

    use super::*;

    fn report(outcome: RefreshOutcome) -> RefreshReport {
        let is_refreshed = outcome == RefreshOutcome::Refreshed;
        RefreshReport {
            key: ConnectionKey { tenant: "t".parse().unwrap(), connection: "c".parse().unwrap() },
            provider: Some(Provider::Xero),
            expires_at: None,
            duration_ms: Some(250),
            replaced_left: is_refreshed.then(|| SignedDuration::from_secs(-90)),
            outcome,
        }
    }

    fn failed() -> RefreshReport {
        let failure = AttemptFailure { class: FailureClass::Throttled, code: None, trace_id: None };
        report(RefreshOutcome::Failed { failure, retry_at: None })
    }

    /// All values of a metric, in all lines that name it.
    fn values(lines: &[u8], metric: &str) -> Vec<Value> {
        let lines = std::str::from_utf8(lines).unwrap().lines();
        let lines = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines
            .flat_map(|line| match &line[metric] {
                Value::Null => vec![],
                Value::Array(values) => values.clone(),
                value => vec![value.clone()],
            })
            .collect()
    }

    /// One test, since a process has one recorder.
    #[test]
    fn no_value_is_lost_however_many_refreshes_there_are_and_none_is_written_twice() {
        let collector = Builder::new().cloudwatch_namespace("tests").init().unwrap();
        super::super::COLLECTOR.set(collector).ok().unwrap();
        let mut lines = vec![];

        for _ in 0..225 {
            for report in [report(RefreshOutcome::Refreshed), failed()] {
                record(Trigger::Scheduled, Some(&report));
                fill(&mut lines);
            }
        }
        measure_breaker(Provider::Xero, BreakerState::Closed);
        super::super::flush(&mut lines);
        super::super::flush(&mut lines);

        assert_eq!(values(&lines, "RefreshDuration").len(), 450);
        assert_eq!(values(&lines, "TimeUntilExpiry"), vec![Value::from(-90.0); 225]);
        let succeeded: f64 = values(&lines, "RefreshSuccess").iter().filter_map(Value::as_f64).sum();
        assert_eq!((succeeded, values(&lines, "RefreshSuccess").len()), (225.0, 450));
        let throttled: u64 = values(&lines, "RefreshFailures").iter().filter_map(Value::as_u64).sum();
        assert_eq!(throttled, 225);
        assert_eq!(values(&lines, "BreakerOpen"), [Value::from(0.0)]);
    }
}
