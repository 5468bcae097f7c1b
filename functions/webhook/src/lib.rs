//! The `webhook` function: verifies, makes durable, acknowledges. One AWS call, no table, no key.

mod answer;
mod config;

use std::sync::Arc;

use domain::{
    clock::{Clock, SystemClock},
    entropy::{Entropy, SystemEntropy},
    error::ErrorCode,
    id::{CorrelationId, Ids},
    provider::Provider,
    webhook::{Accepted, ReceiveError, SentTo, WebhookReceiver, WebhookRequest, WebhookSecrets},
};
use edge::{
    http::{ApiError, correlation, single},
    live_secrets::{LiveSecrets, SecretSource},
    telemetry::count_webhook,
};
use lambda_http::{
    Request, RequestExt as _, Response,
    http::{HeaderMap, Method, header},
};

pub use config::{Config, secrets};

/// What the function works with.
pub struct Deps {
    /// Receives webhooks.
    pub receiver: WebhookReceiver,
    /// What they are verified with.
    pub secrets: LiveSecrets<WebhookSecrets>,
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
    let queue = Arc::new(aws::SqsEventQueue::new(
        aws::clients::sqs_within(sdk, config.send_timeout),
        config.events_queue_url,
    ));
    let source = config.secrets_id.map(|id| (SecretSource { sdk: sdk.clone(), id }, secrets as _));
    Deps {
        receiver: WebhookReceiver::new(queue, clock.clone(), entropy.clone()),
        secrets: LiveSecrets::new(config.secrets, source, clock.clone()),
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
    let Some(to) = sent_to(request.raw_http_path()) else {
        count_webhook("unknown", "unknown_provider");
        return ApiError::new(ErrorCode::ProviderUnknown, "there is no such webhook address")
            .response(correlation);
    };
    let provider = to.provider();
    if let Err(error) = acceptable(request) {
        count_webhook(provider.as_str(), "refused");
        return error.response(correlation);
    }
    let webhook = WebhookRequest {
        to,
        query: query(request),
        is_form: is_form(request.headers()),
        body: request.body().as_ref(),
        signature: single(request.headers(), signature_header(provider)),
    };
    let received = receive(deps, &webhook, correlation).await;
    if let Err(Failure::Receive(ReceiveError::Refused(reason))) = &received {
        deps.receiver.count_refused(provider, *reason);
    }
    answer::answer(provider, &received, correlation)
}

/// Why a webhook is not acknowledged.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Receive(#[from] ReceiveError),
    #[error(transparent)]
    Secrets(#[from] edge::live_secrets::SecretsTooOld),
}

/// Receives a webhook under the secrets at hand, or under newer ones where those do not verify it: the provider may have
/// been given another meanwhile.
async fn receive(
    deps: &Deps,
    webhook: &WebhookRequest<'_>,
    correlation: &CorrelationId,
) -> Result<Accepted, Failure> {
    let secrets = deps.secrets.current().await?;
    let verified = match webhook.verify(&secrets) {
        Err(error) if error.may_be_rotation() => match deps.secrets.newer(&secrets).await {
            Some(newer) => webhook.verify(&newer),
            None => Err(error),
        },
        verified => verified,
    };
    Ok(deps.receiver.receive(&verified?, correlation).await?)
}

/// What `/webhooks/{provider}` and `/webhooks/zoho/{companyKey}` stand for.
fn sent_to(path: &str) -> Option<SentTo<'_>> {
    match path.strip_prefix("/webhooks/")? {
        "quickbooks" => Some(SentTo::QuickBooks),
        "xero" => Some(SentTo::Xero),
        other => other.strip_prefix("zoho/").filter(|key| !key.is_empty()).map(SentTo::Zoho),
    }
}

fn signature_header(provider: Provider) -> &'static str {
    match provider {
        Provider::QuickBooks => "intuit-signature",
        Provider::Xero => "x-xero-signature",
        Provider::Zoho => "x-zoho-webhook-signature",
    }
}

/// The parameters of the address, as the gateway decoded them.
fn query(request: &Request) -> Vec<(String, String)> {
    let parameters = request.query_string_parameters_ref();
    let pairs = parameters.into_iter().flat_map(|parameters| parameters.iter());
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = single(headers, header::CONTENT_TYPE.as_str()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
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
    Ok(())
}

fn is_encoded(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"))
}
