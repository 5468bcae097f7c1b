//! The `sync` function: consumes webhook events and runs sync jobs.

mod config;
mod wiring;

use std::time::Duration;

use aws::SqsSource;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use domain::{
    refresh::policy::earlier,
    store::chain,
    sync::{EventConsumer, Lane, LedgerError, RunError, RunOutcome, SyncJob, SyncRunner},
    webhook::EventMessage,
};
use edge::{
    sqs::{self, Handled},
    telemetry,
};
use jiff::Timestamp;
use tracing::Instrument as _;

pub use config::{Config, LaneQueue};
pub use wiring::wire;

/// Kept back from the function's time for events and metrics.
const CLOSING_TIME: Duration = Duration::from_secs(5);

/// What the function works with.
pub struct Deps {
    /// Consumes webhook events.
    pub consumer: EventConsumer,
    /// Runs jobs.
    pub runner: SyncRunner,
    /// The lanes.
    pub lanes: Vec<(Lane, SqsSource)>,
    /// The queue of webhook events.
    pub events: SqsSource,
}

/// Handles one batch of one queue; the function is stopped at `deadline`.
pub async fn handle(deps: &Deps, event: &SqsEvent, deadline: Timestamp) -> SqsBatchResponse {
    let deadline = earlier(deadline, CLOSING_TIME);
    match deps.lanes.iter().find(|(_, queue)| sqs::is_from(event, queue)) {
        Some((lane, queue)) => {
            sqs::each(event, queue, |message| on_job(deps, message, *lane, deadline)).await
        }
        None => sqs::each(event, &deps.events, |message| on_events(deps, message, deadline)).await,
    }
}

async fn on_events(deps: &Deps, message: &SqsMessage, deadline: Timestamp) -> Handled {
    let message = match EventMessage::parse(message.body.as_deref().unwrap_or_default()) {
        Ok(message) => message,
        Err(error) => return Handled::DeadLetter(chain(&error)),
    };
    // From here on the lines carry the id of the request that brought the events.
    let span = tracing::info_span!("events", correlationId = %message.correlation_id);
    consume(deps, &message, deadline).instrument(span).await
}

async fn consume(deps: &Deps, message: &EventMessage, deadline: Timestamp) -> Handled {
    let consumed = deps.consumer.consume(message, deadline).await;
    let provider = message.provider.as_str();
    for (outcome, count) in [
        ("applied", consumed.applied),
        ("duplicate", consumed.duplicate),
        ("unknown_company", consumed.unknown_company),
        ("ignored", consumed.ignored),
        ("retried", consumed.retry),
    ] {
        telemetry::count_events(provider, outcome, count);
    }
    tracing::info!(
        provider,
        deliveryId = %message.delivery_id,
        applied = consumed.applied,
        duplicate = consumed.duplicate,
        unknownCompany = consumed.unknown_company,
        ignored = consumed.ignored,
        retry = consumed.retry,
        "Webhook events consumed"
    );
    if consumed.retry > 0 { Handled::Retry { after: None } } else { Handled::Done }
}

async fn on_job(deps: &Deps, message: &SqsMessage, lane: Lane, deadline: Timestamp) -> Handled {
    let job = match SyncJob::parse(message.body.as_deref().unwrap_or_default()) {
        Ok(job) => job,
        Err(error) => return Handled::DeadLetter(chain(&error)),
    };
    // From here on the lines carry the id of the request that asked for the job, where one did.
    let span = match &job.correlation_id {
        Some(correlation) => tracing::info_span!("job", correlationId = %correlation),
        None => tracing::Span::current(),
    };
    run(deps, &job, lane, deadline).instrument(span).await
}

async fn run(deps: &Deps, job: &SyncJob, lane: Lane, deadline: Timestamp) -> Handled {
    let (tenant, connection) = (job.key.tenant.as_str(), job.key.connection.as_str());
    match deps.runner.run(job, lane, deadline).await {
        Ok(outcome) => {
            let (outcome, written) = match outcome {
                RunOutcome::Completed { written } => ("completed", written),
                RunOutcome::Continued { written } => ("continued", written),
                RunOutcome::Gone => ("gone", 0),
                RunOutcome::Superseded => ("superseded", 0),
            };
            tracing::info!(
                tenantId = tenant, connectionId = connection, jobId = %job.job_id, outcome, written, "Sync job ran"
            );
            Handled::Done
        }
        Err(error @ RunError::ScopeMissing { .. }) => {
            let code = error.code();
            Handled::DeadLetter(format!("{} {}: {}", code.number(), code.name(), chain(&error)))
        }
        Err(error) => {
            tracing::error!(
                tenantId = tenant, connectionId = connection, jobId = %job.job_id, error = chain(&error), "Sync job comes again"
            );
            Handled::Retry { after: patience(&error) }
        }
    }
}

/// How long the provider asked us to wait, where it did.
fn patience(error: &RunError) -> Option<Duration> {
    match error {
        RunError::Ledger(LedgerError::Throttled { retry_after }) => *retry_after,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_throttled_job_comes_again_when_the_provider_said() {
        let wait = Some(Duration::from_secs(90));

        assert_eq!(patience(&LedgerError::Throttled { retry_after: wait }.into()), wait);
        assert_eq!(patience(&LedgerError::Forbidden.into()), None);
    }
}
