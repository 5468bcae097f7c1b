//! What each tenant used of the providers.

use async_trait::async_trait;
use jiff::civil::Date;

use crate::{id::TenantId, provider::Provider, store::StoreError};

/// How long usage is kept, in days: a year and the month in which it is looked back on.
pub const USAGE_KEPT_DAYS: u32 = 400;

/// Requests to a provider for a tenant.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Usage {
    /// How many.
    pub calls: u64,
    /// Bytes of answers, as read.
    pub bytes: u64,
}

/// Where usage is metered.
#[async_trait]
pub trait UsageStore: Send + Sync {
    /// Adds to a tenant's usage of a provider on a day (UTC).
    async fn add(&self, tenant: &TenantId, of: (Provider, Date), usage: &Usage) -> Result<(), StoreError>;

    /// A tenant's usage of all providers on the days from the first to the last, by day and provider; days without any are
    /// left out.
    async fn list(
        &self,
        tenant: &TenantId,
        days: (Date, Date),
    ) -> Result<Vec<(Date, Provider, Usage)>, StoreError>;

    /// Forgets all usage of a tenant. Again is harmless.
    async fn erase(&self, tenant: &TenantId) -> Result<(), StoreError>;
}
