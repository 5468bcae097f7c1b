//! What each provider allows.

use std::time::Duration;

use crate::provider::Provider;

/// Of every limit background work may use so many of a hundred; the rest is left to those who wait for an answer and to
/// webhooks.
const BACKGROUND_SHARE: u32 = 80;

/// How much the clocks of two workers, and the ways of two requests, may differ; machines that keep their clocks differ by
/// milliseconds.
const CLOCKS: Duration = Duration::from_secs(2);
/// How long a block of requests may be used that was taken at once: at Xero's pace it is enough for eight pages.
pub(super) const BLOCK_LIFE: Duration = Duration::from_secs(10);

/// `QuickBooks` takes 500 requests a minute for one company
/// (<https://developer.intuit.com/app/developer/qbo/docs/learn/rest-api-features>).
const QUICKBOOKS_PER_MINUTE: u32 = 500;
/// And 10 a second (same page).
const QUICKBOOKS_PER_SECOND: u32 = 10;
/// And 40 batches a minute (same page).
const QUICKBOOKS_BATCHES: u32 = 40;
/// And 10 at once, by an older text of Intuit's that the page does not repeat.
const QUICKBOOKS_AT_ONCE: u32 = 10;
/// And 500,000 reads a month over all companies, in the Builder tier of the App Partner Program
/// (`QUICKBOOKS_MONTHLY_READS`).
pub const QUICKBOOKS_MONTHLY_READS: u32 = 500_000;

/// Xero takes 60 requests a minute for one organization (<https://developer.xero.com/documentation/guides/oauth2/limits/>).
const XERO_PER_MINUTE: u32 = 60;
/// And 5 at once (same page).
const XERO_AT_ONCE: u32 = 5;
/// And 5,000 a day; 1,000 in the Starter tier (`XERO_DAILY_CALLS`, same page).
pub const XERO_DAILY_CALLS: u32 = 5_000;
/// And 10,000 a minute over all organizations (same page).
const XERO_APP_PER_MINUTE: u32 = 10_000;

/// Zoho takes 100 requests a minute for one organization (<https://www.zoho.com/books/api/v3/introduction/#api-call-limit>).
const ZOHO_PER_MINUTE: u32 = 100;
/// And 5 at once in the free plan, 10 in the others (`ZOHO_CONCURRENT_CALLS`, same page).
pub const ZOHO_CONCURRENT_CALLS: u32 = 5;
/// And 1,000 a day in the free plan (same page); of the others each answer says how many.
const ZOHO_PER_DAY: u32 = 1_000;

/// What a request is for: it decides how much of a limit it may use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// Somebody waits for the answer.
    Interactive,
    /// A webhook told of a change.
    Webhook,
    /// Everything that can wait; it leaves a share of every limit to the others.
    Background,
}

impl Purpose {
    /// How much of a limit it may use, what others used of it included.
    #[must_use]
    pub fn share(self, limit: u32) -> u32 {
        match self {
            Self::Interactive | Self::Webhook => limit,
            // Also of the smallest limit something, lest it never begins.
            Self::Background => {
                (limit / 100 * BACKGROUND_SHARE + limit % 100 * BACKGROUND_SHARE / 100).max(1)
            }
        }
    }
}

/// What kind of request it is: providers count some apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// It reads.
    Read,
    /// It writes.
    Write,
    /// It is many in one.
    Batch,
}

/// A span of time over which requests are counted.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Span {
    /// A second.
    Second,
    /// A minute.
    Minute,
    /// A minute, of batches alone.
    BatchMinute,
    /// A minute, of requests that are taken in blocks and sent up to [`BLOCK_LIFE`] later.
    BlockMinute,
    /// A day.
    Day,
    /// A month, of reads alone: writes are not metered.
    Month,
}

impl Span {
    /// Every span.
    pub const ALL: [Self; 6] =
        [Self::Second, Self::Minute, Self::BatchMinute, Self::BlockMinute, Self::Day, Self::Month];

    /// How long it is; the longest month.
    #[must_use]
    pub fn length(self) -> Duration {
        match self {
            Self::Second => Duration::from_secs(1),
            Self::Minute | Self::BatchMinute | Self::BlockMinute => Duration::from_mins(1),
            Self::Day => Duration::from_hours(24),
            Self::Month => Duration::from_hours(31 * 24),
        }
    }

    /// How exactly the time of a request is remembered.
    #[must_use]
    pub fn grain(self) -> Duration {
        match self {
            Self::Second => Duration::from_millis(100),
            Self::Minute | Self::BatchMinute | Self::BlockMinute => Duration::from_secs(5),
            Self::Day => Duration::from_hours(1),
            Self::Month => Duration::from_hours(24),
        }
    }

    /// How much longer than the span a request counts: so much clocks may differ, and one request may be longer on its
    /// way than another.
    #[must_use]
    pub fn margin(self) -> Duration {
        match self {
            Self::Second => Duration::from_millis(100),
            Self::BlockMinute => CLOCKS + BLOCK_LIFE,
            Self::Minute | Self::BatchMinute | Self::Day | Self::Month => CLOCKS,
        }
    }

    /// Whether requests of a kind count.
    #[must_use]
    pub fn counts(self, kind: Kind) -> bool {
        match self {
            Self::BatchMinute => kind == Kind::Batch,
            Self::Month => kind != Kind::Write,
            Self::Second | Self::Minute | Self::BlockMinute | Self::Day => true,
        }
    }
}

/// What a provider allows in one place.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Allowed {
    /// How many requests in how much time.
    pub limits: Vec<(Span, u32)>,
    /// How many at once.
    pub at_once: Option<u32>,
}

/// What one provider allows.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Plan {
    /// For one company.
    pub company: Allowed,
    /// For this app, over all companies.
    pub app: Allowed,
}

/// What differs between the plans of customers and apps.
#[derive(Clone, Copy, Debug)]
pub struct PlanSettings {
    /// `QUICKBOOKS_MONTHLY_READS`.
    pub quickbooks_monthly_reads: u32,
    /// `XERO_DAILY_CALLS`.
    pub xero_daily_calls: u32,
    /// `ZOHO_CONCURRENT_CALLS`.
    pub zoho_concurrent_calls: u32,
}

impl Default for PlanSettings {
    fn default() -> Self {
        Self {
            quickbooks_monthly_reads: QUICKBOOKS_MONTHLY_READS,
            xero_daily_calls: XERO_DAILY_CALLS,
            zoho_concurrent_calls: ZOHO_CONCURRENT_CALLS,
        }
    }
}

/// What all providers allow.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Plans {
    quickbooks: Plan,
    xero: Plan,
    zoho: Plan,
}

impl Plans {
    /// What they allow by these settings.
    #[must_use]
    pub fn new(settings: PlanSettings) -> Self {
        let company =
            |limits: &[(Span, u32)], at_once| Allowed { limits: limits.to_vec(), at_once: Some(at_once) };
        let app = |limit| Allowed { limits: vec![limit], at_once: None };
        let of_quickbooks = [
            (Span::Second, QUICKBOOKS_PER_SECOND),
            (Span::Minute, QUICKBOOKS_PER_MINUTE),
            (Span::BatchMinute, QUICKBOOKS_BATCHES),
        ];
        let of_xero = [(Span::Minute, XERO_PER_MINUTE), (Span::Day, settings.xero_daily_calls)];
        let of_zoho = [(Span::Minute, ZOHO_PER_MINUTE), (Span::Day, ZOHO_PER_DAY)];
        Self {
            quickbooks: Plan {
                company: company(&of_quickbooks, QUICKBOOKS_AT_ONCE),
                app: app((Span::Month, settings.quickbooks_monthly_reads)),
            },
            xero: Plan {
                company: company(&of_xero, XERO_AT_ONCE),
                app: app((Span::BlockMinute, XERO_APP_PER_MINUTE)),
            },
            // It counts for each organization only.
            zoho: Plan {
                company: company(&of_zoho, settings.zoho_concurrent_calls),
                app: Allowed::default(),
            },
        }
    }

    /// What one provider allows.
    #[must_use]
    pub fn of(&self, provider: Provider) -> &Plan {
        match provider {
            Provider::QuickBooks => &self.quickbooks,
            Provider::Xero => &self.xero,
            Provider::Zoho => &self.zoho,
        }
    }
}

impl Default for Plans {
    fn default() -> Self {
        Self::new(PlanSettings::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn background_work_leaves_a_fifth_of_every_limit_to_those_who_wait() {
        for (limit, share) in
            [(500, 400), (60, 48), (40, 32), (10, 8), (5, 4), (1, 1), (u32::MAX, 3_435_973_836)]
        {
            assert_eq!(Purpose::Background.share(limit), share);
            assert_eq!(Purpose::Interactive.share(limit), limit);
            assert_eq!(Purpose::Webhook.share(limit), limit);
        }
    }
}
