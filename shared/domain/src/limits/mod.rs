//! The providers' limits, as one budget that all workers share through the table.
//!
//! Before each request to a provider's data API a [`Gate`] takes from the budget of the company and of the app
//! ([`Budget`]); where nothing is left nothing is sent, and whoever asked learns until when. What came of the request goes
//! back: what the provider says is left, its throttles, its failures (the breaker of its data API), and the bytes, which
//! are metered per tenant.

mod app;
mod budget;
mod counts;
mod gate;
mod plan;
mod shared;
mod usage;

pub use budget::{Ask, Asked, Budget, BudgetPlace, BudgetStore, DayTold, SLOT_LIFE, Slots};
pub use counts::Counts;
pub use gate::{Caller, Gate, Heard, Held, HeldBy, Limits, Pass, Throttle, Throttled};
pub use plan::{
    Allowed, Kind, Plan, PlanSettings, Plans, Purpose, QUICKBOOKS_MONTHLY_READS, Span, XERO_DAILY_CALLS,
    ZOHO_CONCURRENT_CALLS,
};
pub use shared::LimitPorts;
pub use usage::{USAGE_KEPT_DAYS, Usage, UsageStore};
