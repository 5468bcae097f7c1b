//! How much was asked lately: counts in short buckets of time.
//!
//! A provider's windows begin at any moment, so a request counts until no window of theirs can hold it any more: it is only
//! known in which bucket it fell, and counts as if it were the last moment of it.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use super::Span;
use crate::refresh::policy::later;

/// Counts by bucket: the number of its grain since 1970.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Counts(pub BTreeMap<i64, u32>);

impl Counts {
    /// Forgets what no window can hold any more.
    ///
    /// What lies in the future was noted by a clock that was ahead, or is now behind: it counts as of now, so that nothing
    /// that was used is forgotten, and nobody waits for longer than the span.
    pub(super) fn forget(&mut self, span: Span, now: Timestamp) {
        self.0.retain(|&bucket, _| counts_until(span, bucket) > now);
        let present = bucket_of(span, later(now, span.margin()));
        let ahead: u32 = self.0.split_off(&(present + 1)).into_values().fold(0, u32::saturating_add);
        self.add(span, now, ahead);
    }

    /// How many requests count.
    #[must_use]
    pub(super) fn used(&self) -> u32 {
        self.0.values().copied().fold(0, u32::saturating_add)
    }

    /// When no more than `most` requests count any longer.
    pub(super) fn down_to(&self, most: u32, span: Span, now: Timestamp) -> Timestamp {
        let mut used = self.used();
        let mut at = now;
        for (&bucket, &count) in &self.0 {
            if used <= most {
                break;
            }
            used = used.saturating_sub(count);
            at = counts_until(span, bucket);
        }
        at
    }

    /// Counts requests at a moment.
    pub(super) fn add(&mut self, span: Span, at: Timestamp, requests: u32) {
        if requests > 0 {
            let count = self.0.entry(bucket_of(span, at)).or_default();
            *count = count.saturating_add(requests);
        }
    }

    /// Takes back requests that were counted at a moment and never sent.
    pub(super) fn take_back(&mut self, span: Span, at: Timestamp, requests: u32) {
        if let Some(count) = self.0.get_mut(&bucket_of(span, at)) {
            *count = count.saturating_sub(requests);
        }
        self.0.retain(|_, count| *count > 0);
    }

    /// Takes away the oldest until so many are left.
    pub(super) fn shrink_to(&mut self, most: u32) {
        let mut over = self.used().saturating_sub(most);
        for count in self.0.values_mut() {
            let less = over.min(*count);
            *count -= less;
            over -= less;
        }
        self.0.retain(|_, count| *count > 0);
    }

    /// When nothing counts any more; none where nothing does.
    pub(super) fn ends_at(&self, span: Span) -> Option<Timestamp> {
        self.0.last_key_value().map(|(&bucket, _)| counts_until(span, bucket))
    }
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn bucket_of(span: Span, at: Timestamp) -> i64 {
    at.as_millisecond().div_euclid(milliseconds(span.grain()))
}

/// Until when a request of a bucket counts.
fn counts_until(span: Span, bucket: i64) -> Timestamp {
    let ends = bucket.saturating_add(1).saturating_mul(milliseconds(span.grain()));
    let ends = Timestamp::from_millisecond(ends).unwrap_or(Timestamp::MAX);
    later(ends, span.length() + span.margin())
}
