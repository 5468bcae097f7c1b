//! Refreshing side by side, and telling how each ended.

use domain::{
    connection::{ConnectionKey, ConnectionState},
    provider::Provider,
    refresh::{RefreshOutcome, RefreshReport, Refresher, Trigger},
    store::{StoreError, chain},
};
use edge::telemetry;
use futures::{StreamExt as _, stream};
use jiff::Timestamp;

use crate::disconnect;

/// Refreshes under way at once in one invocation: as many as five full messages name. How many of them call one provider is
/// bounded elsewhere, and those that wait for a provider that hangs must not keep the others from starting.
const AT_ONCE: usize = 500;

/// Refreshes connections side by side, each for what set it off; the reports stand in the order of the keys.
pub(crate) async fn refresh_all<'a>(
    refresher: &Refresher,
    asked: impl IntoIterator<Item = (&'a ConnectionKey, Trigger)>,
    deadline: Timestamp,
) -> Vec<Result<RefreshReport, StoreError>> {
    stream::iter(asked)
        .map(|(key, trigger)| refresh_one(refresher, key, trigger, deadline))
        .buffered(AT_ONCE)
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
    telemetry::count_refresh(trigger, result.as_ref().ok());
    tell(key, trigger, &result);
    if let Ok(RefreshReport {
        outcome: RefreshOutcome::NotRefreshable { state: ConnectionState::Disconnecting },
        ..
    }) = result
    {
        Box::pin(disconnect::resumed(refresher, key, deadline)).await?;
    }
    result
}

fn tell(key: &ConnectionKey, trigger: Trigger, result: &Result<RefreshReport, StoreError>) {
    let (tenant, connection) = (key.tenant.as_str(), key.connection.as_str());
    match result {
        Ok(report) => tracing::info!(
            tenantId = tenant,
            connectionId = connection,
            provider = report.provider.map_or("unknown", Provider::as_str),
            outcome = report.outcome.as_str(),
            durationMs = report.duration_ms,
            trigger = trigger.as_str(),
            "Refresh ended"
        ),
        Err(error) => tracing::error!(
            tenantId = tenant,
            connectionId = connection,
            error = chain(error),
            "Refresh did not end"
        ),
    }
}
