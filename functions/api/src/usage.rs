//! What a tenant used, and what of its plan is left.

use std::{collections::BTreeMap, sync::Arc};

use axum::{extract::State, http::StatusCode};
use domain::{
    call_counts::Month,
    id::TenantId,
    limits::{USAGE_KEPT_DAYS, Usage},
    provider::Provider,
    tenant::Tenant,
};
use edge::{http::ApiError, query::Query};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Deps,
    call::{Call, Outcome, Parameters, Refusal},
    tenancy::Within,
    tenants::missing,
};

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct UsageBody {
    tenant_id: TenantId,
    from: Date,
    to: Date,
    /// Days and providers without any are left out.
    days: Vec<DayBody>,
    /// The same by calendar month, as far as it is within the days asked for.
    months: Vec<MonthBody>,
    totals: Used,
    quotas: Quotas,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct DayBody {
    day: Date,
    provider: Provider,
    #[serde(flatten)]
    used: Used,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct MonthBody {
    /// As `2026-11`.
    month: String,
    provider: Provider,
    #[serde(flatten)]
    used: Used,
}

/// Requests to providers.
#[derive(Clone, Copy, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Used {
    /// How many.
    calls: u64,
    /// Bytes of answers.
    bytes: u64,
}

impl Used {
    fn add(&mut self, usage: Usage) {
        self.calls = self.calls.saturating_add(usage.calls);
        self.bytes = self.bytes.saturating_add(usage.bytes);
    }
}

/// What the tenant's plan allows; without a limit there is none.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Quotas {
    api_calls_per_month: QuotaBody,
    integrations: QuotaBody,
    users: QuotaBody,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct QuotaBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u64>,
    used: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    resets_at: Option<Timestamp>,
}

/// `GET /api/usage?tenantId=&from=&to=`
#[utoipa::path(
    get,
    path = "/api/usage",
    params(
        ("tenantId" = Option<TenantId>, Query, description = "Whose; a key that is bound to a tenant may leave it out"),
        ("from" = Option<Date>, Query, description = "The first day (UTC); the first of the month of `to` if left out"),
        ("to" = Option<Date>, Query, description = "The last day (UTC), at most 399 after the first; today if left out"),
    ),
    responses(
        (status = 200, description = "What the tenant used, by day and by month, and what its plan allows", body = UsageBody),
        (status = 404, description = "There is no such tenant"),
    ),
)]
pub(crate) async fn show(
    State(deps): State<Arc<Deps>>,
    Parameters(query): Parameters,
    call: Call,
) -> Outcome {
    let things = call.administers(&deps, query.parsed("tenantId")?).await?;
    let unnamed = || ApiError::invalid("tenantId", "name a tenant as tenantId");
    let id = things.tenant_id().ok_or_else(unnamed)?.clone();
    let now = deps.clock.now();
    let (from, to) = days(&query, now)?;
    let tenant = things.tenant(&id).await?.ok_or_else(missing)?;
    let used = things.usage(&id, (from, to)).await?;
    let quotas = quotas(&things, &tenant, now).await?;
    let mut months: BTreeMap<(String, Provider), Used> = BTreeMap::new();
    let mut totals = Used::default();
    for (day, provider, usage) in &used {
        months.entry((Month::of_day(*day).to_string(), *provider)).or_default().add(*usage);
        totals.add(*usage);
    }
    let day = |(day, provider, Usage { calls, bytes }): (Date, Provider, Usage)| {
        let used = Used { calls, bytes };
        DayBody { day, provider, used }
    };
    let month = |((month, provider), used): ((String, Provider), Used)| MonthBody { month, provider, used };
    let body = UsageBody {
        tenant_id: id,
        from,
        to,
        days: used.into_iter().map(day).collect(),
        months: months.into_iter().map(month).collect(),
        totals,
        quotas,
    };
    Ok(call.json(StatusCode::OK, &body))
}

/// The days that are asked for.
fn days(query: &Query, now: Timestamp) -> Result<(Date, Date), ApiError> {
    let today = TimeZone::UTC.to_datetime(now).date();
    let to = day(query, "to")?.unwrap_or(today);
    let from = day(query, "from")?.unwrap_or_else(|| to.first_of_month());
    let apart = to.duration_since(from).as_hours() / 24;
    if (0..i64::from(USAGE_KEPT_DAYS)).contains(&apart) {
        return Ok((from, to));
    }
    let message = format!("to must not be before from, and the days must be at most {USAGE_KEPT_DAYS}");
    Err(ApiError::invalid("from", message).with("max", USAGE_KEPT_DAYS))
}

/// A day in the one form in which answers have it.
fn day(query: &Query, name: &str) -> Result<Option<Date>, ApiError> {
    let Some(text) = query.get(name) else { return Ok(None) };
    let day = text.parse::<Date>().ok().filter(|day| day.to_string() == text);
    let wrong = || ApiError::invalid(name, format!("{name} must be a day such as 2026-11-21"));
    day.map(Some).ok_or_else(wrong)
}

/// What of the tenant's plan is used now.
async fn quotas(things: &Within<'_>, tenant: &Tenant, now: Timestamp) -> Result<Quotas, Refusal> {
    let month = Month::of(now);
    let limits = &tenant.limits;
    let lasting = |limit, used| QuotaBody { limit, used, resets_at: None };
    let calls = things.calls(&tenant.id, month).await?;
    Ok(Quotas {
        api_calls_per_month: QuotaBody {
            limit: limits.api_calls_per_month,
            used: calls,
            resets_at: Some(month.ends_at()),
        },
        integrations: lasting(limits.integrations, things.live_connections(&tenant.id).await?),
        users: lasting(limits.users, things.count_users(&tenant.id).await?),
    })
}
