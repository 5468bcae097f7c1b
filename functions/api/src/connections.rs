//! Connecting, and what is connected.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use domain::{
    api_key::Scope,
    authorization::{SessionRequest, open_session as open},
    connection::{Company, Connection, ConnectionKey, ConnectionState},
    error::ErrorCode,
    id::{CompanyId, ConnectionId, ProviderCompanyId, TenantId},
    provider::Provider,
};
use edge::http::ApiError;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    Deps,
    call::{Call, JsonBody, Name, Outcome, Parameters, PublicUrl},
    tokens::MAX_LIMIT,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewSession {
    tenant_id: TenantId,
    /// The only one that is configured when left out.
    provider: Option<Provider>,
    return_url: Option<String>,
    sync: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SessionBody {
    connect_url: String,
    expires_at: Timestamp,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ConnectionBody {
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

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ConnectionsBody {
    connections: Vec<ConnectionBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CompanyBody {
    company_id: CompanyId,
    provider_company_id: ProviderCompanyId,
    name: String,
}

/// `POST /api/connect-sessions`
pub(crate) async fn open_session(
    State(deps): State<Arc<Deps>>,
    PublicUrl(public_url): PublicUrl,
    call: Call,
    JsonBody(new): JsonBody<NewSession>,
) -> Outcome {
    call.caller.require(Scope::ConnectionsWrite)?;
    call.caller.tenant(Some(new.tenant_id.clone()))?;
    if deps.tenants.find(&new.tenant_id).await?.is_none() {
        return Err(ApiError::new(ErrorCode::TenantNotFound, "there is no such tenant; make it first").into());
    }
    let provider = new.provider.unwrap_or(Provider::QuickBooks);
    if provider != Provider::QuickBooks {
        let error = ApiError::new(ErrorCode::ProviderUnknown, "this provider is not configured here");
        return Err(error.with("providers", vec!["quickbooks"]).into());
    }
    // Exact matches only: a prefix or pattern would let a browser be sent to a stranger's page.
    if new.return_url.as_ref().is_some_and(|url| !deps.return_urls.contains(url)) {
        let message = "returnUrl is not one of the addresses configured in RETURN_URLS";
        return Err(ApiError::invalid("returnUrl", message).into());
    }
    let NewSession { tenant_id: tenant, return_url, sync, .. } = new;
    let request = SessionRequest { tenant, provider, return_url, sync: sync.unwrap_or(true) };
    let (code, expires_at) = open(&*deps.authorizations, &*deps.entropy, deps.clock.now(), request).await?;
    let connect_url = format!("{public_url}/auth/{provider}/connect?session={}", code.expose());
    Ok(call.json(StatusCode::CREATED, &SessionBody { connect_url, expires_at }))
}

/// `GET /api/connections?tenantId=&limit=&cursor=`
pub(crate) async fn list(
    State(deps): State<Arc<Deps>>,
    Parameters(query): Parameters,
    call: Call,
) -> Outcome {
    call.caller.require(Scope::ConnectionsRead)?;
    let tenant = call.caller.tenant(query.parsed("tenantId")?)?;
    let limit = query.limit("limit", MAX_LIMIT, MAX_LIMIT)?;
    let page = deps.connections.list(tenant.as_ref(), limit, query.get("cursor")).await?;
    let connections = page.connections.into_iter().map(|connection| body(connection, None)).collect();
    Ok(call.json(StatusCode::OK, &ConnectionsBody { connections, next_cursor: page.next }))
}

/// `GET /api/connections/{id}?tenantId=`
pub(crate) async fn show(
    State(deps): State<Arc<Deps>>,
    Name(id): Name,
    Parameters(query): Parameters,
    call: Call,
) -> Outcome {
    call.caller.require(Scope::ConnectionsRead)?;
    let missing = || ApiError::new(ErrorCode::ConnectionNotFound, "there is no such connection");
    let id: ConnectionId = id.parse().map_err(|_| missing())?;
    // Where the tenant is known the connection is found the moment it is made; by its id alone a moment later.
    let key = match call.caller.tenant(query.parsed("tenantId")?)? {
        Some(tenant) => ConnectionKey { tenant, connection: id },
        None => deps.connections.find_key(&id).await?.ok_or_else(missing)?,
    };
    let connection = deps.connections.find(&key).await?.ok_or_else(missing)?;
    let companies = deps.connections.list_companies(&key).await?;
    Ok(call.json(StatusCode::OK, &body(connection, Some(companies))))
}

fn body(connection: Connection, companies: Option<Vec<Company>>) -> ConnectionBody {
    let company = |Company { id, provider_id, name }| CompanyBody {
        company_id: id,
        provider_company_id: provider_id,
        name,
    };
    ConnectionBody {
        connection_id: connection.key.connection,
        tenant_id: connection.key.tenant,
        provider: connection.provider,
        state: connection.state,
        reason: connection.reason,
        scopes: connection.scopes,
        expires_at: connection.tokens.map(|tokens| tokens.access_expires_at),
        created_at: connection.created_at,
        companies: companies.map(|companies| companies.into_iter().map(company).collect()),
    }
}
