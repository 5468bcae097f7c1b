//! Tenants: the customers of the product that runs Ledgerbridge.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{id::TenantId, store::StoreError};

/// A customer of the product.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tenant {
    /// The id that the product chose.
    pub id: TenantId,
    /// The name a person knows it by; shown on the connect page.
    pub name: String,
    /// The plan it is on, in the product's own word.
    pub plan: Option<String>,
    /// What it may use.
    pub limits: TenantLimits,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What a tenant may use; what is not set is not limited.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TenantLimits {
    /// Calls of our API in a calendar month.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_calls_per_month: Option<u64>,
    /// Connections at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub integrations: Option<u64>,
    /// People with a role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<u64>,
}

/// Where tenants are kept.
#[async_trait]
pub trait TenantStore: Send + Sync {
    /// Adds a tenant; false when the id is taken.
    async fn insert(&self, tenant: &Tenant) -> Result<bool, StoreError>;

    /// Finds a tenant by its id.
    async fn find(&self, id: &TenantId) -> Result<Option<Tenant>, StoreError>;
}
