//! One budget: pure decisions on what was asked lately.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{id::ProviderCompanyId, provider::Provider, store::StoreError};

/// What is counted together.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum BudgetPlace {
    /// Requests about one company, whoever's connection they use.
    Company(Provider, ProviderCompanyId),
    /// All requests of this app to a provider.
    App(Provider),
}

/// What was asked lately in one place.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Budget {
    /// Rises with each change.
    pub version: u64,
}

/// Whether a request may be sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Asked {
    /// It may, once this budget is stored.
    Granted(Budget),
    /// Not before this time.
    Wait(Timestamp),
}

/// Where budgets are shared.
#[async_trait]
pub trait BudgetStore: Send + Sync {
    /// Reads a budget, strongly consistent; an empty one where there is none.
    async fn load(&self, place: &BudgetPlace) -> Result<Budget, StoreError>;

    /// Stores a budget if the stored one still has the version before its own; gives the stored one where somebody else's
    /// came between.
    async fn replace(&self, place: &BudgetPlace, next: &Budget) -> Result<Option<Budget>, StoreError>;
}
