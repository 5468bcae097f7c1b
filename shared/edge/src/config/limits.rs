//! What the environment says of the providers' limits.

use domain::limits::{
    PlanSettings, Plans, QUICKBOOKS_MONTHLY_READS, XERO_DAILY_CALLS, ZOHO_CONCURRENT_CALLS,
};

use super::Variables;

/// More reads than Intuit sells in a month.
const MAX_MONTHLY_READS: u32 = 1_000_000_000;
/// More than Xero gives an organization of any tier in a day.
const MAX_DAILY_CALLS: u32 = 1_000_000;
/// More than Zoho takes of any plan at once.
const MAX_CONCURRENT_CALLS: u32 = 100;

impl Variables<'_> {
    /// What providers allow this app and its customers (`QUICKBOOKS_MONTHLY_READS`, `XERO_DAILY_CALLS`,
    /// `ZOHO_CONCURRENT_CALLS`).
    pub fn plans(&mut self) -> Plans {
        let mut within = |name, default, most| self.within(name, default, 1..=most);
        Plans::new(PlanSettings {
            quickbooks_monthly_reads: within(
                "QUICKBOOKS_MONTHLY_READS",
                QUICKBOOKS_MONTHLY_READS,
                MAX_MONTHLY_READS,
            ),
            xero_daily_calls: within("XERO_DAILY_CALLS", XERO_DAILY_CALLS, MAX_DAILY_CALLS),
            zoho_concurrent_calls: within(
                "ZOHO_CONCURRENT_CALLS",
                ZOHO_CONCURRENT_CALLS,
                MAX_CONCURRENT_CALLS,
            ),
        })
    }
}
