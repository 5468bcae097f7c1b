//! The providers' limits over their table, for whoever calls a data API.

use std::sync::Arc;

use aws::{DynamoBreakers, DynamoBudgets, DynamoUsage, SdkConfig, clients};
use domain::{
    clock::Clock,
    entropy::SystemEntropy,
    event::EventBus,
    limits::{LimitPorts, Limits, Plans},
    refresh::{BreakerSettings, Breakers, Endpoint, OutageSettings},
};

/// The limits that all functions share through the control table `table`.
#[must_use]
pub fn shared_limits(
    sdk: &SdkConfig,
    (table, settings, plans): (String, (BreakerSettings, OutageSettings), Plans),
    (clock, bus): (&Arc<dyn Clock>, &Arc<dyn EventBus>),
) -> Arc<Limits> {
    let dynamodb = clients::dynamodb(sdk);
    let breakers = DynamoBreakers::new(dynamodb.clone(), table.clone(), Endpoint::Books);
    let breakers = Breakers::new(Arc::new(breakers), clock.clone(), bus.clone(), settings);
    let ports = LimitPorts {
        budgets: Arc::new(DynamoBudgets::new(dynamodb.clone(), table.clone())),
        usage: Arc::new(DynamoUsage::new(dynamodb, table)),
        breakers: Arc::new(breakers.of(Endpoint::Books)),
        clock: clock.clone(),
        entropy: Arc::new(SystemEntropy),
    };
    Arc::new(Limits::new(ports, plans))
}
