//! Subscriptions: whether a provider still sends us anything.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{
    id::{CompanyId, ProviderCompanyId},
    provider::Provider,
    store::StoreError,
};

/// What was heard is noted this long after the note before: silence is measured in days.
pub const HEARD_NOTED: Duration = Duration::from_mins(30);
/// Changes that no webhook told of, and this long without any webhook, mean that the subscription is off: Xero disables
/// one after 24 hours of failures, Intuit sends the next try within 6.
pub const SILENCE: Duration = Duration::from_hours(24);
/// A silent subscription is reported once in this time.
pub const SILENCE_REPORTED: Duration = Duration::from_hours(24);

/// Whatever a provider turns on and off as a whole: our app's subscription at QuickBooks and Xero, each organization's own
/// webhook at Zoho.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Subscription(String);

impl Subscription {
    /// The subscription that brings the events of this company.
    #[must_use]
    pub fn of(provider: Provider, company: &ProviderCompanyId) -> Self {
        match provider {
            Provider::QuickBooks | Provider::Xero => Self(provider.to_string()),
            Provider::Zoho => Self(CompanyId::of(provider, company).to_string()),
        }
    }

    /// Its name, of the letters, digits, `-` and `_`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where it is kept when each subscription was heard last.
#[async_trait]
pub trait Subscriptions: Send + Sync {
    /// Notes that something came at `at`, unless something newer than [`HEARD_NOTED`] before it is noted.
    async fn note_heard(&self, subscription: &Subscription, at: Timestamp) -> Result<(), StoreError>;

    /// When something came last, as far as it was noted.
    async fn last_heard(&self, subscription: &Subscription) -> Result<Option<Timestamp>, StoreError>;

    /// Claims the report of a silence; true for one of all who ask within [`SILENCE_REPORTED`].
    async fn claim_report(&self, subscription: &Subscription, now: Timestamp) -> Result<bool, StoreError>;
}
