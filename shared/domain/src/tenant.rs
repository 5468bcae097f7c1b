//! Tenants: the customers of the product that runs Ledgerbridge.

use std::{collections::BTreeMap, str::FromStr};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use thiserror::Error;
use utoipa::ToSchema;

use crate::{error::ErrorCode, id::TenantId, provider::Provider, refresh::Warmth, store::StoreError};

/// A customer of the product.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tenant {
    /// The id that the product chose.
    pub id: TenantId,
    /// The name a person knows it by; shown on the connect page.
    pub name: String,
    /// The plan it is on, in the product's own word.
    pub plan: Option<String>,
    /// Where in its life cycle it is.
    pub state: TenantState,
    /// What it may use.
    pub limits: TenantLimits,
    /// How its connections are treated.
    pub settings: TenantSettings,
    /// When it was made.
    pub created_at: Timestamp,
    /// Rises with each change, so that two who change it at once do not undo each other's.
    pub version: u64,
}

impl Tenant {
    /// An active tenant without limits, treated as the deployment has it.
    #[must_use]
    pub fn new(id: TenantId, name: impl Into<String>, created_at: Timestamp) -> Self {
        Self {
            id,
            name: name.into(),
            plan: None,
            state: TenantState::Active,
            limits: TenantLimits::default(),
            settings: TenantSettings::default(),
            created_at,
            version: 1,
        }
    }
}

/// The life cycle of a tenant.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TenantState {
    /// Working.
    #[default]
    Active,
    /// Its tokens are kept alive, but nothing else is done for it.
    Suspended,
    /// Being deleted: its connections are ended and all that is kept of it is destroyed.
    Deleting,
}

impl TenantState {
    /// The name in answers and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Deleting => "deleting",
        }
    }

    /// Why nothing is done for a tenant in this state; none while it works.
    #[must_use]
    pub fn halted(self) -> Option<Halted> {
        match self {
            Self::Active => None,
            Self::Suspended => Some(Halted::Suspended),
            Self::Deleting => Some(Halted::Deleting),
        }
    }
}

/// Why nothing is done for a tenant but keeping its tokens alive.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum Halted {
    /// It is suspended.
    #[error("the tenant is suspended")]
    Suspended,
    /// It is being deleted.
    #[error("the tenant is being deleted")]
    Deleting,
    /// It is gone, or never was.
    #[error("there is no such tenant")]
    Gone,
}

impl Halted {
    /// The failure as a caller is told.
    #[must_use]
    pub fn code(self) -> ErrorCode {
        match self {
            Self::Suspended => ErrorCode::TenantSuspended,
            Self::Deleting => ErrorCode::TenantDeleting,
            Self::Gone => ErrorCode::TenantNotFound,
        }
    }
}

/// A name that is no state's.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("there is no such state of a tenant")]
pub struct UnknownTenantState;

impl FromStr for TenantState {
    type Err = UnknownTenantState;

    fn from_str(text: &str) -> Result<Self, UnknownTenantState> {
        let all = [Self::Active, Self::Suspended, Self::Deleting];
        all.into_iter().find(|state| state.as_str() == text).ok_or(UnknownTenantState)
    }
}

/// What a tenant may use; what is not set is not limited.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TenantLimits {
    /// Calls of our API in a calendar month (UTC).
    #[serde(default, deserialize_with = "limit", skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 1_000_000_000_000_u64)]
    pub api_calls_per_month: Option<u64>,
    /// Connections at once.
    #[serde(default, deserialize_with = "limit", skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 1_000_000_000_000_u64)]
    pub integrations: Option<u64>,
    /// People with a role.
    #[serde(default, deserialize_with = "limit", skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 1_000_000_000_000_u64)]
    pub users: Option<u64>,
}

/// Greater than any plan, and small enough for every number of JSON's readers.
const MAX_LIMIT: u64 = 1_000_000_000_000;

/// A limit as a request or the table has it.
fn limit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let limit = Option::<u64>::deserialize(deserializer)?;
    match limit {
        Some(limit) if limit > MAX_LIMIT => Err(D::Error::custom(format!("a limit is at most {MAX_LIMIT}"))),
        limit => Ok(limit),
    }
}

/// How a tenant's connections are treated; what is not set is as the deployment has it.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TenantSettings {
    /// Which connections always have a good access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_policy: Option<Warmth>,
    /// What is asked of each provider where a connect link does not say; some of what the deployment is configured with.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub scopes: BTreeMap<Provider, Vec<String>>,
    /// Whether the daily catch-up asks for what changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync_schedule: Option<SyncSchedule>,
    /// Where browsers may end after connecting, exact, beside the addresses of the deployment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub return_urls: Vec<String>,
}

/// When a tenant's companies are synced without being asked for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SyncSchedule {
    /// Once a day.
    Daily,
    /// Only by webhooks and by hand.
    Off,
}

/// Where tenants are kept.
#[async_trait]
pub trait TenantStore: Send + Sync {
    /// Adds a tenant; false when the id is taken.
    async fn insert(&self, tenant: &Tenant) -> Result<bool, StoreError>;

    /// Finds a tenant by its id, strongly consistent.
    async fn find(&self, id: &TenantId) -> Result<Option<Tenant>, StoreError>;

    /// Lists tenants by id, from where the page before ended.
    async fn list(&self, limit: u32, from: Option<&str>) -> Result<TenantPage, StoreError>;

    /// Stores a tenant in place of the version before it (`version - 1`); false when that is not what is stored.
    async fn replace(&self, tenant: &Tenant) -> Result<bool, StoreError>;

    /// Forgets a tenant that is being deleted, and no other; its id is free again. Again is harmless.
    async fn remove(&self, id: &TenantId) -> Result<(), StoreError>;
}

/// Why nothing is done for a tenant at present; none while it works. One that is not known has nothing that could be done
/// for it.
pub async fn halted(tenants: &dyn TenantStore, id: &TenantId) -> Result<Option<Halted>, StoreError> {
    Ok(tenants.find(id).await?.and_then(|tenant| tenant.state.halted()))
}

/// One page of a list.
#[derive(Clone, Debug, Default)]
pub struct TenantPage {
    /// The tenants, by id.
    pub tenants: Vec<Tenant>,
    /// Where the next page begins.
    pub next: Option<String>,
}
