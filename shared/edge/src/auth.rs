//! Who calls the API: the key check, and what it entitles to.

use domain::{
    api_key::{ApiKeyStore, PresentedKey, Scope},
    error::ErrorCode,
    id::{ApiKeyId, TenantId},
};
use http::HeaderMap;
use jiff::Timestamp;

use crate::http::{ApiError, single};

/// The header that carries the API key.
pub const API_KEY_HEADER: &str = "x-api-key";

/// An authenticated caller: only [`authenticate`] makes one.
#[derive(Clone, Debug)]
pub struct Caller {
    key: ApiKeyId,
    scopes: Vec<Scope>,
    tenant: Option<TenantId>,
}

/// Checks the API key of a request; every way to fail gives the same answer.
pub async fn authenticate(
    headers: &HeaderMap,
    keys: &dyn ApiKeyStore,
    environment: &str,
    now: Timestamp,
) -> Result<Caller, ApiError> {
    let refused =
        || ApiError::new(ErrorCode::AuthApiKeyInvalid, "send a valid API key in the header X-API-Key");
    let presented = single(headers, API_KEY_HEADER).and_then(|text| PresentedKey::parse(text, environment));
    let presented = presented.ok_or_else(refused)?;
    let found = keys.find(&presented.id).await;
    let found = found.map_err(|error| ApiError::failure(ErrorCode::StorageUnavailable, &error))?;
    let key = found.filter(|key| presented.opens(key, now)).ok_or_else(refused)?;
    Ok(Caller { key: key.id, scopes: key.scopes, tenant: key.tenant })
}

impl Caller {
    /// The public part of the caller's key, for logs and audit.
    #[must_use]
    pub fn key(&self) -> &ApiKeyId {
        &self.key
    }

    /// Refuses a caller whose key lacks `scope`.
    pub fn require(&self, scope: Scope) -> Result<(), ApiError> {
        if self.scopes.contains(&scope) {
            return Ok(());
        }
        let message = format!("the API key lacks the scope {}", scope.as_str());
        Err(ApiError::new(ErrorCode::AuthScopeMissing, message).with("scope", scope.as_str()))
    }

    /// The tenant a caller's key is bound to.
    #[must_use]
    pub fn bound_to(&self) -> Option<&TenantId> {
        self.tenant.as_ref()
    }

    /// Whether the caller may see things of `tenant`; where not, they do not exist for it.
    fn may_see(&self, tenant: &TenantId) -> bool {
        self.tenant.as_ref().is_none_or(|bound| bound == tenant)
    }

    /// The tenant a request is about: the one it names, which must be the key's own where the key is bound; or the key's.
    pub fn tenant(&self, named: Option<TenantId>) -> Result<Option<TenantId>, ApiError> {
        match named {
            Some(named) if !self.may_see(&named) => {
                Err(ApiError::new(ErrorCode::TenantNotFound, "there is no such tenant"))
            }
            Some(named) => Ok(Some(named)),
            None => Ok(self.tenant.clone()),
        }
    }
}
