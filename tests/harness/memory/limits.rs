//! Limits over stores in memory.

use std::sync::Arc;

use domain::{
    clock::Clock,
    id::ProviderCompanyId,
    limits::{Caller, Gate, LimitPorts, Limits, Plans, Purpose},
    provider::Provider,
    refresh::{
        BreakerSettings, Breakers, DEFAULT_FAILURES, DEFAULT_MINIMUM, DEFAULT_RESET, DEFAULT_SHARE,
        DEFAULT_WINDOW, Endpoint, OutageSettings, policy::DEFAULT_LEASE,
    },
};

use super::{InMemoryBreakers, InMemoryBudgets, InMemoryBus, InMemoryUsage};
use crate::{entropy::SeededEntropy, sample};

/// Breakers as they are by default.
const SETTINGS: (BreakerSettings, OutageSettings) = (
    BreakerSettings { failures: DEFAULT_FAILURES, reset: DEFAULT_RESET, probe: DEFAULT_LEASE },
    OutageSettings { share: DEFAULT_SHARE, minimum: DEFAULT_MINIMUM, window: DEFAULT_WINDOW },
);

/// Stores of limits, shared by the workers that are made over them.
#[derive(Default)]
pub struct InMemoryLimits {
    /// Budgets.
    pub budgets: Arc<InMemoryBudgets>,
    /// Usage.
    pub usage: Arc<InMemoryUsage>,
    /// Breakers of the data APIs.
    pub breakers: Arc<InMemoryBreakers>,
    /// What the breakers told.
    pub bus: Arc<InMemoryBus>,
}

impl InMemoryLimits {
    /// The limits as one process keeps them, which is told from others by its `seed`.
    #[must_use]
    pub fn worker(&self, clock: &Arc<dyn Clock>, plans: Plans, seed: u64) -> Arc<Limits> {
        let breakers = Breakers::new(self.breakers.clone(), clock.clone(), self.bus.clone(), SETTINGS);
        let ports = LimitPorts {
            budgets: self.budgets.clone(),
            usage: self.usage.clone(),
            breakers: Arc::new(breakers.of(Endpoint::Books)),
            clock: clock.clone(),
            entropy: Arc::new(SeededEntropy::new(seed)),
        };
        Arc::new(Limits::new(ports, plans))
    }
}

/// Limits of a process that nobody shares the table with.
#[must_use]
pub fn limits(clock: &Arc<dyn Clock>) -> Arc<Limits> {
    InMemoryLimits::default().worker(clock, Plans::default(), 0)
}

/// A way to a company's books that nobody else takes, for those who wait for an answer.
#[must_use]
pub fn gate(clock: &Arc<dyn Clock>, provider: Provider, company: &ProviderCompanyId) -> Gate {
    let tenant = sample::tenant();
    limits(clock).gate(Caller { tenant, provider, company: company.clone(), purpose: Purpose::Interactive })
}
