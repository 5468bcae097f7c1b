//! The API key of a request.

use domain::api_key::PresentedKey;
use http::HeaderMap;

use crate::http::single;

/// The header that carries the API key: the only place where one is looked for.
pub const API_KEY_HEADER: &str = "x-api-key";

/// The key that a request presents, where it has the form of one of this deployment's and no typo.
#[must_use]
pub fn presented_key(headers: &HeaderMap, environment: &str) -> Option<PresentedKey> {
    single(headers, API_KEY_HEADER).and_then(|text| PresentedKey::parse(text, environment))
}
