//! The budget of calls that a provider sets for one refresh token.

use std::time::Duration;

use jiff::Timestamp;

use super::policy::{earlier, later};
use crate::provider::Provider;

/// So many calls within so much time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Budget {
    /// How many calls.
    pub calls: usize,
    /// Within what time.
    pub window: Duration,
}

impl Budget {
    /// The budget of a provider, where it sets one.
    ///
    /// Zoho: 10 access tokens per refresh token in 10 minutes, answered with `Access Denied` beyond
    /// (<https://www.zoho.com/accounts/protocol/oauth/token-limits.html>).
    #[must_use]
    pub fn of(provider: Provider) -> Option<Self> {
        match provider {
            Provider::QuickBooks | Provider::Xero => None,
            Provider::Zoho => Some(Self { calls: 10, window: Duration::from_mins(10) }),
        }
    }

    /// The calls that still count at `now`.
    #[must_use]
    pub fn counting(&self, calls: &[Timestamp], now: Timestamp) -> Vec<Timestamp> {
        let begins = earlier(now, self.window);
        calls.iter().copied().filter(|call| *call > begins).collect()
    }

    /// When the next call is within the budget; none when it is now.
    #[must_use]
    pub fn free_at(&self, calls: &[Timestamp], now: Timestamp) -> Option<Timestamp> {
        let counting = self.counting(calls, now);
        let over = counting.len().checked_sub(self.calls)?;
        Some(later(counting[over], self.window))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn zohos_eleventh_call_waits_until_the_first_is_ten_minutes_old() {
        let budget = Budget::of(Provider::Zoho).unwrap();
        let calls: Vec<_> = (0..10).map(|call| at(call * 20)).collect();

        assert_eq!(budget.free_at(&calls[..9], at(200)), None);
        assert_eq!(budget.free_at(&calls, at(200)), Some(at(600)));
        assert_eq!(budget.free_at(&calls, at(600)), None, "the first no longer counts");
        assert_eq!(budget.counting(&calls, at(620)).len(), 8);
    }
}
