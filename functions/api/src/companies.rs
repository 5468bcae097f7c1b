//! Which company a request means.

use domain::{
    connection::{ConnectionKey, Route},
    error::ErrorCode,
    id::{CompanyId, ProviderCompanyId},
    provider::Provider,
};
use edge::http::ApiError;

use crate::{
    call::Refusal,
    tenancy::Within,
    tokens::{connections, has_grant, parse_provider},
};

/// A company, and the connection that it is reached by.
#[derive(Clone, Debug)]
pub(crate) struct Meant {
    pub(crate) key: ConnectionKey,
    pub(crate) company: CompanyId,
}

/// The company with this id: ours or the provider's is understood, and the tenant must be named only where several share
/// the company.
pub(crate) async fn with_id(
    things: &Within<'_>,
    provider: Option<Provider>,
    company: &str,
) -> Result<Meant, Refusal> {
    let ours = company.parse::<CompanyId>().ok().and_then(|id| id.parts());
    let mut candidates: Vec<(Provider, ProviderCompanyId)> = match (ours, company.parse()) {
        (Some(parts), _) => vec![parts],
        (None, Ok(id)) => {
            Provider::ALL.into_iter().map(|provider| (provider, ProviderCompanyId::clone(&id))).collect()
        }
        // It could be one of ours, and is not.
        (None, Err(_)) if company.parse::<CompanyId>().is_ok() => vec![],
        (None, Err(error)) => return Err(ApiError::invalid("companyId", error.to_string()).into()),
    };
    candidates.retain(|(candidate, _)| provider.is_none_or(|provider| provider == *candidate));
    for (provider, id) in candidates {
        let mut routes = things.routes(provider, &id).await?;
        match (routes.pop(), routes.is_empty()) {
            (None, _) => {}
            (Some(Route { key, company, .. }), true) => return Ok(Meant { key, company }),
            (Some(_), false) => {
                let message = "several tenants are connected to this company; name one as tenantId";
                return Err(ApiError::new(ErrorCode::ConnectionAmbiguous, message).into());
            }
        }
    }
    Err(missing("there is no such company").into())
}

/// The one company that a tenant has at a provider.
async fn only_one(things: &Within<'_>, provider: Provider) -> Result<Meant, Refusal> {
    let mut meant = vec![];
    for connection in connections(things, provider).await?.into_iter().filter(has_grant) {
        let companies = things.companies(&connection.key).await?;
        let key = connection.key;
        meant.extend(companies.into_iter().map(|company| Meant { key: key.clone(), company: company.id }));
    }
    only(meant, "the tenant has no company at this provider")
}

/// The one of several companies; where there are more, the answer lists them.
pub(crate) fn only(mut meant: Vec<Meant>, none: &str) -> Result<Meant, Refusal> {
    match (meant.pop(), meant.as_slice()) {
        (None, _) => Err(missing(none).into()),
        (Some(one), []) => Ok(one),
        (Some(last), others) => {
            let ids = others.iter().chain([&last]).map(|meant| meant.company.to_string());
            let error = ApiError::new(
                ErrorCode::ConnectionAmbiguous,
                "there are several companies; name one as companyId",
            );
            Err(error.with("companyIds", ids.collect::<Vec<_>>()).into())
        }
    }
}

/// The company that a body names by its provider, and by its id or not at all.
pub(crate) async fn named(
    things: &Within<'_>,
    (provider, company): (&str, Option<&str>),
) -> Result<Meant, Refusal> {
    let provider = parse_provider(provider)?;
    match (company, things.tenant_id()) {
        (Some(company), _) => with_id(things, Some(provider), company).await,
        (None, Some(_)) => only_one(things, provider).await,
        (None, None) => {
            Err(ApiError::invalid("tenantId", "name a tenant as tenantId, or a companyId").into())
        }
    }
}

fn missing(message: &str) -> ApiError {
    ApiError::new(ErrorCode::ConnectionNotFound, message).with("field", "companyId")
}
