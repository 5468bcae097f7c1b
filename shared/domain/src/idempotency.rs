//! Requests that their callers name, so that one name never stands for two different requests.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{id::ApiKeyId, proxy::RequestKey, store::StoreError};

/// How long a name stands for its request: longer than any caller keeps repeating one.
pub const NAME_KEPT: Duration = Duration::from_hours(24);

/// A request and the name that its caller gave it, both as digests.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NamedRequest {
    /// The name, among those of the same API key.
    pub name: String,
    /// What is asked for.
    pub request: String,
}

impl NamedRequest {
    /// What `caller` asks for under the name `key`.
    #[must_use]
    pub fn new(caller: &ApiKeyId, key: &RequestKey, request: &Value) -> Self {
        let digest = |value: &Value| hex::encode(Sha256::digest(value.to_string()));
        Self { name: digest(&json!([caller.as_str(), key.as_str()])), request: digest(request) }
    }
}

/// Where names of requests are kept.
#[async_trait]
pub trait RequestNames: Send + Sync {
    /// Gives the name to the request until a time; false where it stands for another at `now`.
    async fn take(
        &self,
        named: &NamedRequest,
        (now, until): (Timestamp, Timestamp),
    ) -> Result<bool, StoreError>;
}
