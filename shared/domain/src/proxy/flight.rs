//! Questions that are under way: the same one of somebody else is waited for, not sent again.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{ProxyAnswer, ProxyRequest, Target};
use crate::store::StoreError;

/// How long a flight that nobody ends is waited for: whoever asks is stopped before that.
pub const FLIGHT_LIFE: Duration = Duration::from_secs(30);
/// How long an answer is kept for those who wait for it; they look several times a second.
pub const LANDED_LIFE: Duration = Duration::from_mins(1);
/// The largest body that is shared, in bytes: an item of `DynamoDB` has 400 KB.
pub const SHARED_MAX: usize = 300 * 1024;

/// What one question is, of whom, about which company.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct FlightKey(String);

impl FlightKey {
    /// The same for the same question, and for no other.
    #[must_use]
    pub fn of(target: &Target, request: &ProxyRequest) -> Self {
        let path: Vec<_> = request.path.segments().collect();
        // The gateway hands over parameters in no order, and each name stands once.
        let mut query: Vec<_> = request.query.iter().collect();
        query.sort_unstable();
        let question = json!([
            target.key.tenant,
            target.key.connection,
            target.company,
            path,
            query,
            request.accept,
            request.content_type,
            request.if_modified_since,
        ]);
        Self(hex::encode(Sha256::digest(question.to_string())))
    }

    /// The key as text: 64 hexadecimal digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What came of beginning a flight.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Begun {
    /// Nobody asks this now.
    Mine,
    /// Somebody does, and leaves the answer behind under this name.
    Theirs {
        /// The name.
        name: String,
    },
}

/// What somebody who was waited for left behind.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Landed {
    /// The answer; none where there is none that can be shared.
    pub answer: Option<ProxyAnswer>,
}

/// Where flights are known to all.
#[async_trait]
pub trait Flights: Send + Sync {
    /// Begins a flight under a name that nobody else has, or marks the one that is under way as waited for; one that is past
    /// its time is under way no more.
    async fn begin(
        &self,
        key: &FlightKey,
        name: &str,
        (now, until): (Timestamp, Timestamp),
    ) -> Result<Begun, StoreError>;

    /// Ends one's own flight. Only where somebody waits is the answer left behind, until a time.
    async fn land(
        &self,
        key: &FlightKey,
        (name, answer): (&str, Option<&ProxyAnswer>),
        until: Timestamp,
    ) -> Result<(), StoreError>;

    /// What a flight left behind, once it has ended.
    async fn find(&self, key: &FlightKey, name: &str) -> Result<Option<Landed>, StoreError>;
}
