//! Names of things: checked once, at the door, so that no key is ever built from an unchecked text.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};
use uuid::{Builder, Uuid};

use crate::{
    clock::Clock,
    entropy::{self, Entropy},
    provider::Provider,
};

/// Why a text is not an id of the wanted kind; the text itself is not repeated.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{kind} must be 1 to {max} characters of {alphabet}")]
pub struct InvalidId {
    /// What was wanted, in the words of the API.
    pub kind: &'static str,
    /// The greatest length.
    pub max: usize,
    /// The characters allowed, as a person reads them.
    pub alphabet: &'static str,
}

macro_rules! id {
    ($($(#[doc = $doc:literal])+ $name:ident = $kind:literal, $max:literal, $alphabet:literal, $allowed:expr;)+) => {$(
        $(#[doc = $doc])+
        #[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let allowed: fn(u8) -> bool = $allowed;
                if text.is_empty() || text.len() > $max || !text.bytes().all(allowed) {
                    return Err(InvalidId { kind: $kind, max: $max, alphabet: $alphabet });
                }
                Ok(Self(text.to_owned()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                // The alphabets are written as people read them, with blanks between the ranges.
                let pattern = format!("^[{}]{{1,{}}}$", $alphabet.replace(' ', ""), $max);
                let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern));
                text.description(Some(concat!($($doc),+).trim_ascii())).into()
            }
        }

        impl ToSchema for $name {}

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}

fn word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

id! {
    /// A customer of the product that runs Ledgerbridge; chosen by the product.
    TenantId = "tenantId", 64, "A-Z a-z 0-9 _ -", word;
    /// One OAuth grant of one tenant; `conn_` and a time-ordered id.
    ConnectionId = "connectionId", 64, "A-Z a-z 0-9 _ -", word;
    /// The books behind a connection, in our words: the provider's name, `_`, the provider's own id.
    CompanyId = "companyId", 64, "A-Z a-z 0-9 _ -", word;
    /// The provider's own id of the books: QuickBooks realm, Xero tenant, Zoho organization.
    ProviderCompanyId = "providerCompanyId", 48, "A-Z a-z 0-9 -", |b| b.is_ascii_alphanumeric() || b == b'-';
    /// The data centre that holds a grant, in Zoho's word for it; the other two providers have one each, without a name.
    Location = "location", 8, "a-z", |b| b.is_ascii_lowercase();
    /// The provider's own id of one object of the books.
    RecordId = "record id", 128, "A-Z a-z 0-9 . _ : -", |b| word(b) || b == b'.' || b == b':';
    /// One try to refresh one connection; time-ordered.
    AttemptId = "attempt id", 64, "A-Z a-z 0-9 _ -", word;
    /// One webhook request received.
    DeliveryId = "delivery id", 64, "A-Z a-z 0-9 _ -", word;
    /// One unit of sync work.
    JobId = "jobId", 64, "A-Z a-z 0-9 _ -", word;
    /// One entry of the audit log; time-ordered.
    AuditId = "audit id", 64, "A-Z a-z 0-9 _ -", word;
    /// What ties the log lines of one request together across functions and queues.
    CorrelationId = "X-Correlation-Id", 128, "A-Z a-z 0-9 . _ -", |b| word(b) || b == b'.';
    /// A person of a tenant's; chosen by the product, best as an id that names nobody.
    UserId = "userId", 64, "A-Z a-z 0-9 . _ -", |b| word(b) || b == b'.';
    /// The public part of an API key.
    ApiKeyId = "key id", 32, "A-Z a-z 0-9", |b| b.is_ascii_alphanumeric();
}

/// What the ids of entries of the audit log begin with.
const AUDIT_PREFIX: &str = "aud";

impl CompanyId {
    /// Our id of a provider's company: the same whenever it is connected, so that a reconnect finds its records again.
    #[must_use]
    pub fn of(provider: Provider, company: &ProviderCompanyId) -> Self {
        Self(format!("{provider}_{company}"))
    }

    /// The provider and its own id, when this is an id as [`of`](Self::of) makes them.
    #[must_use]
    pub fn parts(&self) -> Option<(Provider, ProviderCompanyId)> {
        let (provider, company) = self.0.split_once('_')?;
        Some((provider.parse().ok()?, company.parse().ok()?))
    }
}

impl JobId {
    /// The job of a walk that began at this moment, for one thing that it comes to: the same whenever the walk is told of,
    /// and in the order of time among all jobs.
    #[must_use]
    pub fn of_walk(started_at: Timestamp, thing: &str) -> Self {
        let millis = u64::try_from(started_at.as_millisecond()).unwrap_or_default();
        let digest = Sha256::digest(thing);
        let mut chance = [0; 10];
        chance.copy_from_slice(&digest[..10]);
        Self(format!("job_{}", Builder::from_unix_timestamp_millis(millis, &chance).into_uuid().simple()))
    }

    /// When the job was made, as its id says; none where the id was not made by [`Ids`] or [`Self::of_walk`].
    #[must_use]
    pub fn made_at(&self) -> Option<Timestamp> {
        time_in(self.0.strip_prefix("job_")?)
    }
}

impl AuditId {
    /// What sorts before every id that is made from this moment on, and behind all before.
    #[must_use]
    pub fn first_at(at: Timestamp) -> Self {
        Self(format!("{AUDIT_PREFIX}_{:012x}", at.as_millisecond().max(0)))
    }

    /// When the entry was made, as its id says; none where the id was not made by [`Ids`].
    #[must_use]
    pub fn made_at(&self) -> Option<Timestamp> {
        time_in(self.0.strip_prefix(AUDIT_PREFIX)?.strip_prefix('_')?)
    }
}

/// The time that a time-ordered id holds.
fn time_in(id: &str) -> Option<Timestamp> {
    let (seconds, nanos) = Uuid::try_parse(id).ok()?.get_timestamp()?.to_unix();
    Timestamp::new(i64::try_from(seconds).ok()?, i32::try_from(nanos).ok()?).ok()
}

/// Where new ids come from: sortable by time (UUID version 7, RFC 9562), so that lists by id are lists by age.
///
/// Ids name things and are shown freely; nothing secret may be made here.
#[derive(Clone, Copy)]
pub struct Ids<'a> {
    clock: &'a dyn Clock,
    entropy: &'a dyn Entropy,
}

impl<'a> Ids<'a> {
    /// Makes ids from this clock and this randomness.
    #[must_use]
    pub fn new(clock: &'a dyn Clock, entropy: &'a dyn Entropy) -> Self {
        Self { clock, entropy }
    }

    /// A new connection.
    #[must_use]
    pub fn connection(&self) -> ConnectionId {
        ConnectionId(self.prefixed("conn"))
    }

    /// A new attempt.
    #[must_use]
    pub fn attempt(&self) -> AttemptId {
        AttemptId(self.prefixed("att"))
    }

    /// A new delivery.
    #[must_use]
    pub fn delivery(&self) -> DeliveryId {
        DeliveryId(self.prefixed("dlv"))
    }

    /// A new job.
    #[must_use]
    pub fn job(&self) -> JobId {
        JobId(self.prefixed("job"))
    }

    /// A new entry of the audit log.
    #[must_use]
    pub fn audit(&self) -> AuditId {
        AuditId(self.prefixed(AUDIT_PREFIX))
    }

    /// A new correlation id.
    #[must_use]
    pub fn correlation(&self) -> CorrelationId {
        CorrelationId(self.prefixed("corr"))
    }

    /// A unique mark by which a conditional write knows itself again.
    #[must_use]
    pub fn write(&self) -> String {
        self.prefixed("w")
    }

    fn prefixed(self, prefix: &str) -> String {
        format!("{prefix}_{}", self.uuid().simple())
    }

    fn uuid(self) -> Uuid {
        let millis = u64::try_from(self.clock.now().as_millisecond()).unwrap_or_default();
        Builder::from_unix_timestamp_millis(millis, &entropy::bytes(self.entropy)).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_separator_can_never_enter_an_id() {
        for text in ["a#b", "a/b", "..", "a\0b", "", "ü", "a b", &"a".repeat(65), "\u{202e}abc"] {
            assert!(text.parse::<TenantId>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_is_made_before_a_moment_sorts_before_it() {
        let at = |ms| Timestamp::from_millisecond(ms).unwrap();
        let id = |uuid: &str| AuditId(format!("aud_{uuid}"));
        let made = id("019aa2c4e5b07e3c8f1d2a3b4c5d6e7f");
        let moment = made.made_at().unwrap().as_millisecond();

        assert!(AuditId::first_at(at(moment)).as_str() < made.as_str());
        assert!(AuditId::first_at(at(moment + 1)).as_str() > made.as_str());
        assert_eq!(id("anything").made_at(), None);
    }

    #[test]
    fn a_tenant_may_use_letters_digits_dash_and_underscore() {
        assert!("Acme_Corp-42".parse::<TenantId>().is_ok());
        assert!("a".repeat(64).parse::<TenantId>().is_ok());
    }

    #[test]
    fn a_refused_id_is_not_echoed() {
        let error = "secret#value".parse::<TenantId>().unwrap_err();

        assert_eq!(error.to_string(), "tenantId must be 1 to 64 characters of A-Z a-z 0-9 _ -");
    }
}
