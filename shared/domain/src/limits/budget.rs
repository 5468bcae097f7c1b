//! One budget: pure decisions on what was asked lately.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Allowed, Counts, Held, HeldBy, Kind, Purpose, Span};
use crate::{id::ProviderCompanyId, provider::Provider, refresh::policy::later, store::StoreError};

/// For how long a place under way is kept for a request: longer than any may take (40 s), so that it is given back by time
/// only where its worker died.
pub const SLOT_LIFE: Duration = Duration::from_mins(1);
/// When to look again where as many requests are under way as are allowed: they are answered in seconds.
const SLOTS_PAUSE: Duration = Duration::from_secs(1);
/// A provider's own count of a day is believed to be lower than ours only where it differs by more than this part: by less
/// it differs while others are on their way.
const DAY_SLACK: u32 = 10;

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
    /// Another with each change, at random, so that a writer knows its own; zero for one that was never stored.
    pub version: u64,
    /// What was asked within each span that is limited.
    pub counts: BTreeMap<Span, Counts>,
    /// Who has requests under way.
    pub slots: Vec<Slots>,
    /// Until when the provider asks everybody to wait.
    pub throttled_until: Option<Timestamp>,
    /// How many requests a day it last said that it allows.
    pub day_limit: Option<u32>,
    /// When its day begins anew, where it said so.
    pub day_ends_at: Option<Timestamp>,
}

/// The places of one worker among the requests that may be under way at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Slots {
    /// The worker.
    pub holder: u64,
    /// How many.
    pub count: u32,
    /// When they are given back by time.
    pub until: Timestamp,
}

/// What is asked of a budget.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// What the requests are for.
    pub purpose: Purpose,
    /// What kind they are of.
    pub kind: Kind,
    /// How many at most.
    pub requests: u32,
    /// Who asks, and how many places it needs in all.
    pub slots: Option<(u64, u32)>,
}

/// Whether requests may be sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Asked {
    /// So many may, once this budget is stored.
    Granted(Budget, u32),
    /// As many are under way as are allowed; to be looked at again at this time.
    Full(Timestamp),
    /// None before a time.
    Wait(Held),
}

/// What a provider says of its limit of a day.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DayTold {
    /// How many requests the day has, where it says so.
    pub limit: Option<u32>,
    /// How many are left.
    pub left: u32,
    /// When the day begins anew, where it says so.
    pub ends_in: Option<Duration>,
}

impl Budget {
    /// Takes requests, at least one of those asked for.
    #[must_use]
    pub fn take(&self, allowed: &Allowed, ask: &Ask, now: Timestamp) -> Asked {
        let mut next = self.as_of(now);
        if let Some(until) = next.throttled_until {
            return Asked::Wait(Held { until, by: HeldBy::Throttle });
        }
        let mut granted = ask.requests.max(1);
        let mut until = None;
        for (span, most) in next.limits(allowed, ask.kind) {
            let most = ask.purpose.share(most);
            let counts = next.counts.entry(span).or_default();
            let left = most.saturating_sub(counts.used());
            granted = granted.min(left);
            if left == 0 {
                let free_at = counts.down_to(most.saturating_sub(1), span, now);
                let anew_at = next.day_ends_at.filter(|_| span == Span::Day);
                until = until.max(Some(anew_at.map_or(free_at, |anew_at| anew_at.min(free_at))));
            }
        }
        if let Some(until) = until {
            return Asked::Wait(Held { until, by: HeldBy::Budget });
        }
        if let (Some(most), Some((holder, count))) = (allowed.at_once, ask.slots) {
            let others = next.under_way() - next.slots_of(holder);
            if others.saturating_add(count) > ask.purpose.share(most) {
                return Asked::Full(later(now, SLOTS_PAUSE));
            }
            next.slots.retain(|slots| slots.holder != holder);
            next.slots.push(Slots { holder, count, until: later(now, SLOT_LIFE) });
        }
        for (span, _) in next.limits(allowed, ask.kind) {
            next.counts.entry(span).or_default().add(span, now, granted);
        }
        Asked::Granted(next, granted)
    }

    /// The budget as it is at a time: without what no longer counts.
    #[must_use]
    pub fn as_of(&self, now: Timestamp) -> Self {
        let mut next = self.clone();
        if next.day_ends_at.is_some_and(|ends_at| ends_at <= now) {
            next.counts.remove(&Span::Day);
            next.day_ends_at = None;
        }
        for (span, counts) in &mut next.counts {
            counts.forget(*span, now);
        }
        next.counts.retain(|_, counts| counts.used() > 0);
        // A clock that was ahead keeps nobody out for longer than a right one would have.
        next.slots.iter_mut().for_each(|slots| slots.until = slots.until.min(later(now, SLOT_LIFE)));
        next.slots.retain(|slots| slots.until > now);
        next.throttled_until = next.throttled_until.filter(|until| *until > now);
        next
    }

    /// The budget after a throttle; none where everybody waits as long already.
    #[must_use]
    pub fn throttled(&self, until: Timestamp, now: Timestamp) -> Option<Self> {
        let next = self.as_of(now);
        let is_known = next.throttled_until.is_some_and(|known| known >= until);
        (!is_known && until > now).then_some(Self { throttled_until: Some(until), ..next })
    }

    /// The budget with its count of the day put right by what the provider said at a time.
    ///
    /// What others use of the same day is added. Where the provider counts far less its day has begun anew, and the oldest
    /// is taken away; not what may still be under way.
    #[must_use]
    pub fn told(&self, (told, at): (DayTold, Timestamp), allowed: &Allowed, now: Timestamp) -> Self {
        let mut next = self.as_of(now);
        next.day_limit = told.limit.or(next.day_limit);
        next.day_ends_at = told.ends_in.map(|ends_in| later(at, ends_in)).or(next.day_ends_at);
        let limits = next.limits(allowed, Kind::Read);
        let Some((_, most)) = limits.into_iter().find(|(span, _)| *span == Span::Day) else { return next };
        let under_way = next.under_way();
        let counts = next.counts.entry(Span::Day).or_default();
        let (ours, theirs) = (counts.used(), most.saturating_sub(told.left));
        if ours < theirs {
            counts.add(Span::Day, now, theirs - ours);
        } else if ours - theirs > most / DAY_SLACK {
            counts.shrink_to(theirs.saturating_add(under_way));
        }
        next
    }

    /// The budget without the places of a worker.
    #[must_use]
    pub fn without(&self, holder: u64, now: Timestamp) -> Self {
        let mut next = self.as_of(now);
        next.slots.retain(|slots| slots.holder != holder);
        next
    }

    /// The budget with requests taken back that were taken at a time and never sent.
    #[must_use]
    pub fn with_back(&self, (at, requests): (Timestamp, u32), kind: Kind, now: Timestamp) -> Self {
        let mut next = self.as_of(now);
        for (span, counts) in next.counts.iter_mut().filter(|(span, _)| span.counts(kind)) {
            counts.take_back(*span, at, requests);
        }
        next
    }

    /// When nothing of it matters any more.
    #[must_use]
    pub fn ends_at(&self) -> Option<Timestamp> {
        let counts = self.counts.iter().filter_map(|(span, counts)| counts.ends_at(*span));
        let slots = self.slots.iter().map(|slots| slots.until);
        counts.chain(slots).chain(self.throttled_until).chain(self.day_ends_at).max()
    }

    /// How many requests are under way.
    fn under_way(&self) -> u32 {
        self.slots.iter().fold(0, |sum, slots| sum.saturating_add(slots.count))
    }

    fn slots_of(&self, holder: u64) -> u32 {
        let mine = self.slots.iter().find(|slots| slots.holder == holder);
        mine.map_or(0, |slots| slots.count)
    }

    /// The limits that hold for a kind of request, with that of the day as the provider last said it.
    fn limits(&self, allowed: &Allowed, kind: Kind) -> Vec<(Span, u32)> {
        let limits = allowed.limits.iter().filter(|(span, _)| span.counts(kind));
        let limits = limits.map(|&(span, most)| match self.day_limit {
            Some(told) if span == Span::Day => (span, told),
            _ => (span, most),
        });
        limits.collect()
    }
}

/// Where budgets are shared.
#[async_trait]
pub trait BudgetStore: Send + Sync {
    /// Reads a budget, strongly consistent; an empty one where there is none.
    async fn load(&self, place: &BudgetPlace) -> Result<Budget, StoreError>;

    /// Stores a budget if the stored one still has the version `before`, and keeps it until
    /// [`ends_at`](Budget::ends_at); gives the stored one where somebody else's came between. One that has the version of
    /// `next` is `next`, whose answer was lost.
    async fn replace(
        &self,
        place: &BudgetPlace,
        before: u64,
        next: &Budget,
    ) -> Result<Option<Budget>, StoreError>;
}

#[cfg(test)]
mod tests;
