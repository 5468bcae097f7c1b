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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: i64 = 24 * 60 * 60;
    const ENDS: i64 = 100 * DAY;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// Tokens of which the refresh token and the grant may end; the access token ended at the beginning.
    fn tokens(refresh_ends: Option<i64>, grant_ends: Option<i64>) -> SealedTokens {
        SealedTokens {
            generation: 1,
            access: vec![],
            refresh: vec![],
            refresh_fingerprint: String::new(),
            issued_at: at(0),
            refreshed: true,
            access_expires_at: at(0),
            refresh_expires_at: refresh_ends.map(at),
            hard_expires_at: grant_ends.map(at),
            keys_made_at: at(0),
            previous: None,
        }
    }

    /// The days on which a notice is given to one who looks at each of `days`, of `tokens`.
    fn days_told(tokens: &SealedTokens, days: impl IntoIterator<Item = i64>) -> Vec<(&'static str, i64)> {
        let mut told = Notices::default();
        let mut notices = vec![];
        for day in days {
            let given = near_ends(&mut told, tokens, at(day * DAY));
            notices.extend(given.into_iter().map(|(limit, _)| (limit.as_str(), day)));
        }
        notices
    }

    #[test]
    fn an_end_is_told_of_thirty_days_before_it_and_seven_days_before_it() {
        let refresh = tokens(Some(ENDS), None);
        assert_eq!(days_told(&refresh, 0..200), [("refresh_token", 70), ("refresh_token", 93)]);

        let grant = tokens(None, Some(ENDS));
        assert_eq!(days_told(&grant, 0..200), [("grant", 70), ("grant", 93)]);
        assert_eq!(near_ends(&mut Notices::default(), &grant, at(70 * DAY)), [(Limit::Grant, at(ENDS))]);
        assert_eq!(near_ends(&mut Notices::default(), &grant, at(70 * DAY - 1)), []);
    }

    #[test]
    fn each_end_has_notices_of_its_own() {
        let both = tokens(Some(ENDS), Some(ENDS + 10 * DAY));

        let expected = [("refresh_token", 70), ("grant", 80), ("refresh_token", 93), ("grant", 103)];
        assert_eq!(days_told(&both, 0..200), expected);
    }

    #[test]
    fn who_looks_rarely_is_told_once_at_each_look_that_passes_a_threshold() {
        let tokens = tokens(Some(ENDS), None);

        assert_eq!(days_told(&tokens, [10, 80, 98, 99]), [("refresh_token", 80), ("refresh_token", 98)]);
        assert_eq!(
            days_told(&tokens, [10, 96, 98]),
            [("refresh_token", 96)],
            "both thresholds in one notice"
        );
        assert_eq!(days_told(&tokens, [10, 100, 120]), [], "after the end there is nothing left to prevent");
    }

    #[test]
    fn a_notice_that_falls_within_a_day_of_another_comes_when_the_day_is_over() {
        let ends = at(ENDS);
        let just_before = earlier(ends, AHEAD[1] + Duration::from_hours(1));
        let mut told = Notices { refresh: Some(just_before), ..Notices::default() };
        let tokens = tokens(Some(ENDS), None);

        assert_eq!(
            near_ends(&mut told, &tokens, earlier(later(just_before, APART), Duration::from_secs(1))),
            []
        );
        let notices = near_ends(&mut told, &tokens, later(just_before, APART));

        assert_eq!(notices, [(Limit::RefreshToken, ends)]);
    }

    #[test]
    fn an_end_that_moved_on_is_told_of_anew() {
        let mut told = Notices::default();
        near_ends(&mut told, &tokens(Some(ENDS), None), at(93 * DAY));

        let renewed = tokens(Some(ENDS + 100 * DAY), None);

        assert_eq!(near_ends(&mut told, &renewed, at(94 * DAY)), []);
        assert_eq!(near_ends(&mut told, &renewed, at(170 * DAY)).len(), 1);
    }

    #[test]
    fn an_access_token_that_could_not_be_replaced_is_told_of_once_a_day() {
        let tokens = tokens(None, None);
        let mut told = Notices::default();

        assert!(!expired(&mut told, &tokens, at(-1)), "it is still good");
        assert!(expired(&mut told, &tokens, at(0)));
        assert!(!expired(&mut told, &tokens, at(DAY - 1)));
        assert!(expired(&mut told, &tokens, at(DAY)));
        assert_eq!(told, Notices { expired: Some(at(DAY)), ..Notices::default() });
    }

    proptest! {
        #[test]
        fn however_often_one_looks_two_notices_are_a_day_apart_and_none_comes_after_the_end(
            ends in 0..ENDS,
            mut looks in prop::collection::vec(0..ENDS + DAY, 1..200),
        ) {
            looks.sort_unstable();
            let tokens = tokens(Some(ends), None);
            let mut told = Notices::default();

            let given = |&look: &i64| !near_ends(&mut told, &tokens, at(look)).is_empty();
            let given: Vec<_> = looks.into_iter().filter(given).collect();

            prop_assert!(given.len() <= AHEAD.len());
            prop_assert!(given.iter().all(|look| (ends - 30 * DAY..ends).contains(look)), "{given:?}");
            prop_assert!(given.is_sorted_by(|one, next| one + DAY <= *next), "{given:?}");
        }
    }
}
