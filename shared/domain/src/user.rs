//! The people of tenants, as far as they are known here: an id and a role.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{
    api_key::Role,
    id::{TenantId, UserId},
    store::StoreError,
};

/// How many users a tenant has at most, whatever its limit: so many fit into one answer.
pub const MAX_USERS: u64 = 1000;

/// A person of a tenant's, in the product's own name for it: nothing else is known of people here.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct User {
    /// The id that the product chose.
    pub id: UserId,
    /// Whose.
    pub tenant: TenantId,
    /// What the person, and each key that is made for it, may do.
    pub role: Role,
    /// When it was added.
    pub created_at: Timestamp,
}

/// What became of a user that was to be put.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PutUser {
    /// It is new.
    Added,
    /// It was there, and has the role now.
    Changed,
    /// It is new, and the tenant has as many as it may have.
    Full,
}

/// Where users are kept.
#[async_trait]
pub trait UserStore: Send + Sync {
    /// Adds a user, or gives one that is there another role; a new one only where the tenant has fewer than `limit`.
    async fn put(&self, user: &User, limit: u64) -> Result<PutUser, StoreError>;

    /// Finds a user.
    async fn find(&self, tenant: &TenantId, id: &UserId) -> Result<Option<User>, StoreError>;

    /// All users of a tenant, by id.
    async fn list(&self, tenant: &TenantId) -> Result<Vec<User>, StoreError>;

    /// Takes a user away; false when there was none.
    async fn remove(&self, tenant: &TenantId, id: &UserId) -> Result<bool, StoreError>;

    /// Forgets all users of a tenant, and that there were any. Again is harmless.
    async fn clear(&self, tenant: &TenantId) -> Result<(), StoreError>;
}
