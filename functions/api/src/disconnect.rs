//! Ending a connection, or one company of it; the work is done by the one function that may revoke.

use std::{sync::Arc, time::Duration};

use axum::{extract::State, http::StatusCode};
use domain::{
    connection::{Company, Connection, ConnectionState},
    error::ErrorCode,
    id::CompanyId,
    refresh::{DisconnectAnswer, DisconnectMessage, DisconnectResult, FailureClass},
};
use edge::http::ApiError;

use crate::{
    Deps,
    call::{Call, Name, Outcome, Parameters, PublicUrl, Refusal, located},
    connections::{ConnectionBody, find, missing, shown},
    openapi::{OfTenant, OneConnection},
    tenancy::Within,
};

/// How long a caller waits; below the gateway's 29 seconds.
const WAIT: Duration = Duration::from_secs(20);

/// `DELETE /api/connections/{id}?tenantId=&companyId=`: 200 when it has ended, also before; 202 while the provider does not
/// answer, which is then tried until it does.
#[utoipa::path(
    delete,
    path = "/api/connections/{connection}",
    params(
        OneConnection,
        OfTenant,
        ("companyId" = Option<String>, Query, description = "Only this company of several, by our id or the provider's", pattern = "^[A-Za-z0-9_-]{1,64}$"),
    ),
    responses(
        (status = 200, description = "It has ended, now or before", body = ConnectionBody),
        (status = 202, description = "It is ending: nobody is given its tokens any more, and the provider is asked until it answers", body = ConnectionBody),
        (status = 404, description = "There is no such connection"),
        (status = 502, description = "The provider did not let the one company go"),
    ),
)]
pub(crate) async fn disconnect(
    State(deps): State<Arc<Deps>>,
    PublicUrl(public_url): PublicUrl,
    Name(id): Name,
    Parameters(query): Parameters,
    call: Call,
) -> Outcome {
    let things = call.within(&deps, query.parsed("tenantId")?).await?;
    let connection = find(&things, &id).await?;
    let company = match query.get("companyId") {
        None => None,
        Some(named) => match company(&things, &connection, named).await? {
            Some(company) => Some(company),
            // It was taken off before.
            None => return shown(&things, &call, StatusCode::OK, connection).await,
        },
    };
    if connection.state == ConnectionState::Disconnected {
        return shown(&things, &call, StatusCode::OK, connection).await;
    }
    let message = DisconnectMessage {
        company_id: company,
        actor: Some(call.caller.key().clone()),
        correlation_id: Some(call.correlation.clone()),
        ..DisconnectMessage::of(connection.key.clone())
    };
    let answer = deps.refresh.disconnect(&message, WAIT).await?;
    match answer.as_ref().map(|answer| answer.result) {
        Some(DisconnectResult::Missing) => return Err(missing().into()),
        Some(DisconnectResult::CompanyKept) => return Err(kept(answer.as_ref()).into()),
        _ => {}
    }
    // What is stored now is what is answered for: a request that was never taken up is not acknowledged.
    let is_company = answer.is_some_and(|answer| answer.result == DisconnectResult::CompanyRemoved);
    let connection = things.connection_of(&connection.key).await?.ok_or_else(missing)?;
    match connection.state {
        ConnectionState::Disconnected => shown(&things, &call, StatusCode::OK, connection).await,
        _ if is_company => shown(&things, &call, StatusCode::OK, connection).await,
        ConnectionState::Disconnecting => {
            let status_url = format!("{public_url}/api/connections/{}", connection.key.connection);
            Ok(located(shown(&things, &call, StatusCode::ACCEPTED, connection).await?, &status_url))
        }
        _ => {
            let message = "the connection is not ended yet; try again";
            Err(ApiError::new(ErrorCode::StorageUnavailable, message).into())
        }
    }
}

/// The company of the connection with this id, ours or the provider's; none where it was one before.
async fn company(
    things: &Within<'_>,
    connection: &Connection,
    named: &str,
) -> Result<Option<CompanyId>, Refusal> {
    let companies = things.companies(&connection.key).await?;
    let is_meant = |company: &&Company| company.id.as_str() == named || company.provider_id.as_str() == named;
    if let Some(company) = companies.iter().find(is_meant) {
        return Ok(Some(company.id.clone()));
    }
    let provider = connection.provider;
    let ours = named.parse::<CompanyId>().ok().and_then(|id| id.parts());
    let id = ours.filter(|(of, _)| *of == provider).map(|(_, id)| id).or_else(|| named.parse().ok());
    if let Some(id) = id {
        let routes = things.routes(provider, &id).await?;
        if routes.iter().any(|route| route.key == connection.key) {
            return Ok(None);
        }
    }
    let message = "companyId is none of the companies of this connection";
    Err(ApiError::invalid("companyId", message).into())
}

/// One company of several stays, since the provider did not let it go.
fn kept(answer: Option<&DisconnectAnswer>) -> ApiError {
    let class = answer.and_then(|answer| answer.error_class.as_deref());
    let code = if class == Some(FailureClass::Configuration.as_str()) {
        ErrorCode::ProviderAuthError
    } else {
        ErrorCode::ProviderApiError
    };
    ApiError::new(code, "the provider did not let the company go; it is still connected, try again")
}
