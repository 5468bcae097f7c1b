//! Batches of the two queues: connections to refresh, and token sets that the table did not take.

use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use domain::{
    refresh::{RefreshMessage, RefreshOutcome, RefreshReport, SpilledTokens, Trigger},
    store::{StoreError, chain},
};
use edge::{
    sqs::{self, Handled},
    telemetry,
};
use jiff::Timestamp;

use crate::{Deps, pool};

/// A message that only came too late, or too early, comes again after this time at least.
const SOON: Duration = Duration::from_secs(5);
/// A token set that the table still does not take comes again this often, and no less often later: whoever takes the next
/// lease spends the token that it replaces.
const RECOVER_AGAIN: Duration = Duration::from_secs(15);

/// Refreshes what the messages of a batch name, all side by side.
pub(crate) async fn on_due(deps: &Deps, event: &SqsEvent, deadline: Timestamp) -> SqsBatchResponse {
    let messages: Vec<_> = event.records.iter().map(|record| RefreshMessage::parse(body(record))).collect();
    let asked = messages.iter().flatten().flat_map(|message| {
        let RefreshMessage { connections, reason, .. } = message;
        connections.iter().map(|key| (key, *reason))
    });
    let reports = pool::refresh_all(&deps.refresher, asked, deadline).await;
    let now = deps.refresher.clock.now();
    let mut rest = reports.as_slice();
    let handled = messages.iter().map(|message| match message {
        Ok(message) => {
            let (own, others) = rest.split_at(message.connections.len());
            rest = others;
            settled(message.reason, own, now)
        }
        Err(error) => Handled::DeadLetter(chain(error)),
    });
    sqs::close_all(event, (&deps.queue, &*deps.refresher.entropy), handled).await
}

/// What becomes of a message whose refreshes ended so.
///
/// What failed at the provider is due again by its own time, and what cannot be read will not read better: only what could
/// not be settled, or not be looked at yet, must come again here.
fn settled(reason: Trigger, reports: &[Result<RefreshReport, StoreError>], now: Timestamp) -> Handled {
    if reports.iter().any(|report| matches!(report, Err(StoreError::Unavailable { .. }))) {
        return Handled::Retry { after: None };
    }
    let waits = reports.iter().flatten().filter_map(|report| match report.outcome {
        RefreshOutcome::NoTime => Some(SOON),
        // Whoever watches over a worker looks again when that one must have ended.
        RefreshOutcome::Running { until } if reason == Trigger::Recovery => {
            Some(Duration::try_from(until.duration_since(now)).unwrap_or_default().max(SOON))
        }
        _ => None,
    });
    waits.max().map_or(Handled::Done, |wait| Handled::Retry { after: Some(wait) })
}

/// Stores the token sets of a batch, one after the other: there is more than one only where the table was away.
pub(crate) async fn on_spilled(deps: &Deps, event: &SqsEvent) -> SqsBatchResponse {
    sqs::each(event, (&deps.recovery, &*deps.refresher.entropy), |message| complete(deps, message)).await
}

async fn complete(deps: &Deps, message: &SqsMessage) -> Handled {
    let spilled = match SpilledTokens::parse(body(message)) {
        Ok(spilled) => spilled,
        Err(error) => return Handled::DeadLetter(chain(&error)),
    };
    let (tenant, connection) = (spilled.key.tenant.as_str(), spilled.key.connection.as_str());
    match deps.refresher.complete(&spilled).await {
        Ok(outcome) => {
            telemetry::count_recovered(outcome);
            tracing::warn!(
                tenantId = tenant,
                connectionId = connection,
                outcome = outcome.as_str(),
                "Token set came by the recovery queue"
            );
            Handled::Done
        }
        Err(error @ StoreError::Unavailable { .. }) => {
            tracing::error!(
                tenantId = tenant,
                connectionId = connection,
                error = chain(&error),
                "Token set is still on the recovery queue"
            );
            Handled::Retry { after: Some(RECOVER_AGAIN) }
        }
        // It is the only copy, and a person must look at what stands in its place.
        Err(error) => Handled::DeadLetter(chain(&error)),
    }
}

fn body(message: &SqsMessage) -> &str {
    message.body.as_deref().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use domain::{
        connection::ConnectionKey,
        refresh::{AttemptFailure, FailureClass},
    };

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn report(outcome: RefreshOutcome) -> RefreshReport {
        let key = ConnectionKey { tenant: "t".parse().unwrap(), connection: "c".parse().unwrap() };
        RefreshReport {
            key,
            provider: None,
            expires_at: None,
            duration_ms: None,
            replaced_left: None,
            outcome,
        }
    }

    fn failed() -> RefreshOutcome {
        let failure = AttemptFailure { class: FailureClass::Transient, code: None, trace_id: None };
        RefreshOutcome::Failed { failure, retry_at: Some(at(60)) }
    }

    fn unavailable() -> Result<RefreshReport, StoreError> {
        Err(StoreError::Unavailable { operation: "take_lease", source: "down".into() })
    }

    #[test]
    fn a_message_is_done_when_each_of_its_connections_is_settled_well_or_not() {
        let running = RefreshOutcome::Running { until: at(100) };
        let reports = [RefreshOutcome::Refreshed, failed(), running, RefreshOutcome::Missing];

        assert_eq!(settled(Trigger::Scheduled, &reports.map(report).map(Ok), at(0)), Handled::Done);
    }

    #[test]
    fn a_message_comes_again_where_the_store_let_one_of_its_connections_down() {
        let reports = [Ok(report(RefreshOutcome::NoTime)), Ok(report(failed())), unavailable()];

        assert_eq!(settled(Trigger::Scheduled, &reports, at(0)), Handled::Retry { after: None });
    }

    #[test]
    fn what_there_was_no_time_for_comes_again_soon() {
        let reports = [Ok(report(RefreshOutcome::Refreshed)), Ok(report(RefreshOutcome::NoTime))];

        assert_eq!(settled(Trigger::Scheduled, &reports, at(0)), Handled::Retry { after: Some(SOON) });
    }

    #[test]
    fn whoever_watches_over_a_worker_looks_again_when_its_lease_has_ended() {
        let running = || [Ok(report(RefreshOutcome::Running { until: at(100) }))];
        let watched = |now| settled(Trigger::Recovery, &running(), at(now));

        assert_eq!(watched(40), Handled::Retry { after: Some(Duration::from_mins(1)) });
        assert_eq!(watched(99), Handled::Retry { after: Some(SOON) }, "not at once, again and again");
        assert_eq!(watched(200), Handled::Retry { after: Some(SOON) });
    }
}
