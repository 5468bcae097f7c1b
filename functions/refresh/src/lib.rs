//! The `refresh` function: the one room in which refresh tokens are opened, spent and revoked.
//!
//! It is called by the clock (sweep), by its queue and by other functions directly.

mod config;
mod disconnect;
mod wiring;

use std::sync::Arc;

use aws::SqsSource;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use domain::{
    connection::{ConnectionKey, ConnectionState},
    refresh::{
        DisconnectAnswer, DisconnectMessage, RefreshAnswer, RefreshMessage, RefreshOutcome, RefreshReport,
        Refresher, Sweep, SweepReport, Trigger, policy::earlier,
    },
    store::{StoreError, chain},
};
use edge::{
    sqs::{self, Handled},
    telemetry,
};
use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use config::Config;
pub use wiring::wire;

/// How many connections one invocation refreshes at once: providers answer in seconds, so that a message of fifty is
/// done in the time of one.
const CONCURRENT: usize = 50;
/// Kept back from the function's time for the history, events and metrics of the last refresh.
const CLOSING_TIME: std::time::Duration = std::time::Duration::from_secs(3);

/// What the function works with.
pub struct Deps {
    /// Refreshes connections.
    pub refresher: Arc<Refresher>,
    /// Finds those that are due.
    pub sweep: Sweep,
    /// Its queue.
    pub queue: SqsSource,
}

/// The four ways in which the function is called.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Call {
    /// A batch of its queue.
    Queue(SqsEvent),
    /// EventBridge's own plain scheduled event.
    Clock(ScheduledEvent),
    /// A direct invocation to refresh.
    Direct(RefreshMessage),
    /// A direct invocation to end a connection.
    Disconnect(DisconnectMessage),
}

/// EventBridge's scheduled event, as far as it is looked at.
#[derive(Debug, Deserialize)]
pub struct ScheduledEvent {
    #[serde(rename = "detail-type")]
    detail_type: ScheduledDetail,
}

#[derive(Debug, Deserialize)]
enum ScheduledDetail {
    #[serde(rename = "Scheduled Event")]
    ScheduledEvent,
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
    let deadline = earlier(deps.refresher.clock.of_machine(deadline), CLOSING_TIME);
    match serde_json::from_value(event).map_err(HandleError::Unknown)? {
        Call::Queue(event) => {
            let batch = sqs::each(&event, &deps.queue, |message| on_message(deps, message, deadline)).await;
            Ok(Reply::Queue(batch))
        }
        Call::Clock(ScheduledEvent { detail_type: ScheduledDetail::ScheduledEvent }) => {
            let SweepReport { enqueued, unsent, failed_shards } =
                deps.sweep.run(deadline).await.map_err(HandleError::Sweep)?;
            tracing::info!(enqueued, unsent, failedShards = failed_shards, "Swept due connections");
            Ok(Reply::Clock { enqueued })
        }
        Call::Direct(message) => {
            let message = message.checked().map_err(HandleError::Message)?;
            let reports = refresh_all(&deps.refresher, &message.connections, message.reason, deadline).await;
            let answers = reports.iter().zip(&message.connections).map(|(report, key)| answer(report, key));
            Ok(Reply::Direct(answers.collect()))
        }
        Call::Disconnect(message) => {
            let message = message.checked().map_err(HandleError::Message)?;
            let ended = Box::pin(disconnect::asked(&deps.refresher, &message, deadline)).await;
            ended.map(Reply::Disconnect).map_err(HandleError::Disconnect)
        }
    }
}

async fn on_message(deps: &Deps, message: &SqsMessage, deadline: Timestamp) -> Handled {
    let message = match RefreshMessage::parse(message.body.as_deref().unwrap_or_default()) {
        Ok(message) => message,
        Err(error) => return Handled::DeadLetter(chain(&error)),
    };
    let reports = refresh_all(&deps.refresher, &message.connections, message.reason, deadline).await;
    // What failed at the provider is due again by its own time, and what cannot be read will not read better: only what
    // could not be settled must come again here.
    if reports.iter().any(|report| matches!(report, Err(StoreError::Unavailable { .. }))) {
        Handled::Retry { after: None }
    } else {
        Handled::Done
    }
}

/// Refreshes connections side by side; the reports stand in the order of the keys.
async fn refresh_all(
    refresher: &Refresher,
    keys: &[ConnectionKey],
    trigger: Trigger,
    deadline: Timestamp,
) -> Vec<Result<RefreshReport, StoreError>> {
    stream::iter(keys)
        .map(|key| refresh_one(refresher, key, trigger, deadline))
        .buffered(CONCURRENT)
        .collect()
        .await
}

async fn refresh_one(
    refresher: &Refresher,
    key: &ConnectionKey,
    trigger: Trigger,
    deadline: Timestamp,
) -> Result<RefreshReport, StoreError> {
    let result = refresher.refresh(key, trigger, deadline).await;
    if let Ok(RefreshReport {
        outcome: RefreshOutcome::NotRefreshable { state: ConnectionState::Disconnecting },
        ..
    }) = result
    {
        Box::pin(disconnect::resumed(refresher, key, deadline)).await?;
    }
    let (tenant, connection) = (key.tenant.as_str(), key.connection.as_str());
    match &result {
        Ok(report) => {
            let provider = report.provider.map_or("unknown", domain::provider::Provider::as_str);
            let outcome = outcome(&report.outcome);
            telemetry::count_refresh(provider, trigger, outcome, report.duration_ms);
            tracing::info!(
                tenantId = tenant,
                connectionId = connection,
                provider,
                outcome,
                durationMs = report.duration_ms,
                trigger = trigger.as_str(),
                "Refresh ended"
            );
        }
        Err(error) => {
            telemetry::count_refresh("unknown", trigger, "store_unavailable", None);
            tracing::error!(
                tenantId = tenant,
                connectionId = connection,
                error = chain(error),
                "Refresh did not end"
            );
        }
    }
    result
}

fn outcome(outcome: &RefreshOutcome) -> &'static str {
    match outcome {
        RefreshOutcome::Refreshed => "refreshed",
        RefreshOutcome::Fresh => "fresh",
        RefreshOutcome::Running { .. } => "running",
        RefreshOutcome::NotRefreshable { .. } => "not_refreshable",
        RefreshOutcome::Missing => "missing",
        RefreshOutcome::Failed { failure, .. } => failure.class.as_str(),
    }
}

fn answer(report: &Result<RefreshReport, StoreError>, key: &ConnectionKey) -> RefreshAnswer {
    report.as_ref().map_or_else(|_| RefreshAnswer::unavailable(key), RefreshAnswer::from)
}
