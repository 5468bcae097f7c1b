//! Jobs: one batch of a lane.

use std::time::Duration;

use aws_lambda_events::sqs::SqsMessage;
use domain::{
    refresh::policy::later,
    store::{StoreError, chain},
    sync::{CatchUpMark, JobOrigin, Lane, LaneMessage, Next, SyncJob},
};
use edge::{
    sqs::{self, Handled},
    telemetry,
};
use jiff::Timestamp;
use tracing::Instrument as _;

use crate::{Deps, handled};

/// A lane hands a message out a thousand times before it gives it up; one that waits for its turn or for limits is put there
/// anew before that.
const WORN_RECEIVES: u32 = 900;
/// And before the lane forgets it, after two weeks: the limits of a month may take longer.
const WORN_AGE: Duration = Duration::from_hours(10 * 24);

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
            match next {
                Next::Again { .. } if is_worn(message, deps.clock.now()) => renewed(deps, &job, lane).await,
                next => handled(next),
            }
        }
        Ok(LaneMessage::CatchUp(mark)) => match catch_up(deps, mark, deadline).await {
            Ok(_) => Handled::Done,
            Err(_) => Handled::Retry { after: None },
        },
        Err(error) => Handled::DeadLetter(chain(&error)),
    }
}

/// Whether a message has waited so often or so long that its queue would soon give it up.
fn is_worn(message: &SqsMessage, now: Timestamp) -> bool {
    sqs::receives(message) >= WORN_RECEIVES
        || sqs::sent_at(message).is_some_and(|sent_at| later(sent_at, WORN_AGE) <= now)
}

/// Puts a job on its lane anew in place of its worn message.
async fn renewed(deps: &Deps, job: &SyncJob, lane: Lane) -> Handled {
    match deps.runner.queue.send(lane, std::slice::from_ref(job)).await {
        Ok(()) => Handled::Done,
        Err(error) => {
            tracing::warn!(error = chain(&error), "Job is not renewed");
            Handled::Retry { after: None }
        }
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
