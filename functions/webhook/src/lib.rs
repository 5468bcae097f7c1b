//! The `webhook` function: verifies, makes durable, acknowledges. One AWS call, no table, no key.

mod config;

use std::{collections::HashMap, sync::Arc};

use domain::{
    clock::{Clock, SystemClock},
    entropy::{Entropy, SystemEntropy},
    error::ErrorCode,
    id::{CorrelationId, Ids},
    provider::Provider,
    store::chain,
    webhook::{Accepted, MAX_BODY_BYTES, ReceiveError, WebhookReceiver},
};
use edge::{
    http::{ApiError, correlation, empty, single},
    telemetry::{count_events, count_webhook},
};
use lambda_http::{
    Request, RequestExt as _, Response,
    http::{HeaderMap, Method, StatusCode, header},
};

pub use config::Config;

/// What the function works with.
pub struct Deps {
    /// Receives webhooks.
    pub receiver: WebhookReceiver,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
}

/// Builds everything the function works with, once per process; nothing is called yet.
#[must_use]
pub fn wire(config: Config, sdk: &aws::SdkConfig) -> Deps {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let queue = Arc::new(aws::SqsEventQueue::new(aws::clients::sqs(sdk), config.events_queue_url));
    let secrets = HashMap::from([(Provider::QuickBooks, config.quickbooks_secrets)]);
    Deps {
        receiver: WebhookReceiver { secrets, queue, clock: clock.clone(), entropy: entropy.clone() },
        clock,
        entropy,
    }
}

/// The correlation id of a request: the caller's or a new one.
#[must_use]
pub fn correlation_of(deps: &Deps, request: &Request) -> CorrelationId {
    correlation(request.headers(), Ids::new(&*deps.clock, &*deps.entropy))
}

/// Answers one request.
pub async fn handle(deps: &Deps, request: &Request, correlation: &CorrelationId) -> Response<String> {
    let Some(provider) = provider(request.raw_http_path()) else {
        return ApiError::new(ErrorCode::ProviderUnknown, "there is no such webhook address")
            .response(correlation);
    };
    if let Err(error) = acceptable(request) {
        count_webhook(provider.as_str(), "refused");
        return error.response(correlation);
    }
    let signature = single(request.headers(), signature_header(provider));
    let received = deps.receiver.receive(provider, request.body().as_ref(), signature, correlation).await;
    answer(provider, &received, correlation)
}

/// The provider of `/webhooks/{provider}`, where it is configured.
fn provider(path: &str) -> Option<Provider> {
    let name = path.strip_prefix("/webhooks/")?;
    name.parse().ok().filter(|provider| *provider == Provider::QuickBooks)
}

fn signature_header(provider: Provider) -> &'static str {
    match provider {
        Provider::QuickBooks => "intuit-signature",
        Provider::Xero => "x-xero-signature",
        Provider::Zoho => "x-zoho-webhook-signature",
    }
}

/// Refuses what no provider sends, before any secret is used.
fn acceptable(request: &Request) -> Result<(), ApiError> {
    if request.method() != Method::POST {
        return Err(ApiError::new(ErrorCode::ValidationMethodNotAllowed, "send webhooks with POST"));
    }
    if is_encoded(request.headers()) {
        // The signature is over the bytes as sent; and nothing here unpacks a bomb.
        return Err(ApiError::new(ErrorCode::ValidationMediaType, "send the body without Content-Encoding"));
    }
    if request.body().len() > MAX_BODY_BYTES {
        let message = format!("send at most {MAX_BODY_BYTES} bytes");
        return Err(ApiError::new(ErrorCode::ValidationBodyTooLarge, message));
    }
    Ok(())
}

fn is_encoded(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"))
}

fn answer(
    provider: Provider,
    received: &Result<Accepted, ReceiveError>,
    correlation: &CorrelationId,
) -> Response<String> {
    let name = provider.as_str();
    match received {
        Ok(Accepted { delivery, events, unknown }) => {
            count_webhook(name, "accepted");
            count_events(name, "enqueued", *events as u64);
            count_events(name, "unknown_type", *unknown as u64);
            tracing::info!(provider = name, deliveryId = %delivery, events, unknown, "Webhook accepted");
            empty(StatusCode::OK)
        }
        Err(ReceiveError::Signature) => {
            count_webhook(name, "bad_signature");
            tracing::warn!(provider = name, "Webhook refused: signature missing or wrong");
            empty(StatusCode::UNAUTHORIZED)
        }
        Err(error @ ReceiveError::Unreadable(_)) => {
            // Rightly signed, so it is the provider's; the same bytes would come again for hours and help nobody.
            count_webhook(name, "unreadable");
            tracing::error!(provider = name, error = chain(error), "Webhook acknowledged without effect");
            empty(StatusCode::OK)
        }
        Err(error @ ReceiveError::TooMany(_)) => {
            count_webhook(name, "too_many_events");
            tracing::error!(provider = name, error = chain(error), "Webhook refused");
            ApiError::new(ErrorCode::ValidationBodyTooLarge, error.to_string()).response(correlation)
        }
        Err(error @ (ReceiveError::NotConfigured(_) | ReceiveError::Queue(_))) => {
            count_webhook(name, "not_durable");
            ApiError::failure(ErrorCode::StorageUnavailable, error).response(correlation)
        }
    }
}
