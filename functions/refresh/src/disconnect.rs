//! Ending connections: when somebody asks for it, and again when the sweep finds one that is not at its end.

use domain::{
    connection::ConnectionKey,
    refresh::{DisconnectAnswer, DisconnectMessage, DisconnectResult, Refresher},
    store::{StoreError, chain},
};
use edge::telemetry;
use jiff::Timestamp;
use tracing::Instrument as _;

/// Ends a connection, or one company of it, because somebody asked for it.
pub(crate) async fn asked(
    refresher: &Refresher,
    message: &DisconnectMessage,
    deadline: Timestamp,
) -> Result<DisconnectAnswer, StoreError> {
    // From here on the lines carry the id of the request that asked.
    let span = match &message.correlation_id {
        Some(correlation) => tracing::info_span!("disconnect", correlationId = %correlation),
        None => tracing::Span::current(),
    };
    async {
        let ended = refresher.disconnect(message, deadline).await;
        tell(&message.disconnect, &ended);
        ended
    }
    .instrument(span)
    .await
}

/// Goes on with a connection that is marked as disconnecting.
pub(crate) async fn resumed(
    refresher: &Refresher,
    key: &ConnectionKey,
    deadline: Timestamp,
) -> Result<(), StoreError> {
    let ended = refresher.end(key, deadline).await;
    tell(key, &ended);
    ended.map(|_| ())
}

fn tell(key: &ConnectionKey, ended: &Result<DisconnectAnswer, StoreError>) {
    let (tenant, connection) = (key.tenant.as_str(), key.connection.as_str());
    match ended {
        Ok(answer) => {
            let result = word(answer.result);
            telemetry::count_disconnect(result);
            tracing::info!(
                tenantId = tenant,
                connectionId = connection,
                result,
                errorClass = answer.error_class,
                "Disconnect ended"
            );
        }
        Err(error) => {
            telemetry::count_disconnect("store_unavailable");
            tracing::error!(
                tenantId = tenant,
                connectionId = connection,
                error = chain(error),
                "Disconnect did not end"
            );
        }
    }
}

fn word(result: DisconnectResult) -> &'static str {
    match result {
        DisconnectResult::Disconnected => "disconnected",
        DisconnectResult::Disconnecting => "disconnecting",
        DisconnectResult::Forgotten => "forgotten",
        DisconnectResult::CompanyRemoved => "company_removed",
        DisconnectResult::CompanyKept => "company_kept",
        DisconnectResult::Missing => "missing",
    }
}
