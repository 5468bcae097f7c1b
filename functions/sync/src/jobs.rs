//! Jobs: one batch of a lane.

use std::time::Duration;

use aws_lambda_events::sqs::SqsMessage;
use domain::{
    store::{StoreError, chain},
    sync::{CatchUpMark, JobOrigin, Lane, LaneMessage, LedgerError, RunError, RunOutcome, SyncJob},
};
use edge::{sqs::Handled, telemetry};
use jiff::Timestamp;
use tracing::Instrument as _;

use crate::Deps;

/// Handles one message of a lane.
pub(crate) async fn on_message(
    deps: &Deps,
    message: &SqsMessage,
    lane: Lane,
    deadline: Timestamp,
) -> Handled {
    match LaneMessage::parse(message.body.as_deref().unwrap_or_default()) {
        Ok(LaneMessage::Job(job)) => {
            // From here on the lines carry the id of the request that asked for the job, where one did.
            let span = match &job.correlation_id {
                Some(correlation) => tracing::info_span!("job", correlationId = %correlation),
                None => tracing::Span::current(),
            };
            run(deps, &job, lane, deadline).instrument(span).await
        }
        Ok(LaneMessage::CatchUp(mark)) => match catch_up(deps, mark, deadline).await {
            Ok(_) => Handled::Done,
            Err(_) => Handled::Retry { after: None },
        },
        Err(error) => Handled::DeadLetter(chain(&error)),
    }
}

/// Walks all companies, or goes on with that; gives the number of jobs made.
pub(crate) async fn catch_up(
    deps: &Deps,
    mark: CatchUpMark,
    deadline: Timestamp,
) -> Result<usize, StoreError> {
    let caught_up = deps.catch_up.run(mark, deadline).await.inspect_err(|error| {
        tracing::error!(error = chain(error), "Catch-up could not be finished");
    })?;
    tracing::info!(jobs = caught_up.jobs, done = caught_up.done, "Catch-up ran");
    Ok(caught_up.jobs)
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
            if let (Some(JobOrigin::CatchUp), Some((provider, _))) = (job.origin, job.company_id.parts()) {
                telemetry::count_events(provider.as_str(), "caught_up", written);
            }
            tracing::info!(
                tenantId = tenant, connectionId = connection, jobId = %job.job_id, outcome, written, "Sync job ran"
            );
            Handled::Done
        }
        Err(error @ (RunError::ScopeMissing { .. } | RunError::Ledger(LedgerError::Refused { .. }))) => {
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
