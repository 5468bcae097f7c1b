//! The `refresh` function: the one room in which refresh tokens are opened, spent and revoked.
//!
//! It is called by the clock (sweep), by its two queues and by other functions directly.

mod config;
mod disconnect;
mod pool;
mod queue;
mod wiring;

use std::{sync::Arc, time::Duration};

use aws::SqsSource;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use domain::{
    provider::Provider,
    refresh::{
        DisconnectAnswer, DisconnectMessage, RefreshAnswer, RefreshMessage, Refresher, Sweep, policy::earlier,
    },
    store::StoreError,
};
use edge::{schedule::ScheduledEvent, sqs, telemetry};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use config::Config;
pub use wiring::wire;

/// Kept back from the function's time for the history, events and metrics of the last refresh, and for what its attempts
/// told of the providers.
const CLOSING_TIME: Duration = Duration::from_secs(3);

/// What the function works with.
pub struct Deps {
    /// Refreshes connections.
    pub refresher: Arc<Refresher>,
    /// Finds those that are due.
    pub sweep: Sweep,
    /// The queue of connections to refresh.
    pub queue: SqsSource,
    /// The queue of token sets that the table did not take.
    pub recovery: SqsSource,
}

/// The four ways in which the function is called.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Call {
    /// A batch of one of its queues.
    Queue(SqsEvent),
    /// EventBridge's own plain scheduled event.
    Clock(ScheduledEvent),
    /// A direct invocation to refresh.
    Direct(RefreshMessage),
    /// A direct invocation to end a connection.
    Disconnect(DisconnectMessage),
}

/// What the function answers.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Reply {
    /// The messages that are to come again.
    Queue(SqsBatchResponse),
    /// What the sweep did.
    #[serde(rename_all = "camelCase")]
    Clock {
        /// Connections put on the queue.
        enqueued: usize,
    },
    /// How each refresh ended.
    Direct(Vec<RefreshAnswer>),
    /// How far ending a connection came.
    Disconnect(DisconnectAnswer),
}

/// Why an invocation failed as a whole.
#[derive(Debug, Error)]
pub enum HandleError {
    /// The event is none of the four.
    #[error(
        "the event is neither a queue's batch, nor the clock's, nor a message to refresh or to disconnect"
    )]
    Unknown(#[source] serde_json::Error),
    /// A direct message of the wrong version or size.
    #[error("the message is refused")]
    Message(#[source] domain::refresh::MessageError),
    /// The table did not say what time it is, and a worker that does not know may do nothing.
    #[error("the clock could not be set")]
    Clock(#[source] StoreError),
    /// The connection that is to be ended could not be read or settled.
    #[error("the connection could not be ended")]
    Disconnect(#[source] StoreError),
    /// The sweep could not be finished.
    #[error("the sweep could not be finished")]
    Sweep(#[source] StoreError),
}

/// Handles one invocation that is stopped at `deadline`, by the machine's own clock.
pub async fn handle(
    deps: &Deps,
    event: serde_json::Value,
    deadline: Timestamp,
) -> Result<Reply, HandleError> {
    deps.refresher.set_clock().await.map_err(HandleError::Clock)?;
    let deadline = earlier(deps.refresher.clock.of_machine(deadline), CLOSING_TIME);
    let reply = reply(deps, event, deadline).await;
    // The process may stand still from here on: what its attempts told of the providers is for all workers to know.
    deps.refresher.breakers.flush().await;
    reply
}

async fn reply(deps: &Deps, event: serde_json::Value, deadline: Timestamp) -> Result<Reply, HandleError> {
    match serde_json::from_value(event).map_err(HandleError::Unknown)? {
        Call::Queue(event) if sqs::is_from(&event, &deps.recovery) => {
            Ok(Reply::Queue(queue::on_spilled(deps, &event).await))
        }
        Call::Queue(event) => Ok(Reply::Queue(queue::on_due(deps, &event, deadline).await)),
        Call::Clock(ScheduledEvent { .. }) => {
            let enqueued = sweep(deps, deadline).await.map_err(HandleError::Sweep)?;
            Ok(Reply::Clock { enqueued })
        }
        Call::Direct(message) => {
            let message = message.checked().map_err(HandleError::Message)?;
            let asked = message.connections.iter().map(|key| (key, message.reason));
            let reports = pool::refresh_all(&deps.refresher, asked, deadline).await;
            let answer = |(report, key): (&Result<_, _>, _)| {
                report.as_ref().map_or_else(|_| RefreshAnswer::unavailable(key), RefreshAnswer::from)
            };
            Ok(Reply::Direct(reports.iter().zip(&message.connections).map(answer).collect()))
        }
        Call::Disconnect(message) => {
            let message = message.checked().map_err(HandleError::Message)?;
            let ended = Box::pin(disconnect::asked(&deps.refresher, &message, deadline)).await;
            ended.map(Reply::Disconnect).map_err(HandleError::Disconnect)
        }
    }
}

/// Enqueues what is due, and measures how that stands; answers how many connections it enqueued.
async fn sweep(deps: &Deps, deadline: Timestamp) -> Result<usize, StoreError> {
    let breakers = &deps.refresher.breakers;
    let report = deps.sweep.run(breakers, deadline).await?;
    telemetry::count_sweep(&report);
    for provider in Provider::ALL {
        telemetry::measure_breaker(provider, breakers.health(provider).await.breaker.state);
    }
    tracing::info!(
        enqueued = report.enqueued,
        open = report.open,
        unfinished = report.unfinished,
        lagSeconds = report.lag.as_secs(),
        "Swept due connections"
    );
    Ok(report.enqueued)
}
