//! The providers' limits, as one budget that all workers share through the table.
//!
//! Before each request to a provider's data API a [`Gate`] takes from the budget of the company and of the app
//! ([`Budget`]); where nothing is left nothing is sent, and whoever asked learns until when. What came of the request goes
//! back: what the provider says is left, its throttles, its failures (the breaker of its data API), and the bytes, which
//! are metered per tenant.

mod budget;
mod gate;
mod plan;
mod usage;

pub use budget::{Asked, Budget, BudgetPlace, BudgetStore};
pub use gate::{Caller, Gate, Heard, Held, HeldBy, Limits};
pub use plan::{Plan, Plans, Purpose};
pub use usage::{Usage, UsageStore};
