//! Jobs: one batch of a lane.

use std::time::Duration;

use aws_lambda_events::sqs::SqsMessage;
use domain::{
    erasure::Erased,
    refresh::policy::later,
    store::{StoreError, chain},
    sync::{CatchUpMark, JobOrigin, Lane, LaneMessage, Next},
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
                Next::Again { .. } if is_worn(message, deps.clock.now()) => {
                    put_anew(deps.runner.queue.send(lane, std::slice::from_ref(&job)).await)
                }
                next => handled(next),
            }
        }
        Ok(LaneMessage::CatchUp(mark)) => match catch_up(deps, mark, deadline).await {
            Ok(_) => Handled::Done,
            Err(_) => Handled::Retry { after: None },
        },
        Ok(LaneMessage::Erase(mark)) => {
            let span = tracing::info_span!("erase", tenantId = %mark.tenant);
            match deps.eraser.run(&mark, deadline).instrument(span).await {
                Ok(Erased::Done | Erased::Continued) => Handled::Done,
                Ok(Erased::Waits { .. }) if is_worn(message, deps.clock.now()) => {
                    put_anew(deps.eraser.queue.send_erasure(lane, &mark).await)
                }
                Ok(Erased::Waits { after }) => Handled::Retry { after: Some(after) },
                Err(error) => {
                    tracing::warn!(tenantId = %mark.tenant, error = chain(&error), "Tenant is not deleted yet");
                    Handled::Retry { after: None }
                }
            }
        }
        Err(error) => Handled::DeadLetter(chain(&error)),
    }
}

/// Whether a message has waited so often or so long that its queue would soon give it up.
fn is_worn(message: &SqsMessage, now: Timestamp) -> bool {
    sqs::receives(message) >= WORN_RECEIVES
        || sqs::sent_at(message).is_some_and(|sent_at| later(sent_at, WORN_AGE) <= now)
}

/// What becomes of a worn message in place of which another was put on the lane, or not.
fn put_anew(sent: Result<(), StoreError>) -> Handled {
    match sent {
        Ok(()) => Handled::Done,
        Err(error) => {
            tracing::warn!(error = chain(&error), "Message is not renewed");
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
