//! Tenants: the customers of the product that runs Ledgerbridge.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{id::TenantId, store::StoreError};

/// A customer of the product.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tenant {
    /// The id that the product chose.
    pub id: TenantId,
    /// The name a person knows it by; shown on the connect page.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Where tenants are kept.
#[async_trait]
pub trait TenantStore: Send + Sync {
    /// Adds a tenant; false when the id is taken.
    async fn insert(&self, tenant: &Tenant) -> Result<bool, StoreError>;

    /// Finds a tenant by its id.
    async fn find(&self, id: &TenantId) -> Result<Option<Tenant>, StoreError>;
}
