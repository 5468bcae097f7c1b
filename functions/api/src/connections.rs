//! Connecting, and what is connected.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use domain::{
    api_key::Scope,
    connection::{Company, Connection, ConnectionState},
    error::ErrorCode,
    id::{CompanyId, ConnectionId, ProviderCompanyId, TenantId},
    provider::Provider,
};
use edge::http::ApiError;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Deps,
    call::{Call, Name, Outcome, Parameters, PublicUrl, Refusal},
    cursors::List,
    openapi::{FromCursor, OfTenant, OneConnection},
    tenancy::Within,
    tokens::MAX_LIMIT,
};

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConnectionBody {
    connection_id: ConnectionId,
    tenant_id: TenantId,
    provider: Provider,
    state: ConnectionState,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    scopes: Vec<String>,
    expires_at: Option<Timestamp>,
    created_at: Timestamp,
    /// Left out of lists, where it would cost a read each.
    #[serde(skip_serializing_if = "Option::is_none")]
    companies: Option<Vec<CompanyBody>>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ConnectionsBody {
    connections: Vec<ConnectionBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct CompanyBody {
    company_id: CompanyId,
    provider_company_id: ProviderCompanyId,
    name: String,
    /// Where a Zoho organization's webhooks are to go, for those who may change connections.
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook_url: Option<String>,
    /// What they are to be signed with.
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook_secret: Option<String>,
}

/// `GET /api/connections?tenantId=&limit=&cursor=`
#[utoipa::path(
    get,
    path = "/api/connections",
    params(
        OfTenant,
        ("limit" = Option<u32>, Query, description = "How many at most; 100 when left out", minimum = 1, maximum = 100),
        FromCursor,
    ),
    responses(
        (status = 200, description = "Connections, oldest first", body = ConnectionsBody),
        (status = 404, description = "The key is bound to another tenant"),
    ),
)]
pub(crate) async fn list(
    State(deps): State<Arc<Deps>>,
    Parameters(query): Parameters,
    call: Call,
) -> Outcome {
    let things = call.within(&deps, query.parsed("tenantId")?).await?;
    let limit = query.limit("limit", MAX_LIMIT, MAX_LIMIT)?;
    let list = List::of("connections").with("tenant", things.tenant_id().map(TenantId::as_str));
    let from = deps.cursors.open(&list, &query).await?;
    let page = things.connections(limit, from.as_deref()).await?;
    let connections = page.connections.into_iter().map(|connection| body(connection, None)).collect();
    let next_cursor = deps.cursors.seal(&list, page.next).await?;
    Ok(call.json(StatusCode::OK, &ConnectionsBody { connections, next_cursor }))
}

/// `GET /api/connections/{id}?tenantId=`
#[utoipa::path(
    get,
    path = "/api/connections/{connection}",
    params(OneConnection, OfTenant),
    responses(
        (status = 200, description = "The connection", body = ConnectionBody),
        (status = 404, description = "There is no such connection"),
    ),
)]
pub(crate) async fn show(
    State(deps): State<Arc<Deps>>,
    Name(id): Name,
    Parameters(query): Parameters,
    public_url: Result<PublicUrl, Refusal>,
    call: Call,
) -> Outcome {
    let things = call.within(&deps, query.parsed("tenantId")?).await?;
    let connection = find(&things, &id).await?;
    if connection.provider != Provider::Zoho || !call.caller.may(Scope::ConnectionsWrite) {
        return shown(&things, &call, StatusCode::OK, connection).await;
    }
    let PublicUrl(base) = public_url?;
    let addresses = deps.webhook_addresses.current().await;
    let addresses =
        addresses.map_err(|error| ApiError::failure(ErrorCode::WebhookSecretUnavailable, &error))?;
    let key = connection.key.clone();
    let told = |company: Company| {
        let address = addresses.issue(&key.connection, &company.provider_id);
        let url = |key| format!("{base}/webhooks/{}/{key}", Provider::Zoho);
        CompanyBody {
            webhook_secret: address.as_ref().map(|address| address.secret.expose().to_owned()),
            webhook_url: address.map(|address| url(address.company_key)),
            ..of_company(company)
        }
    };
    let companies = things.companies(&key).await?;
    let companies = companies.into_iter().map(told).collect();
    Ok(call.json(StatusCode::OK, &body(connection, Some(companies))))
}

/// The connection with this id, where the caller may see it.
pub(crate) async fn find(things: &Within<'_>, id: &str) -> Result<Connection, Refusal> {
    let id: ConnectionId = id.parse().map_err(|_| missing())?;
    Ok(things.connection(&id).await?.ok_or_else(missing)?)
}

/// A connection with its companies, as an answer.
pub(crate) async fn shown(
    things: &Within<'_>,
    call: &Call,
    status: StatusCode,
    connection: Connection,
) -> Outcome {
    let companies = things.companies(&connection.key).await?;
    let companies = companies.into_iter().map(of_company).collect();
    Ok(call.json(status, &body(connection, Some(companies))))
}

/// Nothing that the caller may see has this id.
pub(crate) fn missing() -> ApiError {
    ApiError::new(ErrorCode::ConnectionNotFound, "there is no such connection")
}

fn of_company(Company { id, provider_id, name }: Company) -> CompanyBody {
    CompanyBody {
        company_id: id,
        provider_company_id: provider_id,
        name,
        webhook_url: None,
        webhook_secret: None,
    }
}

fn body(connection: Connection, companies: Option<Vec<CompanyBody>>) -> ConnectionBody {
    ConnectionBody {
        connection_id: connection.key.connection,
        tenant_id: connection.key.tenant,
        provider: connection.provider,
        state: connection.state,
        reason: connection.reason,
        scopes: connection.scopes,
        expires_at: connection.tokens.map(|tokens| tokens.access_expires_at),
        created_at: connection.created_at,
        companies,
    }
}
