//! The log of webhook deliveries.

use std::{cmp::Reverse, sync::Arc};

use axum::{extract::State, http::StatusCode};
use domain::{
    error::ErrorCode,
    id::{CorrelationId, DeliveryId},
    provider::Provider,
    store::StoreError,
    webhook::{Delivery, DeliveryQuery, DeliveryStatus, Refused, RefusedOnDay, Tally, Unreadable},
};
use edge::http::ApiError;
use jiff::{Timestamp, civil::Date};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Deps,
    call::{Call, Name, Outcome, Parameters},
    cursors::List,
    openapi::FromCursor,
    tokens::MAX_LIMIT,
};

/// Deliveries of one answer unless asked otherwise.
const DEFAULT_LIMIT: u32 = 20;
/// What these routes are about, as a bound key is told why it is refused.
const THINGS: &str = "deliveries";

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct DeliveriesBody {
    deliveries: Vec<DeliveryBody>,
    /// With the newest deliveries only.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<Vec<RefusedBody>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct DeliveryBody {
    delivery_id: DeliveryId,
    provider: Provider,
    status: DeliveryStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    received_at: Timestamp,
    /// Missing while events are still to have their effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    processed_at: Option<Timestamp>,
    correlation_id: CorrelationId,
    events: EventsBody,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<KeptBody>,
}

#[derive(Serialize, ToSchema)]
struct EventsBody {
    total: u64,
    #[serde(flatten)]
    tally: Tally,
}

/// The beginning of a body that could not be read.
#[derive(Serialize, ToSchema)]
struct KeptBody {
    base64: String,
    size: u64,
    reason: String,
}

#[derive(Serialize, ToSchema)]
struct RefusedBody {
    day: Date,
    #[serde(flatten)]
    refused: Refused,
}

/// `GET /api/webhooks/deliveries?provider=&status=&limit=&cursor=`
#[utoipa::path(
    get,
    path = "/api/webhooks/deliveries",
    params(
        ("provider" = Option<Provider>, Query, description = "Only this provider's"),
        ("status" = Option<DeliveryStatus>, Query, description = "Only those that stand so"),
        ("limit" = Option<u32>, Query, description = "How many at most; 20 when left out", minimum = 1, maximum = 100),
        FromCursor,
    ),
    responses(
        (status = 200, description = "Webhook deliveries, newest first", body = DeliveriesBody),
    ),
)]
pub(crate) async fn list(
    State(deps): State<Arc<Deps>>,
    Parameters(query): Parameters,
    call: Call,
) -> Outcome {
    call.require_all_tenants(THINGS)?;
    let wanted = DeliveryQuery { provider: query.parsed("provider")?, status: query.parsed("status")? };
    let limit = query.limit("limit", DEFAULT_LIMIT, MAX_LIMIT)?;
    let list =
        List::of("deliveries").with("provider", query.get("provider")).with("status", query.get("status"));
    let from = deps.cursors.open(&list, &query).await?;
    let page = deps.deliveries.list(wanted, limit, from.as_deref()).await?;
    let is_about_refused = matches!(wanted.status, None | Some(DeliveryStatus::Rejected));
    let refused = match from {
        None if is_about_refused => Some(refused(&deps, wanted.provider).await?),
        _ => None,
    };
    let deliveries = page.deliveries.into_iter().map(|delivery| body(delivery).without_kept()).collect();
    let next_cursor = deps.cursors.seal(&list, page.next).await?;
    Ok(call.json(StatusCode::OK, &DeliveriesBody { deliveries, refused, next_cursor }))
}

/// `GET /api/webhooks/deliveries/{deliveryId}`
#[utoipa::path(
    get,
    path = "/api/webhooks/deliveries/{delivery}",
    params(
        ("delivery" = DeliveryId, Path, description = "The delivery's id"),
    ),
    responses(
        (status = 200, description = "The delivery", body = DeliveryBody),
        (status = 404, description = "There is no such delivery"),
    ),
)]
pub(crate) async fn show(State(deps): State<Arc<Deps>>, Name(id): Name, call: Call) -> Outcome {
    call.require_all_tenants(THINGS)?;
    let missing = || ApiError::new(ErrorCode::ValidationNotFound, "there is no such delivery");
    let id = id.parse().map_err(|_| missing())?;
    let delivery = deps.deliveries.find(&id).await?.ok_or_else(missing)?;
    Ok(call.json(StatusCode::OK, &body(delivery)))
}

async fn refused(deps: &Deps, provider: Option<Provider>) -> Result<Vec<RefusedBody>, StoreError> {
    let providers = Provider::ALL.into_iter().filter(|one| provider.is_none_or(|wanted| *one == wanted));
    let mut found = Vec::new();
    for provider in providers {
        found.extend(deps.deliveries.list_refused(provider).await?);
    }
    found.sort_by_key(|on_day| Reverse(on_day.day));
    Ok(found.into_iter().map(|RefusedOnDay { day, refused }| RefusedBody { day, refused }).collect())
}

impl DeliveryBody {
    /// As lists show it.
    fn without_kept(self) -> Self {
        Self { body: None, ..self }
    }
}

fn body(delivery: Delivery) -> DeliveryBody {
    let status = delivery.status();
    let kept = |Unreadable { body, size, reason }| KeptBody { base64: body, size, reason };
    DeliveryBody {
        delivery_id: delivery.id,
        provider: delivery.provider,
        status,
        reason: delivery.reason,
        received_at: delivery.received_at,
        processed_at: (status != DeliveryStatus::Enqueued).then_some(delivery.noted_at),
        correlation_id: delivery.correlation,
        events: EventsBody { total: delivery.tally.total(), tally: delivery.tally },
        body: delivery.unreadable.map(kept),
    }
}
