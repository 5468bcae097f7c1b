//! Notices of ends that come near: of the refresh token, and of the grant itself.

use std::time::Duration;

use jiff::Timestamp;

use super::policy::{earlier, later};
use crate::connection::{Notices, SealedTokens};

/// A notice is given when an end is as near as this, and again; the first leaves a month for a mail to the customer, the
/// last is when Intuit mails its own (five-year limit of grants, 2025).
pub(super) const AHEAD: [Duration; 2] = [Duration::from_hours(30 * 24), Duration::from_hours(7 * 24)];
/// No notice comes twice within a day.
const APART: Duration = Duration::from_hours(24);

/// An end that comes near.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Limit {
    /// Of the refresh token, unless it is used: 100 days after the last refresh at Intuit, 60 at Xero.
    RefreshToken,
    /// Of the grant, whatever is done: five years after consent at Intuit.
    Grant,
}

impl Limit {
    /// The name in events.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::RefreshToken => "refresh_token",
            Self::Grant => "grant",
        }
    }
}

/// The notices to give at `now` of a connection with these tokens, with the time of each end; `told` is brought up to date.
pub(super) fn near_ends(
    told: &mut Notices,
    tokens: &SealedTokens,
    now: Timestamp,
) -> Vec<(Limit, Timestamp)> {
    let limits = [
        (Limit::RefreshToken, tokens.refresh_expires_at, &mut told.refresh),
        (Limit::Grant, tokens.hard_expires_at, &mut told.grant),
    ];
    let mut notices = vec![];
    for (limit, ends, last) in limits {
        if let Some(ends) = ends
            && is_near(ends, *last, now)
        {
            *last = Some(now);
            notices.push((limit, ends));
        }
    }
    notices
}

/// Whether the tenant is to be told at `now` that an access token could not be replaced in time; at most once a day.
pub(super) fn expired(told: &mut Notices, tokens: &SealedTokens, now: Timestamp) -> bool {
    let is_new = told.expired.is_none_or(|last| now >= later(last, APART));
    let tells = is_new && tokens.access_expires_at <= now;
    if tells {
        told.expired = Some(now);
    }
    tells
}

/// Whether one of the thresholds has been passed since the last notice.
fn is_near(ends: Timestamp, last: Option<Timestamp>, now: Timestamp) -> bool {
    if now >= ends || last.is_some_and(|last| now < later(last, APART)) {
        return false;
    }
    AHEAD.into_iter().any(|ahead| {
        let threshold = earlier(ends, ahead);
        now >= threshold && last.is_none_or(|last| last < threshold)
    })
}
