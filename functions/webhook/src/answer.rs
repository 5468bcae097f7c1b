//! What each webhook is answered with, counted and told the log.

use domain::{
    error::ErrorCode,
    id::CorrelationId,
    provider::Provider,
    webhook::{Accepted, MAX_BODY_BYTES, MAX_EVENTS, ReceiveError, RefusalReason},
};
use edge::{
    http::{ApiError, empty},
    telemetry::{count_events, count_webhook},
};
use lambda_http::{Response, http::StatusCode};

use crate::Failure;

/// The answer; 200 and 401 have no body, as Xero demands.
pub(crate) fn answer(
    provider: Provider,
    received: &Result<Accepted, Failure>,
    correlation: &CorrelationId,
) -> Response<String> {
    let name = provider.as_str();
    match received {
        Ok(accepted) => {
            told(name, accepted);
            empty(StatusCode::OK)
        }
        Err(Failure::Receive(ReceiveError::Refused(reason))) => {
            count_webhook(name, reason.as_str());
            tracing::warn!(provider = name, reason = reason.as_str(), "Webhook refused");
            refusal(*reason, correlation)
        }
        Err(error @ (Failure::Secrets(_) | Failure::Receive(ReceiveError::NotConfigured(_)))) => {
            count_webhook(name, "no_secret");
            ApiError::failure(ErrorCode::WebhookSecretUnavailable, error).response(correlation)
        }
        Err(error @ Failure::Receive(ReceiveError::Queue(_))) => {
            count_webhook(name, "not_durable");
            ApiError::failure(ErrorCode::StorageUnavailable, error).response(correlation)
        }
    }
}

fn told(name: &'static str, Accepted { delivery, events, unknown, unreadable }: &Accepted) {
    count_events(name, "enqueued", *events as u64);
    count_events(name, "unknown_type", *unknown);
    if let Some(reason) = unreadable {
        // Rightly signed, so it is the provider's; the same bytes would come again for hours and help nobody.
        count_webhook(name, "unreadable");
        tracing::error!(provider = name, deliveryId = %delivery, reason, "Webhook kept without effect");
    } else {
        count_webhook(name, "accepted");
        tracing::info!(provider = name, deliveryId = %delivery, events, unknown, "Webhook accepted");
    }
}

fn refusal(reason: RefusalReason, correlation: &CorrelationId) -> Response<String> {
    match reason {
        RefusalReason::BadSignature => empty(StatusCode::UNAUTHORIZED),
        RefusalReason::TooLarge => {
            let message = format!("send at most {MAX_BODY_BYTES} bytes and {MAX_EVENTS} events");
            ApiError::new(ErrorCode::ValidationBodyTooLarge, message).response(correlation)
        }
        RefusalReason::UnknownAddress => {
            ApiError::new(ErrorCode::WebhookAddressUnknown, "there is no such webhook address")
                .response(correlation)
        }
    }
}
