//! The `sync` function: consumes webhook events and runs sync jobs.

mod config;
mod events;
mod jobs;
mod wiring;

use std::{sync::Arc, time::Duration};

use aws::SqsSource;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use domain::{
    clock::Clock,
    erasure::Eraser,
    refresh::policy::earlier,
    store::StoreError,
    sync::{CatchUp, CatchUpMark, EventConsumer, Lane, Next, SyncRunner},
};
use edge::{
    schedule::ScheduledEvent,
    sqs::{self, Handled},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

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
    /// Asks all companies for what changed.
    pub catch_up: CatchUp,
    /// Ends tenants.
    pub eraser: Eraser,
    /// The lanes.
    pub lanes: Vec<(Lane, SqsSource)>,
    /// The queue of webhook events.
    pub events: SqsSource,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// The two ways in which the function is called.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Call {
    /// A batch of one of its queues.
    Queue(SqsEvent),
    /// EventBridge's own plain scheduled event: the daily catch-up.
    Clock(ScheduledEvent),
}

/// What the function answers.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Reply {
    /// The messages that are to come again.
    Queue(SqsBatchResponse),
    /// What the catch-up did.
    Clock {
        /// Jobs put on the low lane.
        jobs: usize,
    },
}

/// Why an invocation failed as a whole.
#[derive(Debug, Error)]
pub enum HandleError {
    /// The event is neither of the two.
    #[error("the event is neither a queue's batch nor the clock's")]
    Unknown(#[source] serde_json::Error),
    /// The catch-up could not be finished.
    #[error("the catch-up could not be finished")]
    CatchUp(#[source] StoreError),
}

/// Handles one invocation that is stopped at `deadline`.
pub async fn handle(
    deps: &Deps,
    event: serde_json::Value,
    deadline: Timestamp,
) -> Result<Reply, HandleError> {
    let deadline = earlier(deadline, CLOSING_TIME);
    match serde_json::from_value(event).map_err(HandleError::Unknown)? {
        Call::Queue(batch) => Ok(Reply::Queue(on_batch(deps, &batch, deadline).await)),
        Call::Clock(tick) => {
            let started_at = tick.time.unwrap_or_else(|| deps.clock.now());
            let mark = CatchUpMark { started_at, tenant: None, from: None };
            let jobs = jobs::catch_up(deps, mark, deadline).await.map_err(HandleError::CatchUp)?;
            Ok(Reply::Clock { jobs })
        }
    }
}

async fn on_batch(deps: &Deps, batch: &SqsEvent, deadline: Timestamp) -> SqsBatchResponse {
    match deps.lanes.iter().find(|(_, queue)| sqs::is_from(batch, queue)) {
        Some((lane, queue)) => {
            sqs::each(batch, (queue, &*deps.runner.entropy), |message| {
                jobs::on_message(deps, message, *lane, deadline)
            })
            .await
        }
        None => events::handle(deps, batch, deadline).await,
    }
}

/// What becomes of a message, as its queue is told.
fn handled(next: Next) -> Handled {
    match next {
        Next::Done => Handled::Done,
        Next::Again { after } => Handled::Retry { after },
        Next::Bury(reason) => Handled::DeadLetter(reason),
    }
}
