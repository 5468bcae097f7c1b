//! Who calls the API: the key check.

use domain::{
    api_key::{ApiKeyStore, PresentedKey},
    caller::Caller,
    error::ErrorCode,
};
use http::HeaderMap;
use jiff::Timestamp;

use crate::http::{ApiError, single};

/// The header that carries the API key.
pub const API_KEY_HEADER: &str = "x-api-key";

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
    found.and_then(|key| Caller::authenticated(&presented, &key, now)).ok_or_else(refused)
}
