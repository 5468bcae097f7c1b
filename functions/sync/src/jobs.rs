//! Jobs: one batch of a lane.

use aws_lambda_events::sqs::SqsMessage;
use domain::{
    store::{StoreError, chain},
    sync::{CatchUpMark, JobOrigin, Lane, LaneMessage},
};
use edge::{sqs::Handled, telemetry};
use jiff::Timestamp;
use tracing::Instrument as _;

use crate::{Deps, handled};

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
            let (next, written) = deps.runner.work(&job, lane, deadline).instrument(span).await;
            if let (Some(JobOrigin::CatchUp), Some((provider, _))) = (job.origin, job.company_id.parts()) {
                telemetry::count_events(provider.as_str(), "caught_up", written);
            }
            handled(next)
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
